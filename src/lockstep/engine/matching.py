"""Finds what measurements fulfil: at once in the agenda's rows, else by walking the enrolment's own course."""

from collections.abc import Sequence
from datetime import datetime

from lockstep.domain.agenda import Row
from lockstep.domain.content import Activity
from lockstep.engine.course import NotShared
from lockstep.engine.matching_agenda import Agenda, Agendas
from lockstep.engine.matching_apart import match_apart
from lockstep.engine.matching_taking import Found, Stored, Taking


def match_measurements(agendas: Agendas, stored: Sequence[Stored]) -> Found:
    """What the measurements fulfil, in order of the instants they belong to. Locks: none beyond those of `agendas`."""
    taking = Taking(agendas, (each.measurement_id for each in stored))
    jobs = [
        (agenda, each)
        for each in sorted(stored, key=_in_order)
        for agenda in agendas.of_patient.get(each.patient_id, ())
    ]
    taking.recall_decided(jobs)
    apart: dict[int, list[Stored]] = {}
    for agenda, each in jobs:
        if agenda.enrolment_id in apart:
            apart[agenda.enrolment_id].append(each)
            continue
        try:
            done = _at_once(taking, agenda, each)
        except NotShared:
            done = False
        if not done:
            apart[agenda.enrolment_id] = [each]
    if apart:
        match_apart(taking, apart)
    return taking.found


def _at_once(taking: Taking, agenda: Agenda, each: Stored) -> bool:
    """Whether the rows alone say what the measurement fulfils; then it is noted. All or nothing."""
    measured = agenda.course.measured(each.at, each.code)
    takes: list[tuple[Row, Activity, bool]] = []
    for row in agenda.rows.values():
        activity = agenda.course.asked(row)
        if activity is None:
            return False
        if activity.code != each.code:
            continue
        if row.opens_at <= each.at < row.closes_at:
            takes.append((row, activity, False))
        elif row.closes_at <= each.at < row.judge_at and _is_late(taking.agendas, agenda, row, each.at):
            takes.append((row, activity, True))
        else:
            return False
    if measured is not None and any(activity.key not in agenda.rows for activity in measured[1]):
        return False
    followed = [(row, late, taking.follow(agenda, row, activity.quantity)) for row, activity, late in takes]
    for _, _, (_, following) in followed:
        # What was measured in a window that is open already must be counted apart.
        if following is not None and following.quantity > 1 and following.nominal_at <= taking.agendas.now:
            return False
    for row, late, (completes, following) in followed:
        taking.take(agenda, row, each, late, completes, following)
    return True


def _is_late(agendas: Agendas, agenda: Agenda, row: Row, at: datetime) -> bool:
    """Whether the grace of the row's occurrence is all that takes the measurement: no outage, no other window."""
    # A row is extended by an outage only when it is due: until then its own close may not be the right one.
    if any(span.meets(row.opens_at, row.closes_at) for span in agendas.known_outages()):
        return False
    return _nothing_else_open(agenda, row, at)


def _nothing_else_open(agenda: Agenda, row: Row, at: datetime) -> bool:
    following = agenda.course.following(row, agenda.decided.get(row.activity_key, ()))
    return following is None or following.nominal_at > at


def _in_order(each: Stored) -> tuple[datetime, int]:
    return each.at, each.measurement_id
