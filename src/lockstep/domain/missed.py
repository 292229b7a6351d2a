"""What occurrences that were missed amount to: how many in a row, and which rules that breaks."""

from collections import defaultdict
from collections.abc import Iterable, Set
from datetime import datetime

from lockstep.domain.agenda import Course, occurrences_between
from lockstep.domain.content import Activity
from lockstep.domain.occurrence import Fate, Key, OccurrenceState
from lockstep.domain.rule import Missed


def run_length(states: Iterable[OccurrenceState]) -> int:
    """How many of an activity's decided occurrences, the latest first, were missed in a row.

    Superseded and waived ones neither count nor break the run: they are skipped where given.
    """
    missed = 0
    for state in states:
        if state in (OccurrenceState.SUPERSEDED, OccurrenceState.WAIVED):
            continue
        if state is not OccurrenceState.MISSED:
            break
        missed += 1
    return missed


def run_lengths(decided: Iterable[tuple[Key, OccurrenceState]]) -> dict[Key, int]:
    """For each missed occurrence of an activity, given in order, the length of the run of missed ones it stands in."""
    lengths: dict[Key, int] = {}
    run: list[Key] = []
    for key, state in decided:
        if state in (OccurrenceState.SUPERSEDED, OccurrenceState.WAIVED):
            continue
        if state is not OccurrenceState.MISSED:
            run = []
            continue
        run.append(key)
        lengths.update(dict.fromkeys(run, len(run)))
    return lengths


def waived_after_all(
    course: Course, activity_key: str, missed: Set[Key], *, from_at: datetime, until_at: datetime
) -> frozenset[Key]:
    """Of these occurrences those that the course waives and asks at no other time in the span."""
    fates: dict[Key, set[Fate]] = defaultdict(set)
    for occurrence in occurrences_between(course, activity_key, from_at=from_at, until_at=until_at) if missed else ():
        fates[occurrence.key].add(occurrence.fate)
    return frozenset(key for key in missed if Fate.WAIVED in fates[key] and Fate.ASKED not in fates[key])


def missed_rules(activity: Activity | None) -> tuple[Missed, ...]:
    """The rules of the activity that missed occurrences may break; those of a run are broken from `in_a_row` on."""
    return tuple(rule for rule in activity.rules if isinstance(rule, Missed)) if activity is not None else ()
