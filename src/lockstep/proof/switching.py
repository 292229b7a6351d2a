"""The switch of the story: previewed, accepted under load, carried out while a worker is killed, and read meanwhile."""

import statistics
import time
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from lockstep.domain.acceptance import Accepted
from lockstep.domain.operation import ENDED, EventType, Operation, OperationState
from lockstep.domain.preview import Preview
from lockstep.engine.operation import get_operation, list_events
from lockstep.engine.switch import accept_switch
from lockstep.proof import probe
from lockstep.proof.example import example_protocols
from lockstep.proof.narrator import bar
from lockstep.proof.plan import PLACES, SWITCHED
from lockstep.proof.stage import Stage, StoryFailed
from lockstep.proof.watched_database import LOCK_TIME_OUT
from lockstep.proof.world import ACTOR, SECOND, World, approve, every_day, preview_publication

LONGEST_SECONDS = 3_600
DEAD_SECONDS = 1.0
AFTERWARDS_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Switched:
    """What was measured about the switch; `killed_at` is how many agendas were in step when the worker was killed."""

    acknowledged_ms: float
    in_step_seconds: float
    state: OperationState
    killed_at: int
    total: int
    seen: probe.Verdict
    answer_median_ms: float
    per_second: float
    p99_ms: float
    worker_lock_time_outs: int

    def hit_the_middle(self) -> bool:
        """Whether the worker was killed before all was done: only then the kill shows anything."""
        return self.killed_at < self.total

    def to_document(self) -> dict[str, Any]:
        """The figures in plain JSON values."""
        seen = self.seen
        return {
            "acknowledged_ms": round(self.acknowledged_ms, 2),
            "in_step_seconds": round(self.in_step_seconds, 2),
            "recalculated": self.total,
            "state": self.state.value,
            "killed_at": self.killed_at,
            "answers": {
                "before": seen.before,
                "during": seen.during,
                "after": seen.after,
                "former": seen.former,
                "overtaken": seen.overtaken,
                "mixed": seen.mixed,
                "median_ms": round(self.answer_median_ms, 1),
            },
            "measurements_per_second_meanwhile": round(self.per_second),
            "measurements_p99_ms_meanwhile": round(self.p99_ms, 1),
        }


def show_preview(stage: Stage, world: World) -> Preview:
    """The switch is previewed, with its figures on the terminal, and approved where that is needed."""
    narrator, database = stage.scene.narrator, stage.scene.database
    organisation_id = world.organisation_id(SWITCHED)
    before = example_protocols()[PLACES[SWITCHED].protocols[0]]
    narrator.step(f"3  Preview: {before.title}, from three times a week to every day")
    began = time.monotonic()
    preview = preview_publication(
        database,
        organisation_id=organisation_id,
        protocol_id=world.protocol_id(SWITCHED),
        content=every_day(before),
        reason="Patients were found late: measure every day",
    )
    seconds = time.monotonic() - began
    shown, now = preview.figures, preview.figures.open_now()
    narrator.tell(
        f"  Nothing has changed yet. {shown.patients:,} patients; occurrences a week {shown.per_week_now:,} → "
        f"{shown.per_week_after:,}  [dim](exact, in {seconds:.1f} s)[/]"
    )
    narrator.tell(
        f"  Open now: {now['go_on']:,} go on, {now['superseded']:,} are superseded; "
        f"{now['asked_at_once']:,} are asked at once, {now['waived']:,} waived"
    )
    for caution in preview.cautions[:3]:
        narrator.tell(f"  [yellow]▲[/] {caution.sentence}")
    if len(preview.cautions) > 3:
        narrator.tell(f"  [dim]and {len(preview.cautions) - 3} more to check[/]")
    if approve(database, organisation_id=organisation_id, preview=preview):
        narrator.tell(f"  Approved by a second person: {SECOND}")
    return preview


def show_switch(stage: Stage, world: World, preview: Preview) -> Switched:
    """The switch was accepted, every agenda is in step, and what readers saw has been judged."""
    narrator, database = stage.scene.narrator, stage.scene.database
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
    killed_at, operation = _see_it_through(stage, organisation_id, accepted, told - called)
    assert operation.ended_at is not None
    ended = time.monotonic()
    stage.watch_for(AFTERWARDS_SECONDS)
    answers = _answers(stage)
    assert accepted.version_number is not None
    switched = Switched(
        acknowledged_ms=(told - called) * 1000,
        in_step_seconds=(operation.ended_at - accepted.accepted_at).total_seconds(),
        state=operation.state,
        killed_at=killed_at,
        total=operation.total or 0,
        seen=probe.judge(
            answers,
            version_number=accepted.version_number,
            accepted_at=accepted.accepted_at,
            called=called,
            told=told,
        ),
        answer_median_ms=statistics.median((each.answered - each.asked) * 1000 for each in answers),
        per_second=stage.stream.per_second(told, ended),
        p99_ms=stage.stream.percentile_ms(0.99, told, ended),
        worker_lock_time_outs=_lock_time_outs_of_workers(stage, organisation_id, accepted.operation_id),
    )
    _tell(stage, switched)
    return switched


