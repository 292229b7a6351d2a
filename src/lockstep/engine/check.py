"""Checks agendas against facts, in slices with a certificate: continuously, after switches, and on demand."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from lockstep import __version__
from lockstep.domain.check import reach
from lockstep.domain.civil import zone_data_version
from lockstep.domain.drift import Drift
from lockstep.domain.operation import OperationKind, OperationState
from lockstep.domain.refusal import InvalidChoice, TooMany, UnknownCheck
from lockstep.engine.audit import record_entry
from lockstep.engine.check_slice import Memory, examine
from lockstep.engine.operation import advance, start
from lockstep.store import check as store
from lockstep.store import check_stored as stored_store
from lockstep.store import operation as operation_store
from lockstep.store import protocol as protocol_store
from lockstep.store import timeline as facts_store
from lockstep.store.check import EVER, LAST_ID, Certificate, CheckRun, KeptDrift
from lockstep.store.clock import now as clock_now
from lockstep.store.database import Connection, Database

__all__ = [
    "Certificate", "CheckRun", "KeptDrift", "Memory", "Slice",
    "check_enrolments", "check_slice", "check_some", "finish", "get_check", "list_certificates", "list_checks",
    "list_drifts", "list_missed_days", "start_check",
]  # fmt: skip

SCOPES = ("enrolment", "selection", "protocol", "program", "organisation")
MOST_AT_ONCE = 10_000
MOST_LISTED = 10_000
CONTINUOUS = "continuous check"
"""Who starts the checks that walk through everybody day by day."""
_ROUND = timedelta(days=1)
_OUTAGES_REACH = timedelta(days=45)
_DIGEST = 1 << 256


@dataclass(frozen=True, slots=True)
class Slice:
    """What one slice showed, and whether it was the last one; nothing when somebody else did it meanwhile."""

    checked: int
    drifted: int
    pending: int
    done: bool


def start_check(
    database: Database,
    *,
    organisation_id: int,
    scope: str,
    scope_id: int | None = None,
    actor: str,
    after_enrolment_id: int = 0,
    until_enrolment_id: int = LAST_ID,
    verifies_operation_id: int | None = None,
) -> int:
    """A check of the scope exists, with its operation; returns its number.

    `scope` is one of SCOPES, `scope_id` its number (none for an organisation). It begins where the last certificate of
    the scope, or of the organisation, ended; the first one with each enrolment. Several workers share the work by
    checks of parts: enrolments after a number up to another. A recalculation that verifies has one check for itself.
    Raises InvalidChoice. Locks: the new rows.
    """
    _require_scope(scope, scope_id)
    with database.transaction(organisation_id) as connection:
        now = clock_now(connection)
        since_at, missed = _since(connection, organisation_id, scope, scope_id, now)
        operation_id = start(
            connection,
            organisation_id=organisation_id,
            kind=OperationKind.CHECK,
            sentence=f"Check {scope}{'' if scope_id is None else f' {scope_id}'}",
            actor=actor,
            selection_id=scope_id if scope == "selection" else None,
            protocol_id=scope_id if scope == "protocol" else None,
            # Counted once: whether a round is ahead of its time is asked every few seconds.
            total=store.count_scope(connection, organisation_id=organisation_id) if scope == "organisation" else None,
            data={"since_at": since_at, "missed_days": [on.isoformat() for on in missed]},
        )
        check_id = store.start_check(
            connection,
            organisation_id=organisation_id,
            scope=scope,
            scope_id=scope_id,
            operation_id=operation_id,
            verifies_operation_id=verifies_operation_id,
            after_enrolment_id=after_enrolment_id,
            until_enrolment_id=until_enrolment_id,
            since_at=since_at,
            started_at=now,
        )
        for state in (OperationState.QUEUED, OperationState.RUNNING):
            advance(connection, organisation_id=organisation_id, operation_id=operation_id, to=state, actor=actor)
        record_entry(
            connection,
            organisation_id=organisation_id,
            actor=actor,
            action="start check",
            subject=f"check {check_id}",
            detail={"scope": scope, "scope_id": scope_id, "since_at": since_at},
        )
    return check_id


def check_slice(
    database: Database, *, organisation_id: int, check_id: int, size: int = 1000, memory: Memory | None = None
) -> Slice:
    """The next `size` enrolments of the check are compared, in one snapshot, and what differs is kept as drift.

    `memory` is kept by the caller between slices, for speed alone. A slice that another worker did meanwhile counts
    once. Raises UnknownCheck. Locks: the check's row, after everything was read.
    """
    with database.transaction(organisation_id, read_only=True, isolation="repeatable read") as connection:
        stored_store.allow_thinking(connection)
        check = _require(connection, organisation_id, check_id)
        if check.walked or check.ended_at is not None:
            return Slice(0, 0, 0, True)
        ids = store.list_scope(connection, organisation_id=organisation_id, check=check, size=size)
        examined = examine(
            connection,
            organisation_id=organisation_id,
            enrolment_ids=ids,
            since_at=check.since_at,
            memory=memory or Memory(),
        )
    walked = len(ids) < size
    drifted = len({drift.enrolment_id for drift in examined.drifts})
    with database.transaction(organisation_id) as connection:
        went_on = store.advance_check(
            connection,
            organisation_id=organisation_id,
            check=check,
            cursor_enrolment_id=ids[-1] if ids else check.until_enrolment_id,
            checked=examined.checked,
            drifted=drifted,
            pending=len(examined.pending),
            digest=f"{((int(check.digest, 16) if check.digest else 0) + examined.digest) % _DIGEST:064x}",
            judged_until_at=examined.judged_until_at,
            walked=walked,
        )
        if not went_on:
            return Slice(0, 0, 0, False)
        store.add_drifts(
            connection,
            organisation_id=organisation_id,
            check_id=check_id,
            drifts=examined.drifts,
            found_at=examined.now,
        )
    return Slice(examined.checked, drifted, len(examined.pending), walked)


def finish(database: Database, *, organisation_id: int, check_id: int, actor: str) -> Certificate:
    """The check, walked to its end, has ended with its certificate; called again, the same one.

    Raises UnknownCheck, InvalidChoice while slices are left. Locks: the check's row, the operation's.
    """
    with database.transaction(organisation_id) as connection:
        now = clock_now(connection)
        ended = store.end_check(connection, organisation_id=organisation_id, check_id=check_id, ended_at=now)
        check = _require(connection, organisation_id, check_id)
        if not ended:
            return _issued(connection, organisation_id, check)
        judged_until_at = check.judged_until_at
        certificate = store.add_certificate(
            connection,
            organisation_id=organisation_id,
            check=check,
            judged_until_at=None if judged_until_at is None or judged_until_at <= EVER else judged_until_at,
            engine_version=__version__,
            zone_data_version=zone_data_version(),
            hash=_hash(check),
            issued_at=now,
        )
        if check.operation_id is not None:
            advance(
                connection,
                organisation_id=organisation_id,
                operation_id=check.operation_id,
                to=OperationState.SUCCEEDED_WITH_EXCEPTIONS if check.drifted else OperationState.SUCCEEDED,
                actor=actor,
                total=check.checked,
                data={
                    "checked": check.checked,
                    "drifted": check.drifted,
                    "pending": check.pending,
                    "certificate_id": certificate.certificate_id,
                    "hash": certificate.hash,
                },
            )
        record_entry(
            connection,
            organisation_id=organisation_id,
            actor=actor,
            action="certify check",
            subject=f"check {check_id}",
            detail={"certificate_id": certificate.certificate_id, "hash": certificate.hash, "drifted": check.drifted},
        )
    return certificate


def check_enrolments(database: Database, *, organisation_id: int, enrolment_ids: Sequence[int]) -> list[Drift]:
    """How these enrolments differ from what their facts demand, since they began; nothing is kept. Raises TooMany."""
    if len(enrolment_ids) > MOST_AT_ONCE:
        raise TooMany(f"{len(enrolment_ids)} enrolments at once", mend=f"Ask for at most {MOST_AT_ONCE}.")
    with database.transaction(organisation_id, read_only=True, isolation="repeatable read") as connection:
        stored_store.allow_thinking(connection)
        return examine(
            connection,
            organisation_id=organisation_id,
            enrolment_ids=sorted(set(enrolment_ids)),
            since_at=None,
            memory=Memory(),
        ).drifts


def check_some(
    database: Database, *, organisation_id: int, size: int = 1000, memory: Memory | None = None
) -> Slice | None:
    """The next slice of the check that walks through everybody within a day, and then starts anew; the body of a duty.

    None when nothing is to do now: this round is ahead of its time, or the last one ended less than a day ago. Days
    without a certificate, while nothing ran, are made up for: a check begins where the last certificate ended.
    """
    with database.transaction(organisation_id, read_only=True) as connection:
        now = clock_now(connection)
        check_id = store.find_continuous_check(connection, organisation_id=organisation_id, started_by=CONTINUOUS)
        if check_id is None:
            last = _last_round(connection, organisation_id)
            if last is not None and now - last.started_at < _ROUND:
                return None
        elif _is_ahead(connection, organisation_id, check_id, now):
            return None
    if check_id is None:
        check_id = start_check(database, organisation_id=organisation_id, scope="organisation", actor=CONTINUOUS)
    done = check_slice(database, organisation_id=organisation_id, check_id=check_id, size=size, memory=memory)
    if done.done:
        finish(database, organisation_id=organisation_id, check_id=check_id, actor=CONTINUOUS)
    return done


def list_missed_days(database: Database, *, organisation_id: int, since_on: date, until_on: date) -> list[date]:
    """The days (UTC) of [since_on, until_on) on which no certificate of the whole organisation was issued."""
    with database.transaction(organisation_id, read_only=True) as connection:
        return _missed_days(connection, organisation_id, since_on, until_on)


def get_check(database: Database, *, organisation_id: int, check_id: int) -> CheckRun:
    """The check as it stands. Raises UnknownCheck."""
    with database.transaction(organisation_id, read_only=True) as connection:
        return _require(connection, organisation_id, check_id)


def list_checks(database: Database, *, organisation_id: int, most: int = 50) -> list[CheckRun]:
    """The latest checks, the newest first."""
    with database.transaction(organisation_id, read_only=True) as connection:
        return store.list_checks(connection, organisation_id=organisation_id, most=min(most, MOST_LISTED))


def list_certificates(database: Database, *, organisation_id: int, most: int = 50) -> list[Certificate]:
    """The latest certificates, the newest first."""
    with database.transaction(organisation_id, read_only=True) as connection:
        return store.list_certificates(connection, organisation_id=organisation_id, most=min(most, MOST_LISTED))


def list_drifts(
    database: Database, *, organisation_id: int, check_id: int, unrepaired: bool = False, most: int = MOST_LISTED
) -> list[KeptDrift]:
    """What the check found, in order. Raises UnknownCheck."""
    with database.transaction(organisation_id, read_only=True) as connection:
        _require(connection, organisation_id, check_id)
        return store.list_drifts(
            connection, organisation_id=organisation_id, check_id=check_id, unrepaired=unrepaired, most=most
        )


def _require_scope(scope: str, scope_id: int | None) -> None:
    if scope not in SCOPES:
        raise InvalidChoice(f"There is no scope {scope!r}", where="scope", mend=f"Use {', '.join(SCOPES)}.")
    if (scope_id is None) != (scope == "organisation"):
        raise InvalidChoice(
            "A scope needs its number, an organisation none", where="scope_id", mend="Give the number of the scope."
        )


def _require(connection: Connection, organisation_id: int, check_id: int) -> CheckRun:
    check = store.find_check(connection, organisation_id=organisation_id, check_id=check_id)
    if check is None:
        raise UnknownCheck(f"There is no check {check_id}", where="check_id")
    return check


def _since(
    connection: Connection, organisation_id: int, scope: str, scope_id: int | None, now: datetime
) -> tuple[datetime | None, list[date]]:
    """From when on occurrences are compared, and the days without a certificate since the last one."""
    last = _last_certificate(connection, organisation_id, scope, scope_id)
    if last is None or last.judged_until_at is None:
        return None, []
    missed = _missed_days(connection, organisation_id, last.issued_at.date() + _ROUND, now.date())
    if last.drifted:
        # What was found then is looked at again, until a check finds it mended.
        before = _require(connection, organisation_id, last.check_id)
        return before.since_at, missed
    protocols = protocol_store.list_protocols(connection, organisation_id=organisation_id)
    world = facts_store.load_world(
        connection, organisation_id=organisation_id, protocol_ids=[each.protocol_id for each in protocols]
    )
    outages = facts_store.load_outages(
        connection, organisation_id=organisation_id, since_at=last.judged_until_at - _OUTAGES_REACH
    )
    slack = sum((each.until_at - each.from_at for each in outages if each.until_at), start=timedelta())
    return last.judged_until_at - reach(world) - slack, missed


def _last_certificate(
    connection: Connection, organisation_id: int, scope: str, scope_id: int | None
) -> Certificate | None:
    found: list[Certificate] = []
    for one, number in {("organisation", None), (scope, scope_id)}:
        found += store.list_certificates(
            connection, organisation_id=organisation_id, scope=one, scope_id=number, whole=True, most=1
        )
    return max(found, key=lambda each: each.issued_at, default=None)


def _missed_days(connection: Connection, organisation_id: int, since_on: date, until_on: date) -> list[date]:
    since_at = datetime(since_on.year, since_on.month, since_on.day, tzinfo=EVER.tzinfo)
    issued = {
        each.issued_at.date()
        for each in store.list_certificates(
            connection,
            organisation_id=organisation_id,
            scope="organisation",
            since_at=since_at,
            whole=True,
            most=MOST_LISTED,
        )
    }
    days = [since_on + timedelta(days=number) for number in range((until_on - since_on).days)]
    return [on for on in days if on not in issued]


def _last_round(connection: Connection, organisation_id: int) -> CheckRun | None:
    found = store.list_certificates(
        connection, organisation_id=organisation_id, scope="organisation", whole=True, most=1
    )
    return _require(connection, organisation_id, found[0].check_id) if found else None


def _is_ahead(connection: Connection, organisation_id: int, check_id: int, now: datetime) -> bool:
    """Whether the round has come further than it must have by now, to be through within its day less an hour."""
    check = _require(connection, organisation_id, check_id)
    if check.walked:
        return False  # whoever walked it to its end did not live to issue its certificate
    assert check.operation_id is not None
    operation = operation_store.list_operations(
        connection, organisation_id=organisation_id, operation_id=check.operation_id, size=1
    )[0]
    due = (operation.total or 0) * ((now - check.started_at) / (_ROUND - timedelta(hours=1)))
    return check.checked > due


def _issued(connection: Connection, organisation_id: int, check: CheckRun) -> Certificate:
    found = store.list_certificates(connection, organisation_id=organisation_id, check_id=check.check_id, most=1)
    if not found:
        raise InvalidChoice(
            f"Check {check.check_id} is not through yet", where="check_id", mend="Do its remaining slices first."
        )
    return found[0]


def _hash(check: CheckRun) -> str:
    """Over what was checked and what was found, not over when or in which slices."""
    parts: list[Any] = [
        check.scope, check.scope_id, check.checked, check.drifted, check.digest, __version__, zone_data_version(),
    ]  # fmt: skip
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()
