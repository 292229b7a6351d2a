"""What a check reads of many enrolments at once, and the corrections that mend what it found."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from psycopg import Connection

from lockstep.domain.check_head import Heading
from lockstep.domain.check_stored import Decided, Held, Question
from lockstep.domain.occurrence import Key
from lockstep.domain.rule import Severity
from lockstep.store import array
from lockstep.store.queries import load

_SQL = load("check_stored.sql")
_LONGEST_WINDOW = timedelta(days=50)
"""Bounds the partitions looked into: no window of an activity with its grace and an outage is longer."""
EVER = datetime(1900, 1, 1, tzinfo=UTC)
"""Before anything."""


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
    """Alerts of a rule: whether they are open, how severe, and a missed occurrence that they list (None: nothing)."""

    activity_key: str
    rule_key: str
    is_open: bool
    severity: Severity
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
    connection: Connection[Any],
    *,
    organisation_id: int,
    enrolment_ids: Sequence[int],
    since_at: datetime | None,
    today_on: date,
) -> list[tuple[Decided, list[int]]]:
    """Occurrences judged after the instant or dated today or later, by what was decided, with their enrolments.

    Locks: none.
    """
    values = {**_ids(organisation_id, enrolment_ids), **_since(since_at), "today_on": today_on}
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
