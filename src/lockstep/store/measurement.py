"""Measurements with their unique keys, what was set aside, and the judgements they correct."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from psycopg import Connection

from lockstep.domain.agenda import Head, Row
from lockstep.domain.occurrence import Key, OccurrenceState
from lockstep.store import array
from lockstep.store.queries import load

_SQL = load("measurement.sql")

_FEW = 20
_LONGEST_RUN = timedelta(days=800)

SourceKey = tuple[str, str]
"""Source and identifier: what makes a measurement unique."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """An identifier to be taken, with the digest of all that was sent with it."""

    source: str
    identifier: str
    content_hash: bytes
    set_aside: bool


@dataclass(frozen=True, slots=True)
class KnownKey:
    """What an identifier stood for when it was taken; the reason is there where that was set aside."""

    measurement_id: int
    content_hash: bytes
    reason_code: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Kept:
    """A measurement as it is stored."""

    measurement_id: int
    patient_id: int
    code: str
    value: Decimal | None
    unit: str
    finding: str | None
    taken_at: datetime
    placed_by: str
    source: str
    identifier: str


@dataclass(frozen=True, slots=True)
class KeptAside:
    """What is kept for a person; `document` is JSON text."""

    measurement_id: int
    source: str
    identifier: str
    reason_code: str
    reason: str
    document: str


@dataclass(frozen=True, slots=True)
class Correction:
    """A judgement made again; `number` counts the corrections of one occurrence from 1."""

    enrolment_id: int
    activity_key: str
    on: date
    slot: str
    number: int
    state: OccurrenceState
    measurement_id: int


Person = tuple[int, list[tuple[int, int | None]]]
"""A patient's number, and the enrolments, each with the protocol of its agenda or None where it has none."""

Mark = tuple[int, int]
"""Last switch and number of withdrawals of a protocol: another one once its timeline has changed."""

OccurrenceKey = tuple[int, str, date, str]
"""Enrolment, activity, nominal local date, slot."""


def list_concerned(
    connection: Connection[Any], *, organisation_id: int, identifiers: Collection[str]
) -> dict[str, Person]:
    """By identifier the patient's number and enrolments, each with the protocol of its agenda or None. Locks: none.

    For a few patients the rest of the transaction runs by generic plans: planning would take longer than the work.
    """
    values = {"organisation_id": organisation_id, "identifiers": array.texts(sorted(identifiers))}
    with connection.pipeline():
        # A plan is kept while a fresh partition fills: one made for an empty table would read all of it later.
        connection.execute("set local enable_seqscan = off")
        if len(identifiers) <= _FEW:
            connection.execute("set local plan_cache_mode = force_generic_plan")
        found = connection.execute(_SQL["list_concerned"], values)
    people: dict[str, Person] = {}
    for identifier, patient_id, enrolment_id, protocol_id in found.fetchall():
        enrolments = people.setdefault(identifier, (patient_id, []))[1]
        if enrolment_id is not None:
            enrolments.append((enrolment_id, protocol_id))
    return people


def list_switch_marks(
    connection: Connection[Any], *, organisation_id: int, protocol_ids: Collection[int]
) -> dict[int, Mark]:
    """Per protocol a mark that is another one once its timeline has changed; absent without any switch. Locks: none."""
    found = connection.execute(
        _SQL["list_switch_marks"],
        {"organisation_id": organisation_id, "protocol_ids": array.numbers(sorted(protocol_ids))},
    )
    return {row[0]: (row[1], row[2]) for row in found.fetchall()}


def take_keys(connection: Connection[Any], *, organisation_id: int, keys: Sequence[NewKey]) -> dict[SourceKey, int]:
    """Those that were new, each with its measurement number; waits for whoever takes the same one at this moment.

    Locks: the new keys, in key order.
    """
    if not keys:
        return {}
    values = {
        "organisation_id": organisation_id,
        "sources": array.texts([key.source for key in keys]),
        "identifiers": array.texts([key.identifier for key in keys]),
        "content_hashes": array.digests([key.content_hash for key in keys]),
        "set_asides": array.flags([key.set_aside for key in keys]),
    }
    return {(row[0], row[1]): row[2] for row in connection.execute(_SQL["take_keys"], values).fetchall()}


