"""What occurrences that were missed amount to: how many in a row, and which rules that breaks."""

from collections.abc import Iterable

from lockstep.domain.content import Activity
from lockstep.domain.occurrence import OccurrenceState
from lockstep.domain.rule import Missed


def run_length(states: Iterable[OccurrenceState]) -> int:
    """How many of an activity's decided occurrences, the latest first, were missed in a row.

    Superseded and waived ones neither count nor break the run: they are never decided, and skipped where given.
    """
    missed = 0
    for state in states:
        if state in (OccurrenceState.SUPERSEDED, OccurrenceState.WAIVED):
            continue
        if state is not OccurrenceState.MISSED:
            break
        missed += 1
    return missed


def missed_rules(activity: Activity | None) -> tuple[Missed, ...]:
    """The rules of the activity that missed occurrences may break; those of a run are broken from `in_a_row` on."""
    return tuple(rule for rule in activity.rules if isinstance(rule, Missed)) if activity is not None else ()
