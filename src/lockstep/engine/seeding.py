"""Gives many new enrolments their first agendas: what they share is computed once."""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from lockstep.domain.agenda import Course, Head, Row, activity_of
from lockstep.domain.occurrence import Occurrence
from lockstep.domain.switch import ZoneSpan, zone_at
from lockstep.domain.timeline import Assigned, EnrolmentFacts, Span, World, as_of, in_force, segments
from lockstep.engine.agenda import bring_in_step, compute_head, compute_occurrences
from lockstep.store import agenda as store
from lockstep.store import timeline as facts_store
from lockstep.store.database import Connection

_OUTAGES_REACH = timedelta(days=45)


@dataclass(frozen=True, slots=True)
class Newcomer:
    """An enrolment made in this transaction, which nobody else can know yet."""

    enrolment_id: int
    patient_id: int
    anchor_on: date
    zones: tuple[ZoneSpan, ...]
    protocol_id: int


@dataclass(frozen=True, slots=True)
class _Agenda:
    """The agenda that newcomers with the same facts share; `taking` lists what may have been measured already."""

    head: Head
    rows: tuple[Row, ...]
    taking: tuple[store.Asked, ...]


def seed_agendas(
    connection: Connection[Any], *, organisation_id: int, newcomers: Sequence[Newcomer], now: datetime
) -> None:
    """Each newcomer has the head and rows that `bring_in_step` would give; enrolled at `now`, no other facts yet.

    Locks: the new rows.
    """
    groups = _groups(newcomers, now)
    protocol_ids = {newcomer.protocol_id for newcomer in newcomers}
    world = facts_store.load_world(connection, organisation_id=organisation_id, protocol_ids=protocol_ids)
    outages = facts_store.load_outages(connection, organisation_id=organisation_id, since_at=now - _OUTAGES_REACH)
    cohorts = store.ensure_cohorts(
        connection,
        organisation_id=organisation_id,
        wanted={(zone_at(facts.zones, now), facts.anchor_on) for facts in groups},
    )
    shared = [(_agenda(facts, world, outages, cohorts, now), members) for facts, members in groups.items()]
    begun = _begun(connection, organisation_id, shared)
    _save(connection, organisation_id, shared, begun, now)
    if begun:
        bring_in_step(connection, organisation_id=organisation_id, enrolment_ids=sorted(begun), now=now)


def _groups(newcomers: Sequence[Newcomer], now: datetime) -> dict[EnrolmentFacts, list[Newcomer]]:
    groups: dict[EnrolmentFacts, list[Newcomer]] = defaultdict(list)
    for newcomer in newcomers:
        zones = newcomer.zones
        # The first zone holds before its own beginning too, so of a single one only the name matters.
        groups[
            EnrolmentFacts(
                patient_id=0,
                anchor_on=newcomer.anchor_on,
                enrolled_at=now,
                zones=zones if len(zones) > 1 else (ZoneSpan(now, zones[0].zone),),
                assignments=(Assigned(now, newcomer.protocol_id),),
            )
        ].append(newcomer)
    return groups


def _agenda(
    facts: EnrolmentFacts,
    world: World,
    outages: tuple[Span, ...],
    cohorts: Mapping[tuple[str, date], int],
    now: datetime,
) -> _Agenda:
    timeline = segments(facts, world)
    cohort_id = cohorts[zone_at(facts.zones, now), facts.anchor_on]
    head = compute_head(0, facts, timeline, world, cohort_id=cohort_id, now=now)
    assert head is not None, "a newcomer is not discharged"
    course = Course(as_of(timeline, now), facts.anchor_on, outages)
    found = compute_occurrences(course, floor=now, decided={})
    rows = tuple(_row(occurrence, cohort_id) for occurrence in found.values())
    segment = in_force(course.timeline, now)
    assert segment is not None
    taking = []
    for occurrence in found.values():
        activity = activity_of(segment, occurrence.activity_key)
        if activity is not None and occurrence.nominal_at < occurrence.opens_at:
            taking.append(store.Asked(0, activity.code, occurrence.nominal_at, occurrence.closes_at))
    return _Agenda(head, rows, tuple(taking))


def _row(occurrence: Occurrence, cohort_id: int) -> Row:
    return Row(
        enrolment_id=0,
        activity_key=occurrence.activity_key,
        cohort_id=cohort_id,
        protocol_id=occurrence.protocol_id,
        version_number=occurrence.version_number,
        on=occurrence.on,
        slot=occurrence.slot,
        opens_at=occurrence.opens_at,
        closes_at=occurrence.closes_at,
        judge_at=occurrence.judge_at,
        taken=0,
        missed_in_a_row=0,
    )


def _save(
    connection: Connection[Any],
    organisation_id: int,
    shared: Sequence[tuple[_Agenda, Sequence[Newcomer]]],
    left_out: Set[int],
    now: datetime,
) -> None:
    heads: list[Head] = []
    rows: list[Row] = []
    for agenda, members in shared:
        ids = [member.enrolment_id for member in members if member.enrolment_id not in left_out]
        heads.extend(replace(agenda.head, enrolment_id=enrolment_id) for enrolment_id in ids)
        rows.extend(replace(row, enrolment_id=enrolment_id) for enrolment_id in ids for row in agenda.rows)
    store.save_heads(connection, organisation_id=organisation_id, heads=heads, computed_at=now)
    store.save_rows(connection, organisation_id=organisation_id, rows=rows)


def _begun(
    connection: Connection[Any], organisation_id: int, shared: Sequence[tuple[_Agenda, Sequence[Newcomer]]]
) -> set[int]:
    """The newcomers who measured already inside a window that is asked at once: rule 4 counts it for them."""
    asked = [
        (member.enrolment_id, replace(question, patient_id=member.patient_id))
        for agenda, members in shared
        for member in members
        for question in agenda.taking
    ]
    answers = store.list_measurements_in(
        connection, organisation_id=organisation_id, asked=[question for _, question in asked]
    )
    return {enrolment_id for (enrolment_id, _), found in zip(asked, answers, strict=True) if found}
