"""Checks as they go on, the drifts they find, and their certificates."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg import Connection

from lockstep.domain.drift import Drift, DriftKind
from lockstep.store.queries import load

_SQL = load("check.sql")
EVER = datetime(1900, 1, 1, tzinfo=UTC)
"""Before anything."""
LAST_ID = 2**62


@dataclass(frozen=True, slots=True)
class CheckRun:
    """A check as it stands; `scope_id` is None for an organisation, `walked` when every slice is done."""

    check_id: int
    scope: str
    scope_id: int | None
    operation_id: int | None
    after_enrolment_id: int
    until_enrolment_id: int
    cursor_enrolment_id: int
    checked: int
    drifted: int
    pending: int
    digest: str
    since_at: datetime | None
    judged_until_at: datetime | None
    walked: bool
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a check found: scope, counts, versions and the hash over all that was compared."""

    certificate_id: int
    check_id: int
    scope: str
    scope_id: int | None
    checked: int
    drifted: int
    pending: int
    judged_until_at: datetime | None
    engine_version: str
    zone_data_version: str
    hash: str
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class KeptDrift:
    """A drift as kept, and when it was repaired."""

    drift_id: int
    drift: Drift
    found_at: datetime
    repaired_at: datetime | None


def start_check(
    connection: Connection[Any],
    *,
    organisation_id: int,
    scope: str,
    scope_id: int | None,
    operation_id: int,
    verifies_operation_id: int | None,
    after_enrolment_id: int,
    until_enrolment_id: int,
    since_at: datetime | None,
    started_at: datetime,
) -> int:
    """A check exists; returns its number. Locks: the new row."""
    row = connection.execute(
        _SQL["start_check"],
        {
            "organisation_id": organisation_id,
            "scope": scope,
            "scope_id": scope_id,
            "operation_id": operation_id,
            "verifies_operation_id": verifies_operation_id,
            "after_enrolment_id": after_enrolment_id,
            "until_enrolment_id": until_enrolment_id,
            "since_at": since_at,
            "started_at": started_at,
        },
    ).fetchone()
    assert row is not None
    check_id: int = row[0]
    return check_id


def find_verifying(connection: Connection[Any], *, organisation_id: int, operation_id: int) -> int | None:
    """The check for which the recalculation waits, if it has begun. Locks: none."""
    values = {"organisation_id": organisation_id, "operation_id": operation_id}
    row = connection.execute(_SQL["find_verifying"], values).fetchone()
    return None if row is None else int(row[0])


def find_check(connection: Connection[Any], *, organisation_id: int, check_id: int) -> CheckRun | None:
    """The check, if there is one. Locks: none."""
    row = connection.execute(_SQL["find_check"], {"organisation_id": organisation_id, "check_id": check_id}).fetchone()
    return None if row is None else CheckRun(*row)


def list_checks(connection: Connection[Any], *, organisation_id: int, most: int) -> list[CheckRun]:
    """The latest checks, the newest first. Locks: none."""
    found = connection.execute(_SQL["list_checks"], {"organisation_id": organisation_id, "most": most})
    return [CheckRun(*row) for row in found]


def find_continuous_check(connection: Connection[Any], *, organisation_id: int, started_by: str) -> int | None:
    """The unfinished check of the whole organisation started by this actor. Locks: none."""
    row = connection.execute(
        _SQL["find_continuous_check"], {"organisation_id": organisation_id, "started_by": started_by}
    ).fetchone()
    return None if row is None else row[0]


def count_scope(connection: Connection[Any], *, organisation_id: int) -> int:
    """How many enrolments the organisation has. Locks: none."""
    row = connection.execute(_SQL["count_scope"], {"organisation_id": organisation_id}).fetchone()
    assert row is not None
    count: int = row[0]
    return count


def list_scope(connection: Connection[Any], *, organisation_id: int, check: CheckRun, size: int) -> list[int]:
    """The next enrolments of the check's scope, in order. Locks: none."""
    found = connection.execute(
        _SQL["list_scope"],
        {
            "organisation_id": organisation_id,
            "cursor_enrolment_id": check.cursor_enrolment_id,
            "until_enrolment_id": check.until_enrolment_id,
            "scope": check.scope,
            "scope_id": check.scope_id,
            "size": size,
        },
    )
    return [row[0] for row in found]


