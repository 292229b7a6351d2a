"""Checks, what they read of many enrolments at once, drifts and certificates."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from psycopg import Connection

from lockstep.domain.check_head import Heading
from lockstep.domain.check_stored import Decided, Held, Question
from lockstep.domain.drift import Drift, DriftKind
from lockstep.domain.occurrence import Key
from lockstep.store import array
from lockstep.store.queries import load

_SQL = load("check.sql")
_LONGEST_WINDOW = timedelta(days=50)
"""Bounds the partitions looked into: no window of an activity with its grace and an outage is longer."""
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


@dataclass(frozen=True, slots=True)
class Subject:
    """An enrolment to check: first zone and assignment; `apart` when it has more facts than these; its head if any."""

    enrolment_id: int
    anchor_on: date
    zone: str
    from_at: datetime
    protocol_id: int
    apart: bool
    aside: bool
    heading: Heading | None


@dataclass(frozen=True, slots=True)
class Listing:
    """Alerts of a rule: whether they are open, and a missed occurrence that they list (None: nothing)."""

    activity_key: str
    rule_key: str
    is_open: bool
    on: date | None
    slot: str | None


@dataclass(frozen=True, slots=True)
class Past:
    """A decided occurrence of one enrolment."""

    on: date
    slot: str
    opens_at: datetime
    closes_at: datetime
    judge_at: datetime
    first: str
    state: str
    measurement_id: int | None
    decided_at: datetime
    corrections: int

    @property
    def key(self) -> Key:
        """Nominal local date and slot label."""
        return (self.on, self.slot)


@dataclass(frozen=True, slots=True)
class Sampled:
    """An open alert of missed occurrences with the keys it lists."""

    alert_id: int
    protocol_id: int
    version_number: int
    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """Enough measurements for an occurrence: their numbers and instants in order."""

    question: Question
    enrolment_id: int
    measurements: tuple[tuple[int, datetime], ...]


@dataclass(frozen=True, slots=True)
class Correction:
    """A judgement made again by a repair."""

    enrolment_id: int
    activity_key: str
    on: date
    slot: str
    number: int
    state: str
    measurement_id: int | None


# -- checks


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


# -- what is compared


def allow_thinking(connection: Connection[Any]) -> None:
    """The transaction, which must not write, may be idle for a minute between statements. Locks: none."""
    connection.execute(_SQL["allow_thinking"])


def find_seen(connection: Connection[Any], *, organisation_id: int) -> datetime | None:
    """When ingestion was last seen alive. Locks: none."""
    row = connection.execute(_SQL["find_seen"], {"organisation_id": organisation_id}).fetchone()
    return None if row is None else row[0]


def list_subjects(connection: Connection[Any], *, organisation_id: int, enrolment_ids: Sequence[int]) -> list[Subject]:
    """The enrolments with what they have in common, and their heads. Locks: none."""
    found = connection.execute(_SQL["list_subjects"], _ids(organisation_id, enrolment_ids))
    return [Subject(*_with_heading(row)) for row in found]


def list_members(
    connection: Connection[Any],
    *,
    organisation_id: int,
    enrolment_ids: Sequence[int],
    selection_ids: Collection[int],
) -> dict[int, frozenset[int]]:
    """The selections, of these, that hold each enrolment. Locks: none."""
    members: dict[int, set[int]] = defaultdict(set)
    if selection_ids:
        values = {**_ids(organisation_id, enrolment_ids), "selection_ids": array.numbers(selection_ids)}
        for selection_id, ids in connection.execute(_SQL["list_members"], values):
            for enrolment_id in ids:
                members[enrolment_id].add(selection_id)
    return {enrolment_id: frozenset(found) for enrolment_id, found in members.items()}


def list_cohorts(
    connection: Connection[Any], *, organisation_id: int, wanted: Sequence[tuple[str, date]]
) -> dict[tuple[str, date], int]:
    """The cohort number of each (zone, anchor) that has one. Locks: none."""
    values = {
        "organisation_id": organisation_id,
        "zones": [zone for zone, _ in wanted],
        "anchors_on": [anchor_on for _, anchor_on in wanted],
    }
    return {(row[0], row[1]): row[2] for row in connection.execute(_SQL["list_cohorts"], values)}


def list_unfinished_generations(connection: Connection[Any], *, organisation_id: int) -> set[int]:
    """The generations whose recalculations have not ended. Locks: none."""
    found = connection.execute(_SQL["list_unfinished_generations"], {"organisation_id": organisation_id})
    return {row[0] for row in found}


def list_rows(
    connection: Connection[Any], *, organisation_id: int, enrolment_ids: Sequence[int]
) -> list[tuple[Held, list[int]]]:
    """What agenda rows hold, each with the enrolments whose rows hold it. Locks: none."""
    found = connection.execute(_SQL["list_rows"], _ids(organisation_id, enrolment_ids))
    return [(Held(*row[:-1]), row[-1]) for row in found]


def list_decided(
    connection: Connection[Any], *, organisation_id: int, enrolment_ids: Sequence[int], since_at: datetime | None
) -> list[tuple[Decided, list[int]]]:
    """Occurrences judged after the instant, by what was decided, with their enrolments. Locks: none."""
    values = {**_ids(organisation_id, enrolment_ids), **_since(since_at)}
    return [(Decided(*row[:-1]), row[-1]) for row in connection.execute(_SQL["list_decided"], values)]


def list_alerts(
    connection: Connection[Any], *, organisation_id: int, enrolment_ids: Sequence[int], since_at: datetime | None
) -> list[tuple[Listing, list[int]]]:
    """Alerts of missed occurrences, open or touched after the instant, with their enrolments. Locks: none."""
    values = {**_ids(organisation_id, enrolment_ids), "since_at": since_at or EVER}
    return [(Listing(*row[:-1]), row[-1]) for row in connection.execute(_SQL["list_alerts"], values)]


def list_measured(
    connection: Connection[Any], *, organisation_id: int, questions: Sequence[Question]
) -> list[Measured]:
    """Who measured enough. Locks: none."""
    asked = [(each, enrolment_id) for each in enumerate(questions) for enrolment_id in each[1].enrolment_ids]
    if not asked:
        return []
    found = connection.execute(
        _SQL["list_measured"],
        {
            "organisation_id": organisation_id,
            "enrolment_ids": array.numbers([enrolment_id for _, enrolment_id in asked]),
            "numbers": array.numbers([number for (number, _), _ in asked]),
            "question_numbers": array.numbers(range(len(questions))),
            "codes": array.texts([each.code for each in questions]),
            "from_ats": array.instants([each.occurrence.nominal_at for each in questions]),
            "until_ats": array.instants([each.occurrence.judge_at for each in questions]),
            "quantities": array.numbers([each.occurrence.quantity for each in questions]),
            # A constant, so that older partitions are not looked into.
            "received_since_at": min(each.occurrence.nominal_at for each in questions) - timedelta(minutes=5),
        },
    )
    return [
        Measured(questions[number], enrolment_id, tuple(zip(numbers, instants, strict=True)))
        for number, enrolment_id, numbers, instants in found
    ]


def list_history(
    connection: Connection[Any],
    *,
    organisation_id: int,
    wanted: Collection[tuple[int, str]],
    since_on: date,
) -> dict[tuple[int, str], list[Past]]:
    """Decided occurrences of (enrolment, activity) on or after a local date, the latest first. Locks: none."""
    history: dict[tuple[int, str], list[Past]] = {each: [] for each in wanted}
    if not wanted:
        return history
    pairs = sorted(wanted)
    values = {
        "organisation_id": organisation_id,
        "enrolment_ids": [enrolment_id for enrolment_id, _ in pairs],
        "activity_keys": [key for _, key in pairs],
        "since_on": since_on,
    }
    for enrolment_id, key, *rest in connection.execute(_SQL["list_history"], values):
        history[enrolment_id, key].append(Past(*rest))
    return history


def list_open_samples(
    connection: Connection[Any], *, organisation_id: int, wanted: Sequence[tuple[int, str, str]]
) -> dict[tuple[int, str, str], Sampled]:
    """What the open alerts of (enrolment, activity, rule) list. Locks: none."""
    found: dict[tuple[int, str, str], Sampled] = {}
    if not wanted:
        return found
    values = {
        "organisation_id": organisation_id,
        "enrolment_ids": [each[0] for each in wanted],
        "activity_keys": [each[1] for each in wanted],
        "rule_keys": [each[2] for each in wanted],
    }
    for *key, alert_id, protocol_id, version_number, on, slot in connection.execute(_SQL["list_open_samples"], values):
        name = (key[0], key[1], key[2])
        keys = found[name].keys if name in found else ()
        if on is not None:
            keys = (*keys, (on, slot))
        found[name] = Sampled(alert_id, protocol_id, version_number, keys)
    return found


def save_corrections(
    connection: Connection[Any], *, organisation_id: int, corrections: Sequence[Correction], recorded_at: datetime
) -> None:
    """Judgements are made again by a repair. Locks: the new rows."""
    if not corrections:
        return
    connection.execute(
        _SQL["save_corrections"],
        {
            "organisation_id": organisation_id,
            "recorded_at": recorded_at,
            "enrolment_ids": [each.enrolment_id for each in corrections],
            "activity_keys": [each.activity_key for each in corrections],
            "on_dates": [each.on for each in corrections],
            "slots": [each.slot for each in corrections],
            "numbers": [each.number for each in corrections],
            "states": [each.state for each in corrections],
            "measurement_ids": [each.measurement_id for each in corrections],
        },
    )


def _with_heading(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*row[:7], None if row[7] is None else Heading(*row[7:]))


def _ids(organisation_id: int, enrolment_ids: Iterable[int]) -> dict[str, Any]:
    return {"organisation_id": organisation_id, "enrolment_ids": array.numbers(enrolment_ids)}


def _since(since_at: datetime | None) -> dict[str, Any]:
    at = since_at or EVER
    return {"since_at": at, "since_on": (at - _LONGEST_WINDOW).date()}


def _json(value: object) -> str | None:
    return None if value is None else json.dumps(value, sort_keys=True)
