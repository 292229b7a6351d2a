"""Patients and the civil time zones they live in."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from psycopg import Connection

from lockstep.domain.patient import NewPatient
from lockstep.domain.switch import ZoneSpan
from lockstep.store.queries import load

_SQL = load("patient.sql")


def insert_patients(
    connection: Connection[Any], *, organisation_id: int, patients: Sequence[NewPatient]
) -> dict[str, int]:
    """The numbers of the patients whose identifier was free, by identifier. Locks: the new rows."""
    values = {
        "organisation_id": organisation_id,
        "identifiers": [patient.identifier for patient in patients],
        "born_ons": [patient.born_on for patient in patients],
    }
    return {row[1]: row[0] for row in connection.execute(_SQL["insert_patients"], values)}


def insert_zones(
    connection: Connection[Any],
    *,
    organisation_id: int,
    zones: Sequence[tuple[int, int, ZoneSpan]],
    actor: str,
) -> None:
    """The zones (patient, number, span) hold from their instants on. Locks: the new rows."""
    values = {
        "organisation_id": organisation_id,
        "actor": actor,
        "patient_ids": [patient_id for patient_id, _, _ in zones],
        "numbers": [number for _, number, _ in zones],
        "zones": [span.zone for _, _, span in zones],
        "from_ats": [span.from_at for _, _, span in zones],
    }
    connection.execute(_SQL["insert_zones"], values)


def lock_patients(connection: Connection[Any], *, organisation_id: int, patient_ids: Iterable[int]) -> set[int]:
    """Those of the patients that exist, held until the transaction ends.

    Who enrols a patient, and who changes what all enrolments of a patient share, must not miss each other.
    Locks: patient rows in key order, for no key update; before any head.
    """
    values = {"organisation_id": organisation_id, "patient_ids": list(patient_ids)}
    return {row[0] for row in connection.execute(_SQL["lock_patients"], values)}


def list_patients(
    connection: Connection[Any], *, organisation_id: int, identifiers: Sequence[str]
) -> list[tuple[int, str, date | None]]:
    """Number, identifier and birth date of the patients with these identifiers. Locks: none."""
    values = {"organisation_id": organisation_id, "identifiers": list(identifiers)}
    return [(row[0], row[1], row[2]) for row in connection.execute(_SQL["list_patients"], values)]


def list_zones(
    connection: Connection[Any], *, organisation_id: int, patient_ids: Sequence[int]
) -> dict[int, list[tuple[int, ZoneSpan]]]:
    """The numbered zones of each patient in order of recording. Locks: none."""
    zones: dict[int, list[tuple[int, ZoneSpan]]] = defaultdict(list)
    values = {"organisation_id": organisation_id, "patient_ids": list(patient_ids)}
    for patient_id, number, from_at, zone in connection.execute(_SQL["list_zones_of"], values):
        zones[patient_id].append((number, ZoneSpan(from_at, zone)))
    return zones


def list_open_enrolments(connection: Connection[Any], *, organisation_id: int, patient_id: int) -> list[int]:
    """The patient's enrolments that have not ended, in order of number. Locks: none."""
    values = {"organisation_id": organisation_id, "patient_id": patient_id}
    return [row[0] for row in connection.execute(_SQL["list_open_enrolments"], values)]