def advance_check(
    connection: Connection[Any],
    *,
    organisation_id: int,
    check: CheckRun,
    cursor_enrolment_id: int,
    checked: int,
    drifted: int,
    pending: int,
    digest: str,
    judged_until_at: datetime,
    walked: bool,
) -> bool:
    """The check went on from where it stood; False when somebody else did this slice. Locks: the check's row."""
    cursor = connection.execute(
        _SQL["advance_check"],
        {
            "organisation_id": organisation_id,
            "check_id": check.check_id,
            "before_enrolment_id": check.cursor_enrolment_id,
            "cursor_enrolment_id": cursor_enrolment_id,
            "checked": checked,
            "drifted": drifted,
            "pending": pending,
            "digest": digest,
            "judged_until_at": judged_until_at,
            "walked": walked,
        },
    )
    return cursor.rowcount == 1


def end_check(connection: Connection[Any], *, organisation_id: int, check_id: int, ended_at: datetime) -> bool:
    """A check that was walked has ended; False when it had already, or was not walked. Locks: its row."""
    cursor = connection.execute(
        _SQL["end_check"], {"organisation_id": organisation_id, "check_id": check_id, "ended_at": ended_at}
    )
    return cursor.rowcount == 1


def add_certificate(
    connection: Connection[Any],
    *,
    organisation_id: int,
    check: CheckRun,
    judged_until_at: datetime | None,
    engine_version: str,
    zone_data_version: str,
    hash: str,  # noqa: A002 - the column's name
    issued_at: datetime,
) -> Certificate:
    """What the check found is certified. Locks: the new row."""
    values: dict[str, Any] = {
        "check_id": check.check_id,
        "scope": check.scope,
        "scope_id": check.scope_id,
        "checked": check.checked,
        "drifted": check.drifted,
        "pending": check.pending,
        "judged_until_at": judged_until_at,
        "engine_version": engine_version,
        "zone_data_version": zone_data_version,
        "hash": hash,
        "issued_at": issued_at,
    }
    row = connection.execute(_SQL["add_certificate"], {"organisation_id": organisation_id, **values}).fetchone()
    assert row is not None
    return Certificate(row[0], *values.values())


def list_certificates(
    connection: Connection[Any],
    *,
    organisation_id: int,
    scope: str | None = None,
    scope_id: int | None = None,
    check_id: int | None = None,
    since_at: datetime | None = None,
    whole: bool = False,
    most: int,
) -> list[Certificate]:
    """The certificates of a scope (None: of any) issued since an instant, the newest first. Locks: none.

    With `whole` those of parts are left out: they say nothing of their scope.
    """
    found = connection.execute(
        _SQL["list_certificates"],
        {
            "organisation_id": organisation_id,
            "scope": scope,
            "scope_id": scope_id,
            "check_id": check_id,
            "since_at": since_at,
            "whole": whole,
            "last_id": LAST_ID,
            "most": most,
        },
    )
    return [Certificate(*row) for row in found]


def add_drifts(
    connection: Connection[Any], *, organisation_id: int, check_id: int, drifts: Sequence[Drift], found_at: datetime
) -> None:
    """The drifts are kept as evidence. Locks: the new rows."""
    if not drifts:
        return
    connection.execute(
        _SQL["add_drifts"],
        {
            "organisation_id": organisation_id,
            "check_id": check_id,
            "found_at": found_at,
            "enrolment_ids": [drift.enrolment_id for drift in drifts],
            "activity_keys": [drift.activity_key for drift in drifts],
            "kinds": [drift.kind.value for drift in drifts],
            "expecteds": [_json(drift.expected) for drift in drifts],
            "founds": [_json(drift.found) for drift in drifts],
        },
    )


def list_drifts(
    connection: Connection[Any], *, organisation_id: int, check_id: int, unrepaired: bool = False, most: int
) -> list[KeptDrift]:
    """The drifts that a check found, in order. Locks: none."""
    found = connection.execute(
        _SQL["list_drifts"],
        {"organisation_id": organisation_id, "check_id": check_id, "unrepaired": unrepaired, "most": most},
    )
    return [
        KeptDrift(row[0], Drift(row[1], row[2], DriftKind(row[3]), row[4], row[5]), row[6], row[7]) for row in found
    ]


def note_repaired(
    connection: Connection[Any],
    *,
    organisation_id: int,
    check_id: int,
    enrolment_ids: Sequence[int],
    repaired_at: datetime,
) -> int:
    """The drifts of the enrolments are repaired; returns how many were not before. Locks: the drift rows."""
    cursor = connection.execute(
        _SQL["note_repaired"],
        {
            "organisation_id": organisation_id,
            "check_id": check_id,
            "enrolment_ids": list(enrolment_ids),
            "repaired_at": repaired_at,
        },
    )
    return cursor.rowcount


def _json(value: object) -> str | None:
    return None if value is None else json.dumps(value, sort_keys=True)