def _see_it_through(
    stage: Stage, organisation_id: int, accepted: Accepted, acknowledged_seconds: float
) -> tuple[int, Operation]:
    """All is in step; a worker was killed when the work had begun, and started again a second later.

    Returns how many agendas were in step when it was killed, and the operation.
    """
    database, crew, narrator = stage.scene.database, stage.scene.crew, stage.scene.narrator
    began = time.monotonic()
    operation = get_operation(database, organisation_id=organisation_id, operation_id=accepted.operation_id)
    killed_at: int | None = None
    start_again_at: float | None = None
    narrator.tell(
        f"  [bold green]● In force since {accepted.accepted_at:%H:%M:%S}[/] for all of them; "
        f"acknowledged in [bold]{acknowledged_seconds * 1000:.1f} ms[/]"
    )
    narrator.step("5  Agendas are brought up to date behind it; a worker is killed in the middle")

    def view() -> RenderableType:
        done, total = operation.done or 0, operation.total or 0
        rate = done / max(0.01, time.monotonic() - began)
        progress = f"  ⟳ {bar(done, total)} {done:,} of {total:,}"
        return Group(
            Text.from_markup(f"{progress}  [dim]{rate:,.0f} a second, {operation.state}[/]"),
            Text.from_markup(f"  [dim]workers {crew.alive()}, {stage.load_line()}[/]"),
        )

    def line() -> str:
        return f"{operation.done or 0:,} of {operation.total or 0:,} agendas, {operation.state}"

    with narrator.watch(view, line) as draw:
        while time.monotonic() < began + LONGEST_SECONDS:
            operation = get_operation(database, organisation_id=organisation_id, operation_id=accepted.operation_id)
            if killed_at is None and (operation.done or operation.state in ENDED):
                crew.kill(0)
                killed_at, start_again_at = operation.done or 0, time.monotonic() + DEAD_SECONDS
            draw()
            if start_again_at is not None and time.monotonic() > start_again_at:
                crew.start_again(0)
                start_again_at = None
            if operation.state in ENDED and killed_at is not None and start_again_at is None:
                return killed_at, operation
            # Until the kill as fast as can be: a few thousand agendas are in step within half a second.
            time.sleep(0.05 if killed_at is not None else 0.001)
    raise StoryFailed(f"The recalculation is still {operation.state} after {LONGEST_SECONDS // 60} minutes.")


def _answers(stage: Stage) -> list[probe.Answer]:
    """Every answer of the readers, who have ended. Raises StoryFailed when there was none."""
    stage.probes.stop()
    answers = stage.probes.answers()
    if not answers:
        raise StoryFailed("The readers had no answer.")
    return answers


def _lock_time_outs_of_workers(stage: Stage, organisation_id: int, operation_id: int) -> int:
    events = list_events(stage.scene.database, organisation_id=organisation_id, operation_id=operation_id)
    return sum(event.type == EventType.ATTEMPTED and event.data.get("sqlstate") == LOCK_TIME_OUT for event in events)


def _tell(stage: Stage, switched: Switched) -> None:
    narrator, seen = stage.scene.narrator, switched.seen
    narrator.tell(
        f"  Worker killed (SIGKILL) at {switched.killed_at:,} of {switched.total:,}; the other went on"
        if switched.hit_the_middle()
        else "  Worker killed (SIGKILL), when all was in step already: too few patients to hit it in the middle"
    )
    narrator.tell(
        f"  {switched.total:,} agendas in step [bold]{switched.in_step_seconds:.1f} s[/] after E ({switched.state}); "
        f"meanwhile {switched.per_second:.0f} measurements a second"
    )
    narrator.step("6  Those who read meanwhile")
    narrator.tell(
        f"  {seen.before:,} answers before, {seen.during:,} during, {seen.after:,} after the acknowledgement: "
        f"[bold]{seen.former}[/] showed the former schedule, [bold]{seen.mixed}[/] mixed the two"
    )
    if seen.overtaken:
        narrator.tell(
            f"  [dim]{seen.overtaken} asked while it was being committed, and were told what was known then[/]"
        )