def list_keys(
    connection: Connection[Any], *, organisation_id: int, keys: Collection[SourceKey]
) -> dict[SourceKey, KnownKey]:
    """What is known of identifiers taken before. Locks: none."""
    if not keys:
        return {}
    values = {
        "organisation_id": organisation_id,
        "sources": array.texts([source for source, _ in keys]),
        "identifiers": array.texts([identifier for _, identifier in keys]),
    }
    return {(row[0], row[1]): KnownKey(*row[2:]) for row in connection.execute(_SQL["list_keys"], values).fetchall()}


def save_measurements(
    connection: Connection[Any], *, organisation_id: int, kept: Sequence[Kept], received_at: datetime
) -> None:
    """The measurements are stored. Locks: the new rows."""
    if not kept:
        return
    connection.execute(
        _SQL["save_measurements"],
        {
            "organisation_id": organisation_id,
            "received_at": received_at,
            "measurement_ids": array.numbers([each.measurement_id for each in kept]),
            "patient_ids": array.numbers([each.patient_id for each in kept]),
            "codes": array.texts([each.code for each in kept]),
            "values": array.numbers([each.value for each in kept]),
            "units": array.texts([each.unit for each in kept]),
            "findings": array.texts([each.finding for each in kept]),
            "taken_ats": array.instants([each.taken_at for each in kept]),
            "placed_bys": array.texts([each.placed_by for each in kept]),
            "sources": array.texts([each.source for each in kept]),
            "identifiers": array.texts([each.identifier for each in kept]),
        },
    )


def save_set_aside(
    connection: Connection[Any], *, organisation_id: int, kept: Sequence[KeptAside], received_at: datetime
) -> None:
    """They are kept for a person. Locks: the new rows."""
    if not kept:
        return
    connection.execute(
        _SQL["save_set_aside"],
        {
            "organisation_id": organisation_id,
            "received_at": received_at,
            "measurement_ids": array.numbers([each.measurement_id for each in kept]),
            "sources": array.texts([each.source for each in kept]),
            "identifiers": array.texts([each.identifier for each in kept]),
            "reason_codes": array.texts([each.reason_code for each in kept]),
            "reasons": array.texts([each.reason for each in kept]),
            "documents": array.texts([each.document for each in kept]),
        },
    )


def list_decided_since(
    connection: Connection[Any], *, organisation_id: int, since: Sequence[tuple[int, str, date]]
) -> dict[tuple[int, str], set[Key]]:
    """Keys of occurrences decided on or after the date, by (enrolment, activity). Locks: none."""
    decided: dict[tuple[int, str], set[Key]] = {}
    if not since:
        return decided
    values = {
        "organisation_id": organisation_id,
        "enrolment_ids": array.numbers([each[0] for each in since]),
        "activity_keys": array.texts([each[1] for each in since]),
        "since_ons": array.dates([each[2] for each in since]),
        "least_on": min(each[2] for each in since),
    }
    for enrolment_id, activity_key, on, slot in connection.execute(_SQL["list_decided_since"], values).fetchall():
        decided.setdefault((enrolment_id, activity_key), set()).add((on, slot))
    return decided


def list_states(
    connection: Connection[Any], *, organisation_id: int, keys: Collection[OccurrenceKey]
) -> dict[OccurrenceKey, tuple[OccurrenceState, int]]:
    """What was decided of each and how often it was corrected; absent where undecided. Locks: none."""
    if not keys:
        return {}
    values = {
        "organisation_id": organisation_id,
        "enrolment_ids": array.numbers([key[0] for key in keys]),
        "activity_keys": array.texts([key[1] for key in keys]),
        "on_dates": array.dates([key[2] for key in keys]),
        "slots": array.texts([key[3] for key in keys]),
    }
    found = connection.execute(_SQL["list_states"], values)
    return {(row[0], row[1], row[2], row[3]): (OccurrenceState(row[4]), row[5]) for row in found.fetchall()}


