"""Registers patients, and the civil time zones they live in."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from lockstep.domain.civil import require_zone
from lockstep.domain.patient import NewPatient, Patient, require_patient
from lockstep.domain.refusal import AlreadyExists, NotAtThisTime, TooMany, UnknownPatient, shown
from lockstep.domain.switch import ZoneSpan, zone_at
from lockstep.domain.timeline import recorded_last
from lockstep.engine.agenda import bring_in_step
from lockstep.engine.audit import record_entry
from lockstep.store import agenda as agenda_store
from lockstep.store import patient as store
from lockstep.store.clock import now as clock_now
from lockstep.store.database import Connection, Database

MOST_PATIENTS = 10_000


def register_patient(database: Database, *, organisation_id: int, patient: NewPatient, actor: str) -> Patient:
    """The patient exists and lives in the zone. Raises InvalidName, UnknownZone, AlreadyExists."""
    return register_patients(database, organisation_id=organisation_id, patients=[patient], actor=actor)[0]


def register_patients(
    database: Database, *, organisation_id: int, patients: Sequence[NewPatient], actor: str
) -> list[Patient]:
    """All the patients exist, or none; returned in the order given, at most 10,000.

    Raises TooMany, InvalidName, UnknownZone, and AlreadyExists naming the first identifier known already.
    """
    if not patients:
        return []
    _require_all(patients)
    with database.transaction(organisation_id) as connection:
        numbers = store.insert_patients(connection, organisation_id=organisation_id, patients=patients)
        for patient in patients:
            if patient.identifier not in numbers:
                raise AlreadyExists(f"There is a patient {shown(patient.identifier)} already", where="identifier")
        at = clock_now(connection)
        zones = [(numbers[patient.identifier], 1, ZoneSpan(at, patient.zone)) for patient in patients]
        store.insert_zones(connection, organisation_id=organisation_id, zones=zones, actor=actor)
        record_entry(
            connection,
            organisation_id=organisation_id,
            actor=actor,
            action="register patients",
            subject=f"patient {min(numbers.values())}",
            detail={"count": len(patients), "last_patient_id": max(numbers.values())},
        )
    return [
        Patient(numbers[patient.identifier], patient.identifier, patient.born_on, patient.zone) for patient in patients
    ]


def find_patients(database: Database, *, organisation_id: int, identifiers: Sequence[str]) -> dict[str, Patient]:
    """Those of the patients that are registered, by identifier, each with the zone in force."""
    with database.transaction(organisation_id, read_only=True) as connection:
        found = store.list_patients(connection, organisation_id=organisation_id, identifiers=identifiers)
        ids = [patient_id for patient_id, _, _ in found]
        zones = store.list_zones(connection, organisation_id=organisation_id, patient_ids=ids)
        at = clock_now(connection)
    return {
        identifier: Patient(patient_id, identifier, born_on, zone_at(_spans(zones[patient_id]), at))
        for patient_id, identifier, born_on in found
    }


def change_zone(
    database: Database,
    *,
    organisation_id: int,
    patient_id: int,
    zone: str,
    from_at: datetime | None = None,
    actor: str,
) -> ZoneSpan:
    """The patient lives in the zone from the instant on (default: now), and all agendas follow.

    What was planned for that instant or later is replaced. Where it is so already nothing is written, and the span that
    stands is returned: a retry changes nothing. Raises UnknownZone, UnknownPatient, and NotAtThisTime for a
    beginning in the past: what was asked in the former zone was asked.
    Locks: the patient, then the heads of the enrolments.
    """
    require_zone(zone)
    with database.transaction(organisation_id) as connection:
        ids = lock_enrolments_of(connection, organisation_id=organisation_id, patient_id=patient_id)
        at = clock_now(connection)
        span = ZoneSpan(at if from_at is None else from_at, zone)
        if span.from_at < at:
            raise NotAtThisTime("A change of zone begins now or later", where="from_at", mend="Leave it out for now.")
        known = store.list_zones(connection, organisation_id=organisation_id, patient_ids=[patient_id])
        stands = _spans(known[patient_id])[-1]
        if stands.zone == zone and stands.from_at <= span.from_at:
            return stands
        number = max(number for number, _ in known[patient_id]) + 1
        store.insert_zones(connection, organisation_id=organisation_id, zones=[(patient_id, number, span)], actor=actor)
        bring_in_step(
            connection, organisation_id=organisation_id, enrolment_ids=ids, now=at, changed_at=min(at, span.from_at)
        )
        record_entry(
            connection,
            organisation_id=organisation_id,
            actor=actor,
            action="change zone",
            subject=f"patient {patient_id}",
            detail={"zone": zone, "from_at": span.from_at.isoformat()},
        )
    return span


def lock_enrolments_of(connection: Connection[Any], *, organisation_id: int, patient_id: int) -> list[int]:
    """The patient's enrolments that have not ended, held with the patient. Raises UnknownPatient.

    Locks: the patient, then the heads in key order.
    """
    if not store.lock_patients(connection, organisation_id=organisation_id, patient_ids=[patient_id]):
        raise UnknownPatient(f"There is no patient {patient_id}", where="patient_id")
    ids = store.list_open_enrolments(connection, organisation_id=organisation_id, patient_id=patient_id)
    agenda_store.lock_heads(connection, organisation_id=organisation_id, enrolment_ids=ids)
    return store.list_open_enrolments(connection, organisation_id=organisation_id, patient_id=patient_id)


def _spans(numbered: Sequence[tuple[int, ZoneSpan]]) -> tuple[ZoneSpan, ...]:
    return recorded_last(span for _, span in numbered)


def _require_all(patients: Sequence[NewPatient]) -> None:
    if len(patients) > MOST_PATIENTS:
        raise TooMany(f"{len(patients)} patients at once", mend=f"Send at most {MOST_PATIENTS}.")
    for index, patient in enumerate(patients):
        require_patient(patient, where=f"patients[{index}]" if len(patients) > 1 else "")
    most, times = Counter(patient.identifier for patient in patients).most_common(1)[0]
    if times > 1:
        raise AlreadyExists(f"The identifier {shown(most)} is given {times} times", where="identifier")
