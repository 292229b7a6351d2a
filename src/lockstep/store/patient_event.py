"""Events of patients that may start an activity."""

from datetime import datetime
from typing import Any

from psycopg import Connection

from lockstep.domain.timeline import PatientEvent
from lockstep.store.queries import load

_SQL = load("patient_event.sql")


def insert_event(
    connection: Connection[Any],
    *,
    organisation_id: int,
    patient_id: int,
    event: PatientEvent,
    source: str,
    identifier: str,
) -> bool:
    """The event happened; False where the source said something under this identifier before. Locks: the new row."""
    values = {
        "organisation_id": organisation_id,
        "patient_id": patient_id,
        "event": event.event,
        "at": event.at,
        "source": source,
        "identifier": identifier,
    }
    return connection.execute(_SQL["insert_event"], values).fetchone() is not None


def find_event(
    connection: Connection[Any], *, organisation_id: int, source: str, identifier: str
) -> tuple[int, PatientEvent] | None:
    """Patient and event that the source told under the identifier. Locks: none."""
    values = {"organisation_id": organisation_id, "source": source, "identifier": identifier}
    row = connection.execute(_SQL["find_event"], values).fetchone()
    return (row[0], PatientEvent(row[1], row[2])) if row else None


def list_ended_after(connection: Connection[Any], *, organisation_id: int, patient_id: int, at: datetime) -> list[int]:
    """The patient's enrolments that held the instant and have ended since, in order of number. Locks: none."""
    values = {"organisation_id": organisation_id, "patient_id": patient_id, "at": at}
    return [row[0] for row in connection.execute(_SQL["list_ended_after"], values)]
