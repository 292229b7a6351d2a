"""Raises alerts for values beyond limits, and takes back those of occurrences that were not missed after all."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from lockstep.domain.alert import Alert, JudgedBy, Sample, broken_limits, is_late
from lockstep.domain.content import Activity
from lockstep.domain.rule import Missed
from lockstep.domain.timeline import Segment
from lockstep.engine.course import OwnCourse
from lockstep.engine.matching_agenda import Agenda
from lockstep.engine.matching_taking import Stored
from lockstep.store import alert as store
from lockstep.store.database import Connection

IN_TIME_AFTER_ALL = "A measurement taken in time arrived late."


def limit_alerts(stored: Iterable[Stored], agendas: dict[int, list[Agenda]], now: datetime) -> list[Alert]:
    """The alerts that the measurements raise by the limits in force when they were taken.

    During a pause and after discharge the last limits hold; an enrolment that has ended is judged by only where no
    other one of the patient measures the same.
    """
    raised: list[Alert] = []
    for each in stored:
        for agenda, segment, activities in judging(agendas.get(each.patient_id, ()), each.at, each.code):
            for activity in activities:
                raised.extend(_alerts(each, agenda.enrolment_id, segment, activity, now))
    return raised


def judging(agendas: Sequence[Agenda], at: datetime, code: str) -> list[tuple[Agenda, Segment, list[Activity]]]:
    """The enrolments that judge a measurement of this code and instant, each with its span and activities."""
    if len(agendas) == 1:
        measured = agendas[0].course.measured(at, code)
        return [(agendas[0], *measured)] if measured is not None and measured[1] else []
    living: list[tuple[Agenda, Segment, list[Activity]]] = []
    ended: list[tuple[Agenda, Segment, list[Activity]]] = []
    for agenda in agendas:
        measured = agenda.course.measured(at, code)
        if measured is not None and measured[1]:
            over = isinstance(agenda.course, OwnCourse) and agenda.course.discharged(at)
            (ended if over else living).append((agenda, *measured))
    return living or ended[-1:]


def _alerts(each: Stored, enrolment_id: int, segment: Segment, activity: Activity, now: datetime) -> Iterable[Alert]:
    if not activity.rules:
        return
    for limit in broken_limits(activity, each.value, each.unit, each.finding):
        assert segment.version_number is not None
        judged_by = JudgedBy(limit.severity, segment.protocol_id, segment.version_number)
        yield Alert(
            enrolment_id=enrolment_id,
            activity_key=activity.key,
            rule_key=limit.key,
            kind="limit",
            judged_by=judged_by,
            about_at=each.at,
            late=is_late(each.at, now),
            samples=(Sample(each.at, judged_by, each.measurement_id),),
        )


def take_back_missed(
    connection: Connection,
    *,
    organisation_id: int,
    corrected: Sequence[tuple[Agenda, tuple[str, Any, str]]],
    now: datetime,
) -> None:
    """Open alerts of missed occurrences count these no more; those with too few left are resolved. Locks: their rows.

    `corrected` holds each agenda with (activity, on, slot).
    """
    agendas = {agenda.enrolment_id: agenda for agenda, _ in corrected}
    lowered = store.lower_missed(
        connection,
        organisation_id=organisation_id,
        keys=[(agenda.enrolment_id, *key) for agenda, key in corrected],
        updated_at=now,
    )
    over = [each.alert_id for each in lowered if each.occurrences < _needed(agendas[each.enrolment_id], each)]
    store.resolve_alerts(
        connection,
        organisation_id=organisation_id,
        alert_ids=over,
        resolution=IN_TIME_AFTER_ALL,
        updated_at=now,
    )


def _needed(agenda: Agenda, lowered: store.Lowered) -> int:
    """How many in a row the rule wants, in the version of those that judged its samples that wants the fewest.

    1 where it is not known any more.
    """
    judged_by = {tuple(each) for each in lowered.judged_by}
    wanted = []
    for segment in agenda.course.course.timeline:
        if (segment.protocol_id, segment.version_number) not in judged_by or segment.content is None:
            continue
        activity = segment.content.activity(lowered.activity_key)
        for rule in activity.rules if activity else ():
            if rule.key == lowered.rule_key and isinstance(rule, Missed):
                wanted.append(rule.in_a_row)
    return min(wanted, default=1)
