"""What answers about one enrolment need beside its facts: judgements in a span, and words."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection

from lockstep.domain.answer import Decided
from lockstep.domain.occurrence import OccurrenceState
from lockstep.store.agenda import Asked
from lockstep.store.queries import load

_SQL = load("answer.sql")
_LONGEST_WINDOW = timedelta(days=45)
"""Bounds the partitions looked into: no window of an activity is longer."""
_DATE_LINE = timedelta(days=2)


def list_decided(
    connection: Connection[Any],
    *,
    organisation_id: int,
    enrolment_id: int,
    patient_id: int,
    from_at: datetime,
    until_at: datetime,
    known_at: datetime,
) -> list[Decided]:
    """The judgements of occurrences that meet [from_at, until_at), as known at the instant, by opening. Locks: none."""
    values = {
        "organisation_id": organisation_id,
        "enrolment_id": enrolment_id,
        "patient_id": patient_id,
        "from_at": from_at,
        "until_at": until_at,
        "known_at": known_at,
        "since_on": (from_at - _LONGEST_WINDOW).date(),
        "until_on": (until_at + _DATE_LINE).date(),
    }
    found = connection.execute(_SQL["list_decided_between"], values)
    return [Decided(*(*row[:-2], OccurrenceState(row[-2]), row[-1])) for row in found]


def list_taken(
    connection: Connection[Any], *, organisation_id: int, windows: Sequence[Asked], known_at: datetime
) -> list[list[datetime]]:
    """When the patients measured inside each window, as known at the instant. Locks: none."""
    taken: list[list[datetime]] = [[] for _ in windows]
    if windows:
        values = {
            "organisation_id": organisation_id,
            "ordinals": list(range(len(windows))),
            "patient_ids": [window.patient_id for window in windows],
            "codes": [window.code for window in windows],
            "from_ats": [window.from_at for window in windows],
            "until_ats": [window.until_at for window in windows],
            "received_before_ats": [window.received_before_at for window in windows],
            "known_at": known_at,
        }
        for ordinal, at in connection.execute(_SQL["list_taken"], values):
            taken[ordinal].append(at)
    return taken


def list_deciders(
    connection: Connection[Any], *, organisation_id: int, switches: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], str]:
    """Who accepted each of these switches, named by protocol and number. Locks: none."""
    if not switches:
        return {}
    values = {
        "organisation_id": organisation_id,
        "protocol_ids": [protocol_id for protocol_id, _ in switches],
        "numbers": [number for _, number in switches],
    }
    return {(row[0], row[1]): row[2] for row in connection.execute(_SQL["list_deciders"], values)}


def is_set_aside(connection: Connection[Any], *, organisation_id: int, enrolment_id: int) -> bool:
    """Whether the enrolment's agenda stands aside because it cannot be computed. Locks: none."""
    values = {"organisation_id": organisation_id, "enrolment_id": enrolment_id}
    row = connection.execute(_SQL["is_set_aside"], values).fetchone()
    assert row is not None
    return bool(row[0])


def find_names(
    connection: Connection[Any],
    *,
    organisation_id: int,
    protocol_id: int,
    version_number: int | None,
    since_at: datetime,
    selections: Iterable[int],
) -> tuple[str, str, str | None]:
    """Program title, protocol title, and who accepted the version; None without a version. Locks: none."""
    values = {
        "organisation_id": organisation_id,
        "protocol_id": protocol_id,
        "version_number": version_number,
        "since_at": since_at,
        "selections": list(selections),
    }
    row = connection.execute(_SQL["find_names"], values).fetchone()
    assert row is not None, "a protocol that governs exists"
    return (row[0], row[1], row[2])