def save_corrections(
    connection: Connection[Any],
    *,
    organisation_id: int,
    corrections: Sequence[Correction],
    recorded_at: datetime,
) -> None:
    """The judgements are made again. Locks: the new rows, under the held heads."""
    if not corrections:
        return
    connection.execute(
        _SQL["save_corrections"],
        {
            "organisation_id": organisation_id,
            "recorded_at": recorded_at,
            "enrolment_ids": array.numbers([each.enrolment_id for each in corrections]),
            "activity_keys": array.texts([each.activity_key for each in corrections]),
            "on_dates": array.dates([each.on for each in corrections]),
            "slots": array.texts([each.slot for each in corrections]),
            "numbers": array.numbers([each.number for each in corrections]),
            "states": array.texts([each.state.value for each in corrections]),
            "measurement_ids": array.numbers([each.measurement_id for each in corrections]),
        },
    )


def list_last_states(
    connection: Connection[Any],
    *,
    organisation_id: int,
    enrolment_id: int,
    activity_key: str,
    before_at: datetime,
    most: int,
) -> list[OccurrenceState]:
    """States, corrections heeded, of the latest occurrences judged before the instant, last one first. Locks: none.

    Of some two years: a run is not followed further back.
    """
    values = {
        "organisation_id": organisation_id,
        "enrolment_id": enrolment_id,
        "activity_key": activity_key,
        "before_at": before_at,
        "since_on": (before_at - _LONGEST_RUN).date(),
        "most": most,
    }
    return [OccurrenceState(row[0]) for row in connection.execute(_SQL["list_last_states"], values).fetchall()]


@dataclass(frozen=True, slots=True)
class Held:
    """Agendas held until the transaction ends, and the instant; `marks` as of list_switch_marks."""

    heads: dict[int, Head]
    now: datetime
    rows: dict[int, dict[str, Row]]
    marks: dict[int, Mark]


def hold_agendas(
    connection: Connection[Any],
    *,
    organisation_id: int,
    enrolment_ids: Sequence[int],
    wanted: Sequence[tuple[int, str]] | None,
    protocol_ids: Collection[int],
) -> Held:
    """The heads that exist are held; then the instant; then the rows, and the marks of the protocols.

    `wanted` names the rows by (enrolment, activity), None means all. One round trip. Locks: agenda_head in key order,
    for no key update.
    """
    values: dict[str, Any] = {
        "organisation_id": organisation_id,
        "enrolment_ids": array.numbers(enrolment_ids),
        "protocol_ids": array.numbers(sorted(protocol_ids)),
    }
    asked: dict[str, Any] = values
    if wanted is not None:
        asked = {
            "organisation_id": organisation_id,
            "enrolment_ids": array.numbers([each[0] for each in wanted]),
            "activity_keys": array.texts([each[1] for each in wanted]),
        }
    with connection.pipeline():
        locked = connection.execute(_SQL["lock_heads"], values)
        clock = connection.execute("select lockstep_now()")
        listed = connection.execute(_SQL["list_rows" if wanted is None else "list_wanted_rows"], asked)
        marked = connection.execute(_SQL["list_switch_marks"], values)
    heads = {row[0]: Head(*row) for row in locked.fetchall()}
    now = clock.fetchone()
    assert now is not None
    rows: dict[int, dict[str, Row]] = {}
    for row in listed.fetchall():
        rows.setdefault(row[0], {})[row[1]] = Row(*row)
    return Held(heads, now[0], rows, {row[0]: (row[1], row[2]) for row in marked.fetchall()})
