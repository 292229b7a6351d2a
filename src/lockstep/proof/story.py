"""The story of a switch under load, from an empty database to the claims it ends with."""

import time
from dataclasses import asdict
from typing import Any

from rich.text import Text

from lockstep.domain.preview import Preview
from lockstep.proof import figures, settlement
from lockstep.proof.claim import Claim, as_table
from lockstep.proof.inspection import Inspected, inspect
from lockstep.proof.narrator import bar, table
from lockstep.proof.plan import ORGANISATIONS, PLACES, SWITCHED
from lockstep.proof.silence import show_silence
from lockstep.proof.stage import READERS, SENDERS, Stage
from lockstep.proof.switching import show_preview, show_switch
from lockstep.proof.world import World, build
from lockstep.store import trial

WARM_UP_SECONDS = 3.0


class Story:
    """One telling on a stage; `figures` holds what was measured, in plain JSON values."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._scene = stage.scene
        self._world: World | None = None
        self.figures: dict[str, Any] = {"patients": stage.scene.plan.patients, "seed": stage.scene.plan.seed}

    def tell(self) -> list[Claim]:
        """The whole story was told; returns what it claims. Raises StoryFailed, ClientFailed."""
        stage = self._stage
        world = self._world = self._set_up()
        self._start_clients(world)
        preview = show_preview(stage, world)
        self.figures["preview"] = _figures_of(preview)
        switched = show_switch(stage, world, preview)
        silence = show_silence(stage, world)
        self._tamper(world)
        inspected = self._inspect(world)
        stage.stream.stop()
        sums = settlement.count_measurements(stage, world)
        lock = settlement.count_lock_time_outs(stage, switched)
        missed, alerts = figures.count_all(self._scene.database, list(world.organisations.values()))
        self.figures |= {
            "switch": switched.to_document(),
            "missed": silence.to_document(),
            "check": asdict(inspected),
            **settlement.document(sums, lock),
            "missed_in_all": missed,
            "open_alerts": alerts,
        }
        alive = self._scene.crew.alive()
        claims = settlement.claims_of(world, switched, silence, inspected, sums, lock, alive)
        self._scene.narrator.step("9  What was shown")
        self._scene.narrator.tell(as_table(claims))
        return claims

    def go_on(self) -> None:
        """Workers and measurements go on, until an exception ends it."""
        assert self._world is not None
        self._scene.narrator.tell("  Workers and measurements go on; Ctrl-C ends everything.")
        self._stage.start_stream(self._world, "b")
        while True:
            self._stage.watch_for(3600)

    def _set_up(self) -> World:
        narrator, plan = self._scene.narrator, self._scene.plan
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
            world = build(self._scene.database, plan, told)
        seconds = time.monotonic() - began
        rows = [
            (
                ORGANISATIONS[place.organisation],
                place.title,
                f"{len(plan.numbers(index)):,}",
                ", ".join(world.protocols_of(index)),
            )
            for index, place in enumerate(PLACES)
        ]
        narrator.tell(table("", ("Organisation", "Program", "Patients", "Protocols"), rows, right=(2,)))
        narrator.tell(f"  [dim]in ten time zones; enrolled with their agendas in {seconds:.1f} s[/]")
        self.figures["set_up_seconds"] = round(seconds, 1)
        return world

    def _start_clients(self, world: World) -> None:
        stage = self._stage
        self._scene.narrator.step(f"2  Measurements stream in, about {self._scene.per_second:.0f} a second")
        stage.start_stream(world, "a")
        stage.start_probes(world)
        trial.settle(self._scene.url)
        stage.wait_for_clients()
        began = time.monotonic()
        stage.watch_for(WARM_UP_SECONDS)
        ended = time.monotonic()
        answers = sum(each.answered >= began for each in stage.probes.answers())
        self._scene.narrator.tell(
            f"  {SENDERS} senders: {stage.stream.per_second(began, ended):.0f} measurements a second, half of the "
            f"requests within {stage.stream.percentile_ms(0.5, began, ended):.0f} ms; "
            f"{READERS} readers: {answers / (ended - began):.0f} patients a second"
        )

    def _tamper(self, world: World) -> None:
        if not self._scene.tamper:
            return
        enrolment_id = world.switched[len(world.switched) // 2]
        figures.shift_one_row(self._scene.database, world.organisation_id(SWITCHED), enrolment_id)
        self._scene.narrator.tell(
            "  [yellow]▲ one agenda row was shifted by a day, by hand, behind the engine's back[/]"
        )

    def _inspect(self, world: World) -> Inspected:
        narrator, patients = self._scene.narrator, self._scene.plan.patients
        narrator.step("8  The check: every patient recomputed from the facts alone")
        checked = 0

        def told(so_far: int) -> None:
            nonlocal checked
            checked = so_far
            draw()

        began = time.monotonic()
        with narrator.watch(
            lambda: f"  {bar(checked, patients)} {checked:,} checked  [dim]{self._stage.load_line()}[/]",
            lambda: f"{checked:,} checked",
        ) as draw:
            inspected = inspect(self._scene.database, list(world.organisations.values()), told)
        narrator.tell(
            f"  {inspected.checked:,} patients checked in {time.monotonic() - began:.1f} s: "
            f"drift [bold]{inspected.drifted}[/]; {inspected.pending} were being worked on"
        )
        for kind, count in inspected.kinds.items():
            narrator.tell(f"  [red]✗ {kind}: {count}[/]")
        for example in inspected.examples:
            narrator.tell(Text(f"    {example}", style="dim"))
        for certificate in inspected.certificates:
            narrator.tell(f"  [dim]certificate {certificate}[/]")
        return inspected


def _figures_of(preview: Preview) -> dict[str, Any]:
    return {
        "patients": preview.figures.patients,
        "per_week_now": preview.figures.per_week_now,
        "per_week_after": preview.figures.per_week_after,
        "cautions": len(preview.cautions),
    }
