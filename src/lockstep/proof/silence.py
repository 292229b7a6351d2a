"""Who did not measure: what the tables say was missed, held against what the senders know they sent."""

import time
from dataclasses import asdict, dataclass
from typing import Any

from lockstep.proof import figures
from lockstep.proof.plan import WARD
from lockstep.proof.stage import Stage
from lockstep.proof.world import World

LONGEST_MINUTE_SECONDS = 150.0
JUDGED_WITHIN_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Silence:
    """Occurrences of windows that closed: asked, without a measurement, found missed, missed falsely, not decided.

    `found_within_seconds` is from when the slowest of them was due for judgement until it was found missed.
    """

    windows: int
    asked: int
    silent: int
    found: int
    false: int
    undecided: int
    silent_patients: int
    alerted_patients: int
    found_within_seconds: float

    def is_right(self) -> bool:
        """Whether exactly those were found missed that were not measured, and there were some."""
        return self.found == self.silent > 0 and not self.false and not self.undecided

    def to_document(self) -> dict[str, Any]:
        """The figures in plain JSON values."""
        return {**asdict(self), "found_within_seconds": round(self.found_within_seconds, 1)}


def show_silence(stage: Stage, world: World) -> Silence:
    """The windows that had closed when this was called, at least one, have been judged and looked at."""
    narrator, database, ward = stage.scene.narrator, stage.scene.database, world.ward
    narrator.step("7  Who did not measure")
    organisation_id = world.organisation_id(WARD)
    slots: list[str] = []
    found: dict[tuple[int, str], str] = {}
    with narrator.watch(
        lambda: f"  ◷ waiting for a minute's window to close and be judged  [dim]{stage.load_line()}[/]",
        lambda: "waiting for a window of the ward to close and be judged",
    ) as draw:
        until = time.monotonic() + LONGEST_MINUTE_SECONDS
        while time.monotonic() < until:
            if not slots and (slots := figures.closed_windows(ward, figures.clock(database))):
                # These must be decided in time; windows that close later are not waited for.
                until = time.monotonic() + JUDGED_WITHIN_SECONDS
            found = figures.ward_states(database, organisation_id, ward, slots) if slots else {}
            if slots and len(found) >= len(slots) * len(ward.enrolments):
                break
            draw()
            time.sleep(0.1)
    asked = {(number, slot) for number in ward.enrolments for slot in slots}
    silent = asked - stage.stream.heard()
    missed = {each for each in asked if found.get((ward.enrolments[each[0]], each[1])) == "missed"}
    silence = Silence(
        windows=len(slots),
        asked=len(asked),
        silent=len(silent),
        found=len(missed & silent),
        false=len(missed - silent),
        undecided=sum((ward.enrolments[number], slot) not in found for number, slot in asked),
        silent_patients=len({number for number, _ in silent}),
        alerted_patients=figures.count_missed_alerts(database, organisation_id, ward),
        found_within_seconds=figures.slowest_judgement_seconds(database, organisation_id, ward, slots),
    )
    narrator.tell(
        f"  The ward asks every minute: {silence.windows} closed, {silence.asked:,} occurrences, "
        f"{silence.silent:,} without a measurement;\n  {silence.found:,} found within "
        f"{silence.found_within_seconds:.1f} s, {silence.false} falsely; "
        f"alerts for {silence.alerted_patients:,} patients"
    )
    return silence
