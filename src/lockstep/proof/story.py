"""The story of a switch under load, step by step, and the claims it ends with."""

import statistics
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Group, RenderableType
from rich.text import Text

from lockstep.domain.acceptance import Accepted
from lockstep.domain.operation import ENDED, EventType, OperationState
from lockstep.domain.preview import Preview
from lockstep.engine.operation import get_operation, list_events
from lockstep.proof import figures, inspection, probe, stream
from lockstep.proof.claim import Claim, as_table
from lockstep.proof.crew import Crew
from lockstep.proof.example import example_protocols
from lockstep.proof.narrator import Narrator, bar, table
from lockstep.proof.plan import ORGANISATIONS, PLACES, SWITCHED, WARD, Plan
from lockstep.proof.probe import Probes
from lockstep.proof.stream import Stream
from lockstep.proof.watched_database import LOCK_TIME_OUT, WatchedDatabase
from lockstep.engine.switch import accept_switch
from lockstep.proof.world import ACTOR, SECOND, World, approve, build, every_day, preview_publication
from lockstep.store import trial

SENDERS, READERS = 2, 2
READS_PER_SECOND = 60
MOST_PROBED = 5_000
WARM_UP_SECONDS = 3.0
LONGEST_WAIT_SECONDS = 1_800
DEAD_SECONDS = 1.0
JUDGED_WITHIN = timedelta(seconds=10)


class StoryFailed(RuntimeError):
    """Something that had to happen did not, so that nothing can be proven."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Where the story takes place."""

    url: str
    plan: Plan
    database: WatchedDatabase
    crew: Crew
    worker_log: Path
    server_log: trial.ServerLog | None
    per_second: float
    tamper: bool
    narrator: Narrator


