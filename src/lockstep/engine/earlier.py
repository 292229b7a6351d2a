"""What was measured before it was asked for: it counts for windows that a change asks in their middle (rule 4)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from lockstep.domain.agenda import Course, activity_keys, activity_of, asked_at_changes
from lockstep.domain.asked import asked_in
from lockstep.domain.occurrence import Key, Occurrence, OccurrenceState
from lockstep.store import agenda as store
from lockstep.store.database import Connection


@dataclass(frozen=True, slots=True)
class Changed:
    """An enrolment with its course, of which the changes from an instant on are looked at for the first time."""

    enrolment_id: int
    patient_id: int
    course: Course
    since_at: datetime


def fulfilled_at_changes(
    connection: Connection,
    *,
    organisation_id: int,
    changed: Iterable[Changed],
    decided: dict[tuple[int, str], set[Key]],
) -> list[store.Decision]:
    """What each change asked in mid-window and enough had been measured for, also where a later change ended it.

    So that two changes looked at together leave what they would have left one by one (invariant S9). `decided` holds
    the keys by (enrolment, activity); those found are added to it. Locks: none.
    """
    found = [
        (each, occurrence)
        for each in changed
        for key in activity_keys(each.course.timeline)
        for occurrence in asked_at_changes(each.course, key, since_at=each.since_at)
        if occurrence.key not in decided.get((each.enrolment_id, key), ())
    ]
    asked = [asked_for(each.patient_id, each.course, occurrence) for each, occurrence in found]
    taken = store.list_measurements_in(connection, organisation_id=organisation_id, asked=asked)
    decisions = []
    for (each, occurrence), numbers in zip(found, taken, strict=True):
        done = decided.setdefault((each.enrolment_id, occurrence.activity_key), set())
        if len(numbers) < occurrence.quantity or occurrence.key in done:
            continue
        last = numbers[occurrence.quantity - 1]
        decisions.append(store.Decision(each.enrolment_id, occurrence, OccurrenceState.FULFILLED, last))
        done.add(occurrence.key)
    return decisions


def asked_for(patient_id: int, course: Course, occurrence: Occurrence) -> store.Asked:
    """The question for what a patient measured in an occurrence of the course, from its nominal opening on."""
    return store.Asked(
        patient_id,
        code_of(course, occurrence),
        occurrence.nominal_at,
        occurrence.takes_until_at,
        occurrence.ended_at,
    )


def code_of(course: Course, occurrence: Occurrence) -> str:
    """The code of what is measured for the occurrence, under the version that asks it."""
    segment = asked_in(course.timeline, occurrence.activity_key, occurrence.key, occurrence.opens_at)
    activity = activity_of(segment, occurrence.activity_key) if segment else None
    return activity.code if activity else ""
