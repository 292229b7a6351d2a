"""Enrols patients, assigns them to protocols, and discharges them."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from lockstep.domain.civil import local_of
from lockstep.domain.enrolment import Enrolment, NewEnrolment
from lockstep.domain.name import require_reason
from lockstep.domain.refusal import (
    AlreadyEnrolled,
    Discharged,
    NotAtThisTime,
    TooMany,
    UnknownEnrolment,
    UnknownPatient,
    UnknownProtocol,
)
from lockstep.domain.switch import zone_at
from lockstep.domain.timeline import Assigned, assignments, recorded_last
from lockstep.engine.agenda import bring_in_step
from lockstep.engine.audit import record_entry
from lockstep.engine.seeding import Newcomer, seed_agendas
from lockstep.store import agenda as agenda_store
from lockstep.store import enrolment as store
from lockstep.store import patient as patient_store
from lockstep.store import protocol as protocol_store
from lockstep.store import timeline as facts_store
from lockstep.store.clock import now as clock_now
from lockstep.store.database import Connection, Database

MOST_ENROLMENTS = 10_000


def enrol(
    database: Database,
    *,
    organisation_id: int,
    patient_id: int,
    program_id: int,
    protocol_id: int,
    anchor_on: date | None = None,
    actor: str,
) -> Enrolment:
    """The patient is in the program from now on, under the protocol; see `enrol_many`."""
    enrolment = NewEnrolment(patient_id, program_id, protocol_id, anchor_on)
    return enrol_many(database, organisation_id=organisation_id, enrolments=[enrolment], actor=actor)[0]


def enrol_many(
    database: Database, *, organisation_id: int, enrolments: Sequence[NewEnrolment], actor: str
) -> list[Enrolment]:
    """All the patients are enrolled from now on, with their agendas, or none; in the order given, at most 10,000.

    Without an anchor the patient's local date is taken. Raises TooMany, UnknownPatient, UnknownProtocol (which it also
    is in another program), AlreadyEnrolled. Locks: the patients in key order, and the new rows.
    """
    if len(enrolments) > MOST_ENROLMENTS:
        raise TooMany(f"{len(enrolments)} enrolments at once", mend=f"Send at most {MOST_ENROLMENTS}.")
    if not enrolments:
        return []
    with database.transaction(organisation_id) as connection:
        _require_new(connection, organisation_id, enrolments)
        ids = [enrolment.patient_id for enrolment in enrolments]
        known = patient_store.list_zones(connection, organisation_id=organisation_id, patient_ids=ids)
        zones = {patient_id: recorded_last(span for _, span in spans) for patient_id, spans in known.items()}
        at = clock_now(connection)
        anchors_on = [each.anchor_on or local_of(at, zone_at(zones[each.patient_id], at)).date() for each in enrolments]
        numbers = store.insert_enrolments(
            connection,
            organisation_id=organisation_id,
            enrolments=enrolments,
            anchors_on=anchors_on,
            enrolled_at=at,
            actor=actor,
        )
        newcomers = [
            Newcomer(number, each.patient_id, anchor_on, zones[each.patient_id], each.protocol_id)
            for number, each, anchor_on in zip(numbers, enrolments, anchors_on, strict=True)
        ]
        seed_agendas(connection, organisation_id=organisation_id, newcomers=newcomers, now=at)
        record_entry(
            connection,
            organisation_id=organisation_id,
            actor=actor,
            action="enrol",
            subject=f"enrolment {numbers[0]}",
            detail={
                "count": len(numbers),
                "last_enrolment_id": numbers[-1],
                "protocol_ids": sorted({each.protocol_id for each in enrolments}),
            },
        )
    return [
        Enrolment(number, each.patient_id, each.program_id, anchor_on, at)
        for number, each, anchor_on in zip(numbers, enrolments, anchors_on, strict=True)
    ]


def assign(
    database: Database,
    *,
    organisation_id: int,
    enrolment_id: int,
    protocol_id: int,
    from_at: datetime | None = None,
    actor: str,
) -> Assigned:
    """The protocol governs the enrolment from the instant on (default: now); what was planned after it is replaced.

    Where that is so already nothing is written, and the assignment that stands is returned: a retry changes nothing.
    Raises UnknownEnrolment, Discharged, UnknownProtocol (also for one of another program), NotAtThisTime for the past.
    Locks: the enrolment's head.
    """
    with database.transaction(organisation_id) as connection:
        enrolment, at = hold_enrolment(connection, organisation_id=organisation_id, enrolment_id=enrolment_id)
        _require_protocol(connection, organisation_id, {(enrolment.program_id, protocol_id)})
        begins = at if from_at is None else from_at
        if begins < at:
            raise NotAtThisTime("An assignment begins now or later", where="from_at", mend="Leave it out for now.")
        stands = _standing(connection, organisation_id, enrolment_id, from_at, at)
        if stands is not None and stands.protocol_id == protocol_id:
            return stands
        store.insert_assignment(
            connection,
            organisation_id=organisation_id,
            enrolment_id=enrolment_id,
            protocol_id=protocol_id,
            from_at=begins,
            actor=actor,
        )
        bring_in_step(connection, organisation_id=organisation_id, enrolment_ids=[enrolment_id], now=at, changed_at=at)
        record_entry(
            connection,
            organisation_id=organisation_id,
            actor=actor,
            action="assign",
            subject=f"enrolment {enrolment_id}",
            detail={"protocol_id": protocol_id, "from_at": begins.isoformat()},
        )
    return Assigned(begins, protocol_id)


def discharge(database: Database, *, organisation_id: int, enrolment_id: int, reason: str, actor: str) -> datetime:
    """The enrolment has ended now and nothing more is asked: what is open is waived; returns the instant.

    What closed before and is undecided (in its grace, or not judged yet) is decided all the same.
    Raises UnknownEnrolment, Discharged, MissingReason. Locks: the enrolment's head.
    """
    reason = require_reason(reason)
    with database.transaction(organisation_id) as connection:
        _, at = hold_enrolment(connection, organisation_id=organisation_id, enrolment_id=enrolment_id)
        store.insert_discharge(
            connection,
            organisation_id=organisation_id,
            enrolment_id=enrolment_id,
            discharged_at=at,
            reason=reason,
            actor=actor,
        )
        bring_in_step(connection, organisation_id=organisation_id, enrolment_ids=[enrolment_id], now=at, changed_at=at)
        record_entry(
            connection,
            organisation_id=organisation_id,
            actor=actor,
            action="discharge",
            subject=f"enrolment {enrolment_id}",
            detail={"reason": reason},
        )
    return at


def _standing(
    connection: Connection[Any], organisation_id: int, enrolment_id: int, from_at: datetime | None, now: datetime
) -> Assigned | None:
    """The assignment that was recorded last, if it begins just then; for now, if nothing led away from it since."""
    known = facts_store.load_enrolments(connection, organisation_id=organisation_id, enrolment_ids=[enrolment_id])
    facts = known[enrolment_id]
    last = facts.assignments[-1]
    if from_at is not None:
        return last if last.from_at == from_at else None
    protocol_ids = {assigned.protocol_id for assigned in facts.assignments}
    world = facts_store.load_world(connection, organisation_id=organisation_id, protocol_ids=protocol_ids)
    governing = [span for span in assignments(facts, world) if span.from_at <= now]
    return last if last.from_at <= now and governing[-1] == last else None


def get_enrolment(database: Database, *, organisation_id: int, enrolment_id: int) -> Enrolment:
    """The enrolment. Raises UnknownEnrolment."""
    with database.transaction(organisation_id, read_only=True) as connection:
        return find_or_refuse(connection, organisation_id=organisation_id, enrolment_id=enrolment_id)


def list_enrolments(
    database: Database,
    *,
    organisation_id: int,
    patient_id: int | None = None,
    program_id: int | None = None,
    after_enrolment_id: int = 0,
    most: int = 1000,
) -> list[Enrolment]:
    """At most so many enrolments after a number, of a patient or in a program if given, by number."""
    with database.transaction(organisation_id, read_only=True) as connection:
        return store.list_enrolments(
            connection,
            organisation_id=organisation_id,
            patient_id=patient_id,
            program_id=program_id,
            after_enrolment_id=after_enrolment_id,
            most=most,
        )


def hold_enrolment(
    connection: Connection[Any], *, organisation_id: int, enrolment_id: int
) -> tuple[Enrolment, datetime]:
    """The enrolment, held for a new fact, and the instant from which the fact can be in force.

    Raises UnknownEnrolment, Discharged. Locks: its head, for no key update; everything else is read after it.
    """
    agenda_store.lock_heads(connection, organisation_id=organisation_id, enrolment_ids=[enrolment_id])
    enrolment = find_or_refuse(connection, organisation_id=organisation_id, enrolment_id=enrolment_id)
    if enrolment.discharged_at is not None:
        raise Discharged(f"Enrolment {enrolment_id} has ended", where="enrolment_id", mend="Enrol the patient again.")
    return enrolment, clock_now(connection)


def find_or_refuse(connection: Connection[Any], *, organisation_id: int, enrolment_id: int) -> Enrolment:
    """The enrolment. Raises UnknownEnrolment. Locks: none."""
    found = store.find_enrolment(connection, organisation_id=organisation_id, enrolment_id=enrolment_id)
    if found is None:
        raise UnknownEnrolment(f"There is no enrolment {enrolment_id}", where="enrolment_id")
    return found


def _require_new(connection: Connection[Any], organisation_id: int, enrolments: Sequence[NewEnrolment]) -> None:
    """The patients exist and are held, the protocols are the programs', nobody is enrolled twice."""
    ids = [each.patient_id for each in enrolments]
    missing = set(ids) - patient_store.lock_patients(connection, organisation_id=organisation_id, patient_ids=ids)
    if missing:
        raise UnknownPatient(f"There is no patient {min(missing)}", where="patient_id")
    _require_protocol(connection, organisation_id, {(each.program_id, each.protocol_id) for each in enrolments})
    program_ids = sorted({each.program_id for each in enrolments})
    taken = store.list_enrolled(connection, organisation_id=organisation_id, patient_ids=ids, program_ids=program_ids)
    for each in enrolments:
        pair = (each.patient_id, each.program_id)
        if pair in taken:
            what = f"Patient {each.patient_id} is enrolled in program {each.program_id} already"
            raise AlreadyEnrolled(what, where="patient_id", mend="Discharge first, or assign another protocol.")
        taken.add(pair)


def _require_protocol(connection: Connection[Any], organisation_id: int, wanted: set[tuple[int, int]]) -> None:
    protocol_ids = sorted({protocol_id for _, protocol_id in wanted})
    found = protocol_store.list_protocols(connection, organisation_id=organisation_id, protocol_ids=protocol_ids)
    known = {(protocol.program_id, protocol.protocol_id) for protocol in found}
    for program_id, protocol_id in sorted(wanted - known):
        raise UnknownProtocol(f"There is no protocol {protocol_id} in program {program_id}", where="protocol_id")