class Story:
    """One telling; as a context it ends every client it started."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.figures: dict[str, Any] = {"patients": scene.plan.patients, "seed": scene.plan.seed}
        self._stream: Stream | None = None
        self._probes: Probes | None = None
        self._world: World | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for clients in (self._stream, self._probes):
            if clients is not None:
                clients.kill()

    def tell(self) -> list[Claim]:
        """The whole story; returns what it claims."""
        world = self._world = self._set_up()
        running = self._start_stream(world)
        preview = self._preview(world)
        switch = self._switch(world, preview, running)
        self._find_missed(world, running)
        inspected = self._inspect(world)
        return self._settle(world, running, switch, inspected)

    # -- 1 and 2: the world and its measurements

    def _set_up(self) -> World:
        narrator, plan = self.scene.narrator, self.scene.plan
        narrator.step(f"1  A world of {plan.patients:,} patients")
        began = time.monotonic()
        enrolled = 0

        def told(so_far: int) -> None:
            nonlocal enrolled
            enrolled = so_far
            draw()

        with narrator.watch(
            lambda: f"  {bar(enrolled, plan.patients)} {enrolled:,} enrolled", lambda: f"{enrolled:,} enrolled"
        ) as draw:
            world = build(self.scene.database, plan, told)
        seconds = time.monotonic() - began
        rows = [
            (ORGANISATIONS[place.organisation], place.title, f"{len(plan.numbers(index)):,}", ", ".join(place.protocols))
            for index, place in enumerate(PLACES)
        ]
        narrator.tell(table("", ("Organisation", "Program", "Patients", "Protocols"), rows, right=(2,)))
        narrator.tell(f"  [dim]ten time zones; enrolled with their agendas in {seconds:.1f} s[/]")
        self.figures["set_up_seconds"] = round(seconds, 1)
        return world

    def _start_stream(self, world: World) -> Stream:
        narrator = self.scene.narrator
        narrator.step(f"2  Measurements stream in, about {self.scene.per_second:.0f} a second")
        self._stream = self._new_stream(world, "a")
        enrolments = world.switched
        chosen = enrolments[:: max(1, len(enrolments) // MOST_PROBED)]
        orders = [
            probe.Order(
                self.scene.url, world.organisation_id(SWITCHED), chosen, READS_PER_SECOND, self.scene.plan.seed * 10 + n
            )
            for n in range(READERS)
        ]
        self._probes = Probes(orders)
        trial.settle(self.scene.url)
        self._wait_for_clients()
        began = time.monotonic()
        self._watch_for(WARM_UP_SECONDS)
        ended = time.monotonic()
        narrator.tell(
            f"  {SENDERS} senders: {self._stream.per_second(began, ended):.0f} measurements a second, half of the requests "
            f"within {self._stream.percentile_ms(0.5, began, ended):.0f} ms; {READERS} readers: "
            f"{self._answered_since(began) / (ended - began):.0f} patients a second"
        )
        return self._stream

    def _new_stream(self, world: World, run: str) -> Stream:
        organisation_ids = tuple(world.organisation_id(place) for place in range(len(PLACES)))
        each = self.scene.per_second / SENDERS
        return Stream(
            [
                stream.Order(self.scene.url, self.scene.plan, organisation_ids, each, n, SENDERS, world.ward.zone, run)
                for n in range(SENDERS)
            ]
        )

    def _wait_for_clients(self) -> None:
        """Every kind of client has had an answer."""
        assert self._stream is not None
        assert self._probes is not None
        until = time.monotonic() + 60
        while not self._stream.sent() or not self._probes.answers():
            if time.monotonic() > until:
                raise StoryFailed("The clients had no answer within a minute.")
            time.sleep(0.05)

    # -- 3: the preview

    def _preview(self, world: World) -> Preview:
        narrator = self.scene.narrator
        key = PLACES[SWITCHED].protocols[0]
        before = example_protocols()[key]
        narrator.step(f"3  Preview: {before.title}, from three times a week to every day")
        began = time.monotonic()
        preview = preview_publication(
            self.scene.database,
            organisation_id=world.organisation_id(SWITCHED),
            protocol_id=world.protocol_id(SWITCHED),
            content=every_day(before),
            reason="Patients were found late: measure every day",
        )
        seconds = time.monotonic() - began
        shown = preview.figures
        narrator.tell(
            f"  Nothing has changed yet. {shown.patients:,} patients; occurrences a week {shown.per_week_now:,} → "
            f"{shown.per_week_after:,}  [dim](exact, in {seconds:.1f} s)[/]"
        )
        now = shown.open_now()
        narrator.tell(
            f"  Open now: {now['go_on']:,} go on, {now['superseded']:,} are superseded; "
            f"{now['asked_at_once']:,} are asked at once, {now['waived']:,} waived"
        )
        for caution in preview.cautions[:3]:
            narrator.tell(f"  [yellow]▲[/] {caution.sentence}")
        if len(preview.cautions) > 3:
            narrator.tell(f"  [dim]and {len(preview.cautions) - 3} more to check[/]")
        if approve(self.scene.database, organisation_id=world.organisation_id(SWITCHED), preview=preview):
            narrator.tell(f"  Approved by a second person: {SECOND}")
        self.figures["preview"] = {
            "patients": shown.patients,
            "per_week_now": shown.per_week_now,
            "per_week_after": shown.per_week_after,
            "cautions": len(preview.cautions),
            "seconds": round(seconds, 2),
        }
        return preview

    # -- 4 to 6: the switch, those who read meanwhile, the recalculation, a worker killed

    def _switch(self, world: World, preview: Preview, running: Stream) -> "Switched":
        narrator, database = self.scene.narrator, self.scene.database
        organisation_id = world.organisation_id(SWITCHED)
        narrator.step(f"4  Switch {preview.figures.patients:,} patients now, under load")
        called = time.monotonic()
        accepted = accept_switch(
            database,
            organisation_id=organisation_id,
            switch_id=preview.switch_id,
            client_key="demo-the-switch",
            actor=ACTOR,
        )
        told = time.monotonic()
        narrator.tell(
            f"  [bold green]● In force since {accepted.accepted_at:%H:%M:%S}[/] for all "
            f"{preview.figures.patients:,} patients; acknowledged in [bold]{(told - called) * 1000:.1f} ms[/]"
        )
        narrator.step("5  Agendas are brought up to date behind it; a worker is killed in the middle")
        killed_at = self._recalculate(organisation_id, accepted)
        operation = get_operation(database, organisation_id=organisation_id, operation_id=accepted.operation_id)
        ended_at = operation.ended_at
        assert ended_at is not None
        seconds = (ended_at - accepted.accepted_at).total_seconds()
        total = operation.total or 0
        middle = killed_at is not None and killed_at < total
        narrator.tell(
            f"  Worker killed (SIGKILL) at {killed_at or 0:,} of {total:,}; the other went on"
            if middle
            else "  Worker killed (SIGKILL), when all was in step already: too few patients to hit it in the middle"
        )
        narrator.tell(f"  {total:,} agendas in step [bold]{seconds:.1f} s[/] after E ({operation.state})")
        ended = time.monotonic()
        self._watch_for(2.0)
        narrator.step("6  Those who read meanwhile")
        seen = self._judge_answers(accepted, called, told)
        switched = Switched(
            accepted=accepted,
            acknowledged_ms=(told - called) * 1000,
            in_step_seconds=seconds,
            state=operation.state,
            killed_at=killed_at if middle else None,
            total=total,
            seen=seen,
            per_second=running.per_second(told, ended),
            p99_ms=running.percentile_ms(0.99, told, ended),
            worker_lock_time_outs=self._lock_time_outs_of_workers(organisation_id, accepted.operation_id),
        )
        narrator.tell(
            f"  {seen.before:,} answers before, {seen.during:,} during, {seen.after:,} after the acknowledgement: "
            f"[bold]{seen.former}[/] showed the former schedule, [bold]{seen.mixed}[/] mixed the two"
        )
        return switched

    def _recalculate(self, organisation_id: int, accepted: Accepted) -> int | None:
        """All is in step; a worker was killed when the work had begun, and started again a second later.

        Returns how many agendas were in step when it was killed.
        """
        database, crew = self.scene.database, self.scene.crew
        began = time.monotonic()
        done = total = 0
        state = OperationState.ACCEPTED
        killed_at: int | None = None
        start_again_at: float | None = None

        def view() -> RenderableType:
            rate = done / max(0.01, time.monotonic() - began)
            return Group(
                Text.from_markup(f"  ⟳ {bar(done, total)} {done:,} of {total:,}  [dim]{rate:,.0f} a second, {state}[/]"),
                Text.from_markup(f"  [dim]workers {crew.alive()}, {self._load_line()}[/]"),
            )

        with self.scene.narrator.watch(view, lambda: f"{done:,} of {total:,} agendas, {state}") as draw:
            until = time.monotonic() + LONGEST_WAIT_SECONDS
            while time.monotonic() < until:
                operation = get_operation(
                    database, organisation_id=organisation_id, operation_id=accepted.operation_id
                )
                done, total, state = operation.done, operation.total or 0, operation.state
                if killed_at is None and (done or state in ENDED):
                    crew.kill(0)
                    killed_at, start_again_at = done, time.monotonic() + DEAD_SECONDS
                draw()
                if start_again_at is not None and time.monotonic() > start_again_at:
                    crew.start_again(0)
                    start_again_at = None
                if state in ENDED and start_again_at is None:
                    return killed_at
                # Until the kill as fast as can be: a few thousand agendas are in step within half a second.
                time.sleep(0.05 if killed_at is not None else 0.001)
        raise StoryFailed(f"The recalculation is still {state} after {LONGEST_WAIT_SECONDS // 60} minutes.")

    def _judge_answers(self, accepted: Accepted, called: float, told: float) -> probe.Verdict:
        assert self._probes is not None
        assert accepted.version_number is not None
        self._probes.stop()
        answers = self._probes.answers()
        took = [(each.answered - each.asked) * 1000 for each in answers]
        self.figures["answer_median_ms"] = round(statistics.median(took), 1)
        return probe.judge(
            answers,
            version_number=accepted.version_number,
            accepted_at=accepted.accepted_at,
            called=called,
            told=told,
        )

    def _lock_time_outs_of_workers(self, organisation_id: int, operation_id: int) -> int:
        events = list_events(self.scene.database, organisation_id=organisation_id, operation_id=operation_id)
        return sum(
            event.type == EventType.ATTEMPTED and event.data.get("sqlstate") == LOCK_TIME_OUT for event in events
        )

    # -- 7: who did not measure

    def _find_missed(self, world: World, running: Stream) -> None:
        narrator, database, ward = self.scene.narrator, self.scene.database, world.ward
        narrator.step("7  Who did not measure")
        organisation_id = world.organisation_id(WARD)
        until = time.monotonic() + 150
        slots: list[str] = []
        found: dict[tuple[int, str], str] = {}
        with narrator.watch(
            lambda: f"  ◷ waiting for a minute's window to close and be judged  [dim]{self._load_line()}[/]",
            lambda: "waiting for a window of the ward to close and be judged",
        ) as draw:
            while time.monotonic() < until:
                slots = figures.closed_windows(ward, figures.clock(database) - JUDGED_WITHIN)
                found = figures.ward_states(database, organisation_id, ward, slots)
                if slots and len(found) >= len(slots) * len(ward.enrolments):
                    break
                draw()
                time.sleep(0.2)
        asked = {(n, slot) for n in ward.enrolments for slot in slots}
        silent = {each for each in asked if each not in running.measured}
        missed = {each for each in asked if found.get((ward.enrolments[each[0]], each[1])) == "missed"}
        undecided = sum((ward.enrolments[n], slot) not in found for n, slot in asked)
        alerts = figures.count_missed_alerts(database, organisation_id, ward)
        self.figures["missed"] = {
            "windows": len(slots),
            "asked": len(asked),
            "silent": len(silent),
            "found": len(missed & silent),
            "false": len(missed - silent),
            "undecided": undecided,
            "alerted_patients": alerts,
            "silent_patients": len({n for n, _ in silent}),
        }
        narrator.tell(
            f"  The ward asks every minute: {len(slots)} windows closed, {len(asked):,} occurrences, {len(silent):,} without "
            f"a measurement; {len(missed & silent):,} found, {len(missed - silent)} falsely, alerts for {alerts:,} patients"
        )

    # -- 8: the check

    def _inspect(self, world: World) -> inspection.Inspected:
        narrator, database = self.scene.narrator, self.scene.database
        if self.scene.tamper:
            figures.shift_one_row(database, world.organisation_id(SWITCHED), world.switched[len(world.switched) // 2])
            narrator.tell("  [yellow]▲ one agenda row was shifted by a day, by hand, behind the engine's back[/]")
        narrator.step("8  The check: every patient recomputed from the facts alone")
        checked = 0

        def told(so_far: int) -> None:
            nonlocal checked
            checked = so_far
            draw()

        began = time.monotonic()
        with narrator.watch(
            lambda: f"  {bar(checked, self.scene.plan.patients)} {checked:,} checked  [dim]{self._load_line()}[/]",
            lambda: f"{checked:,} checked",
        ) as draw:
            inspected = inspection.inspect(database, list(world.organisations.values()), told)
        narrator.tell(
            f"  {inspected.checked:,} patients checked in {time.monotonic() - began:.1f} s: drift [bold]{inspected.drifted}[/]; "
            f"{inspected.pending} were being worked on"
        )
        for hash_ in inspected.certificates:
            narrator.tell(f"  [dim]certificate {hash_[:40]}[/]")
        return inspected

    # -- 9: the sums

    def _settle(
        self, world: World, running: Stream, switched: "Switched", inspected: inspection.Inspected
    ) -> list[Claim]:
        database = self.scene.database
        organisation_ids = list(world.organisations.values())
        running.stop()
        stored, aside = figures.count_measurements(database, organisation_ids)
        missed, alerts = figures.count_all(database, organisation_ids)
        lock_time_outs = {
            "clients": running.lock_time_outs(),
            "decisions": database.lock_time_outs(),
            "workers": switched.worker_lock_time_outs,
            "server_log": None if self.scene.server_log is None else self.scene.server_log.count_lock_time_outs(),
            "deadlocks": trial.count_deadlocks(self.scene.url),
        }
        outcomes = {name: running.outcomes[name] for name in ("stored", "duplicate", "set aside", "refused")}
        seen = switched.seen
        self.figures |= {
            "acknowledged_ms": round(switched.acknowledged_ms, 2),
            "in_step_seconds": round(switched.in_step_seconds, 2),
            "recalculated": switched.total,
            "killed_at": switched.killed_at,
            "answers": {
                "before": seen.before, "during": seen.during, "after": seen.after, "former": seen.former,
                "overtaken": seen.overtaken, "mixed": seen.mixed,
            },
            "measurements": {
                "sent": running.sent(), **outcomes, "unanswered": running.unanswered, "stored_rows": stored,
                "set_aside_rows": aside, "per_second_meanwhile": round(switched.per_second),
                "p99_ms_meanwhile": round(switched.p99_ms, 1),
            },
            "lock_time_outs": lock_time_outs,
            "missed_in_all": missed,
            "open_alerts": alerts,
            "check": {
                "checked": inspected.checked, "drifted": inspected.drifted, "pending": inspected.pending,
                "certificates": list(inspected.certificates),
            },
        }  # fmt: skip
        claims = self._claims(world, running, switched, inspected, stored, sum(each or 0 for each in lock_time_outs.values()))
        self.scene.narrator.step("9  What was shown")
        self.scene.narrator.tell(as_table(claims))
        return claims

    def _claims(
        self,
        world: World,
        running: Stream,
        switched: "Switched",
        inspected: inspection.Inspected,
        stored: int,
        lock_time_outs: int,
    ) -> list[Claim]:
        seen, sent, missed = switched.seen, running.sent(), self.figures["missed"]
        answered = running.outcomes.total()
        parts = " + ".join(f"{running.outcomes[name]:,}" for name in ("stored", "duplicate", "set aside", "refused"))
        right = missed["found"] == missed["silent"] > 0 and not missed["false"] and not missed["undecided"]
        return [
            Claim("acknowledged", "Switch acknowledged in", f"{switched.acknowledged_ms:.1f} ms"),
            Claim(
                "former",
                f"Readers after it who saw the former schedule, of {seen.after:,}",
                str(seen.former),
                "0",
                seen.former == 0 and seen.after > 0 and seen.before > 0,
            ),
            Claim("mixed", "Answers that mixed two versions", str(seen.mixed), "0", seen.mixed == 0),
            Claim(
                "in_step",
                f"{switched.total:,} agendas in step after",
                f"{switched.in_step_seconds:.1f} s",
                "all",
                switched.state is OperationState.SUCCEEDED and switched.total == len(world.switched),
            ),
            Claim(
                "workers",
                "Workers alive again after one was killed",
                str(self.scene.crew.alive()),
                "2",
                self.scene.crew.alive() == 2,
            ),
            Claim(
                "sums",
                f"Measurements sent: {parts} (stored, duplicate, set aside, refused)",
                f"{answered:,}",
                f"{sent:,}",
                answered == sent > 0,
            ),
            Claim(
                "stored",
                "Measurements in the tables",
                f"{stored:,}",
                f"{running.outcomes['stored']:,}",
                stored == running.outcomes["stored"],
            ),
            Claim("lock_time_outs", "Lock time-outs, of anybody", str(lock_time_outs), "0", lock_time_outs == 0),
            Claim("missed", "Missed measurements found", f"{missed['found']:,}", f"{missed['silent']:,}", right),
            Claim(
                "alerts",
                "Patients with an alert about it",
                f"{missed['alerted_patients']:,}",
                f"≥ {missed['silent_patients']:,}",
                missed["alerted_patients"] >= missed["silent_patients"],
            ),
            Claim(
                "drift",
                f"Drift among {inspected.checked:,} patients checked",
                str(inspected.drifted),
                "0",
                inspected.drifted == 0 and inspected.checked == self.scene.plan.begins()[-1],
            ),
        ]

    def go_on(self) -> None:
        """Workers and measurements go on until somebody ends it."""
        assert self._world is not None
        self.scene.narrator.tell("  Workers and measurements go on; Ctrl-C ends everything.")
        self._stream = self._new_stream(self._world, "b")
        with self.scene.narrator.watch(lambda: f"  {self._load_line()}", self._load_line) as draw:
            while True:
                draw()
                time.sleep(0.25)

    # -- what a person sees meanwhile

    def _load_line(self) -> str:
        if self._stream is None:
            return ""
        now = time.monotonic()
        return (
            f"{self._stream.sent():,} measurements sent, {self._stream.per_second(now - 2.5, now - 0.5):.0f} a second, "
            f"lock time-outs {self._stream.lock_time_outs()}"
        )

    def _watch_for(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        with self.scene.narrator.watch(lambda: f"  {self._load_line()}", self._load_line) as draw:
            while time.monotonic() < until:
                draw()
                time.sleep(0.1)

    def _answered_since(self, since: float) -> int:
        assert self._probes is not None
        return sum(each.answered >= since for each in self._probes.answers())


@dataclass(frozen=True, slots=True)
class Switched:
    """What was measured about the switch."""

    accepted: Accepted
    acknowledged_ms: float
    in_step_seconds: float
    state: OperationState
    killed_at: int | None
    total: int
    seen: probe.Verdict
    per_second: float
    p99_ms: float
    worker_lock_time_outs: int

