"""Enrolments: a patient in a program, assigned to protocols, from enrolment to discharge."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from psycopg import Connection

from lockstep.domain.enrolment import Enrolment, NewEnrolment
from lockstep.store.queries import load

_SQL = load("enrolment.sql")


def insert_enrolments(
    connection: Connection[Any],
    *,
    organisation_id: int,
    enrolments: Sequence[NewEnrolment],
    anchors_on: Sequence[date],
    enrolled_at: datetime,
    actor: str,
) -> list[int]:
    """The numbers of the new enrolments, each with its first assignment, in the order given. Locks: the new rows."""
    ids = [row[0] for row in connection.execute(_SQL["draw_enrolment_ids"], {"count": len(enrolments)})]
    values = {
        "organisation_id": organisation_id,
        "enrolled_at": enrolled_at,
        "actor": actor,
        "enrolment_ids": ids,
        "patient_ids": [enrolment.patient_id for enrolment in enrolments],
        "program_ids": [enrolment.program_id for enrolment in enrolments],
        "protocol_ids": [enrolment.protocol_id for enrolment in enrolments],
        "anchors_on": list(anchors_on),
    }
    connection.execute(_SQL["insert_enrolments"], values)
    return ids


def list_enrolled(
    connection: Connection[Any], *, organisation_id: int, patient_ids: Sequence[int], program_ids: Sequence[int]
) -> set[tuple[int, int]]:
    """The pairs (patient, program) of these that are enrolled and not discharged. Locks: none."""
    values = {
        "organisation_id": organisation_id,
        "patient_ids": list(patient_ids),
        "program_ids": list(program_ids),
    }
    return {(row[0], row[1]) for row in connection.execute(_SQL["list_enrolled"], values)}


def insert_assignment(
    connection: Connection[Any],
    *,
    organisation_id: int,
    enrolment_id: int,
    protocol_id: int,
    from_at: datetime,
    actor: str,
) -> None:
    """The protocol governs the enrolment from the instant on. Locks: the new row, under the held head."""
    values = {
        "organisation_id": organisation_id,
        "enrolment_id": enrolment_id,
        "protocol_id": protocol_id,
        "from_at": from_at,
        "actor": actor,
    }
    connection.execute(_SQL["insert_assignment"], values)


def insert_discharge(
    connection: Connection[Any],
    *,
    organisation_id: int,
    enrolment_id: int,
    discharged_at: datetime,
    reason: str,
    actor: str,
) -> None:
    """The enrolment ends at the instant. Locks: the new row, under the held head."""
    values = {
        "organisation_id": organisation_id,
        "enrolment_id": enrolment_id,
        "discharged_at": discharged_at,
        "reason": reason,
        "actor": actor,
    }
    connection.execute(_SQL["insert_discharge"], values)


def find_enrolment(connection: Connection[Any], *, organisation_id: int, enrolment_id: int) -> Enrolment | None:
    """The enrolment. Locks: none."""
    values = {"organisation_id": organisation_id, "enrolment_id": enrolment_id}
    row = connection.execute(_SQL["get_enrolment"], values).fetchone()
    return None if row is None else Enrolment(*row)


def list_enrolments(
    connection: Connection[Any],
    *,
    organisation_id: int,
    patient_id: int | None = None,
    program_id: int | None = None,
    after_enrolment_id: int = 0,
    most: int = 1000,
) -> list[Enrolment]:
    """At most so many enrolments by number, of those asked for, after a number. Locks: none."""
    values = {
        "organisation_id": organisation_id,
        "program_id": program_id,
        "after_enrolment_id": after_enrolment_id,
        "most": most,
    }
    if patient_id is None:
        found = connection.execute(_SQL["list_enrolments"], values)
    else:
        # A query of its own: one for both could not use the patient's index in a plan made once for all values.
        found = connection.execute(_SQL["list_enrolments_of_patient"], {**values, "patient_id": patient_id})
    return [Enrolment(*row) for row in found]
