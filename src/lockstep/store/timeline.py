"""Loads the facts from which timelines are computed, for many enrolments at once."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection

from lockstep.domain.protocol import Content, parse
from lockstep.domain.protocol_document import canonical_json
from lockstep.domain.switch import AcceptedSwitch, Effective, Scope, SwitchKind, ZoneSpan
from lockstep.domain.timeline import (
    Assigned,
    EnrolmentFacts,
    PatientEvent,
    PersonalChange,
    ProtocolFacts,
    Span,
    World,
    recorded_last,
)
from lockstep.store.clock import now
from lockstep.store.queries import load

_SQL = load("timeline.sql")
_EVENTS_REACH = timedelta(days=35)
"""Events older than this start nothing any more: longer than the longest delay and window after an event."""

_contents: dict[str, Content] = {}
"""Published contents never change (invariant S8), so each process parses each once; by the hash of the content."""


def load_world(
    connection: Connection[Any],
    *,
    organisation_id: int,
    protocol_ids: Iterable[int],
    known_at: datetime | None = None,
) -> World:
    """The protocols with their switches and versions, and those that moves lead to. Locks: none."""
    world: dict[int, ProtocolFacts] = {}
    missing = set(protocol_ids)
    while missing:
        switches: dict[int, list[AcceptedSwitch]] = {protocol_id: [] for protocol_id in missing}
        hashes: dict[tuple[int, int], str] = {}
        found = connection.execute(
            _SQL["list_switches"],
            {"organisation_id": organisation_id, "protocol_ids": sorted(missing), "known_at": known_at},
        )
        for row in found:
            switches[row[0]].append(_switch(row))
            if row[3] is not None:
                hashes[row[0], row[3]] = row[13]
        _load_contents(connection, organisation_id, hashes)
        for protocol_id, accepted in switches.items():
            numbers = {switch.version_number for switch in accepted if switch.version_number is not None}
            versions = {number: _contents[hashes[protocol_id, number]] for number in numbers}
            world[protocol_id] = ProtocolFacts(protocol_id, tuple(accepted), versions)
        targets = {switch.target_protocol_id for accepted in switches.values() for switch in accepted}
        missing = {target for target in targets if target is not None} - world.keys()
    return world


def load_enrolments(
    connection: Connection[Any],
    *,
    organisation_id: int,
    enrolment_ids: Sequence[int],
    known_at: datetime | None = None,
    events_since_at: datetime | None = None,
) -> dict[int, EnrolmentFacts]:
    """The facts of each enrolment that exists, in order of enrolment. Locks: none.

    Events of patients are loaded since `events_since_at` (default: the last 35 days before `known_at` or now).
    """
    values = {"organisation_id": organisation_id, "enrolment_ids": list(enrolment_ids), "known_at": known_at}
    if events_since_at is None:
        events_since_at = (known_at or now(connection)) - _EVENTS_REACH
    with connection.pipeline():
        cursors = {
            name: connection.execute(_SQL[name], {**values, "since_at": events_since_at})
            for name in (
                "list_enrolments",
                "list_zones",
                "list_assignments",
                "list_memberships",
                "list_personal_changes",
                "list_pauses",
                "list_patient_events",
            )
        }
    of: dict[str, dict[int, list[tuple[Any, ...]]]] = {name: _by_enrolment(cursor) for name, cursor in cursors.items()}
    return {
        enrolment_id: EnrolmentFacts(
            patient_id=row[0],
            anchor_on=row[1],
            enrolled_at=row[2],
            discharged_at=row[3],
            zones=recorded_last(ZoneSpan(*zone) for zone in of["list_zones"][enrolment_id]),
            assignments=recorded_last(Assigned(*assigned) for assigned in of["list_assignments"][enrolment_id]),
            selections=frozenset(member[0] for member in of["list_memberships"].get(enrolment_id, ())),
            personal_changes=tuple(map(_personal_change, of["list_personal_changes"].get(enrolment_id, ()))),
            pauses=tuple(Span(*pause) for pause in of["list_pauses"].get(enrolment_id, ())),
            events=tuple(PatientEvent(*event) for event in of["list_patient_events"].get(enrolment_id, ())),
        )
        for enrolment_id, (row,) in of["list_enrolments"].items()
    }


def load_outages(
    connection: Connection[Any], *, organisation_id: int, since_at: datetime, known_at: datetime | None = None
) -> tuple[Span, ...]:
    """The organisation's outages that ended after the instant, in order. Locks: none."""
    found = connection.execute(
        _SQL["list_outages"], {"organisation_id": organisation_id, "since_at": since_at, "known_at": known_at}
    )
    return tuple(Span(*row) for row in found)


def _by_enrolment(cursor: Iterable[tuple[Any, ...]]) -> dict[int, list[tuple[Any, ...]]]:
    rows: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for enrolment_id, *rest in cursor:
        rows[enrolment_id].append(tuple(rest))
    return rows


def _switch(row: tuple[Any, ...]) -> AcceptedSwitch:
    return AcceptedSwitch(
        protocol_id=row[0],
        number=row[1],
        kind=SwitchKind(row[2]),
        version_number=row[3],
        target_protocol_id=row[4],
        scope=Scope(row[5]),
        selection_id=row[6],
        effective=Effective(row[7]),
        effective_local=row[8],
        effective_at=row[9],
        accepted_at=row[10],
        generation=row[11],
        first_at=row[12],
    )


def _personal_change(row: tuple[Any, ...]) -> PersonalChange:
    number, activity_key, field, cleared, value, replaced, from_at = row
    # Not told apart by the value: JSON's null (no plausible range) reads like SQL's.
    return PersonalChange(
        number, activity_key, field, None if cleared else canonical_json(value), canonical_json(replaced), from_at
    )


def _load_contents(connection: Connection[Any], organisation_id: int, hashes: dict[tuple[int, int], str]) -> None:
    wanted = sorted(version for version, content_hash in hashes.items() if content_hash not in _contents)
    if not wanted:
        return
    values = {
        "organisation_id": organisation_id,
        "protocol_ids": [protocol_id for protocol_id, _ in wanted],
        "numbers": [number for _, number in wanted],
    }
    for protocol_id, number, content in connection.execute(_SQL["list_versions"], values):
        _contents[hashes[protocol_id, number]] = parse(content)
