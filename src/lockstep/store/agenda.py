"""The agenda: per enrolment a head, and per activity the earliest undecided occurrence."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from psycopg import Connection

from lockstep.domain.agenda import Head, Row
from lockstep.domain.occurrence import Key, Occurrence, OccurrenceState
from lockstep.store import array
from lockstep.store.queries import load

_SQL = load("agenda.sql")
_LONGEST_WINDOW = timedelta(days=45)
"""Bounds the partitions looked into for decided occurrences: no window of an activity is longer."""


@dataclass(frozen=True, slots=True)
class Decision:
    """An occurrence with what became of it."""

    enrolment_id: int
    occurrence: Occurrence | Row
    state: OccurrenceState
    measurement_id: int | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A question for the measurements of one patient inside one window, received before an instant if one is given."""

    patient_id: int
    code: str
    from_at: datetime
    until_at: datetime
    received_before_at: datetime | None = None


def lock_heads(connection: Connection[Any], *, organisation_id: int, enrolment_ids: Sequence[int]) -> dict[int, Head]:
    """The heads that exist, held until the transaction ends. Locks: agenda_head in key order, for no key update."""
    found = connection.execute(
        _SQL["lock_heads"], {"organisation_id": organisation_id, "enrolment_ids": list(enrolment_ids)}
    )
    return {row[0]: Head(*row) for row in found}


def list_heads(connection: Connection[Any], *, organisation_id: int, enrolment_ids: Sequence[int]) -> dict[int, Head]:
    """The heads that exist, by enrolment. Locks: none."""
    found = connection.execute(
        _SQL["list_heads"], {"organisation_id": organisation_id, "enrolment_ids": list(enrolment_ids)}
    )
    return {row[0]: Head(*row) for row in found}


def list_rows(
    connection: Connection[Any], *, organisation_id: int, enrolment_ids: Sequence[int]
) -> dict[int, list[Row]]:
    """The rows of each enrolment, ordered by activity. Locks: none."""
    rows: dict[int, list[Row]] = defaultdict(list)
    values = {"organisation_id": organisation_id, "enrolment_ids": list(enrolment_ids)}
    for row in connection.execute(_SQL["list_rows"], values):
        rows[row[0]].append(Row(*row))
    return rows


def list_decided(
    connection: Connection[Any], *, organisation_id: int, enrolment_ids: Sequence[int], closes_after: datetime
) -> dict[tuple[int, str], set[Key]]:
    """Keys of decided occurrences that close after the instant, by (enrolment, activity). Locks: none."""
    decided: dict[tuple[int, str], set[Key]] = defaultdict(set)
    values = {
        "organisation_id": organisation_id,
        "enrolment_ids": list(enrolment_ids),
        "closes_after": closes_after,
        "since_on": (closes_after - _LONGEST_WINDOW).date(),
    }
    for enrolment_id, activity_key, on, slot in connection.execute(_SQL["list_decided"], values):
        decided[enrolment_id, activity_key].add((on, slot))
    return decided


def list_measurements_in(
    connection: Connection[Any], *, organisation_id: int, asked: Sequence[Asked]
) -> list[list[int]]:
    """For each question the numbers of the measurements inside, in order of the instant they belong to. Locks: none."""
    answers: list[list[int]] = [[] for _ in asked]
    if not asked:
        return answers
    values = {
        "organisation_id": organisation_id,
        "ordinals": list(range(len(asked))),
        "patient_ids": [question.patient_id for question in asked],
        "codes": [question.code for question in asked],
        "from_ats": [question.from_at for question in asked],
        "until_ats": [question.until_at for question in asked],
        "received_before_ats": [question.received_before_at for question in asked],
    }
    for ordinal, measurement_id, _ in connection.execute(_SQL["list_measurements_in_windows"], values):
        answers[ordinal].append(measurement_id)
    return answers


def ensure_cohorts(
    connection: Connection[Any], *, organisation_id: int, wanted: Iterable[tuple[str, date]]
) -> dict[tuple[str, date], int]:
    """The cohort number of each (zone, anchor), made where it was missing. Locks: the new rows."""
    pairs = sorted(set(wanted))
    values = {
        "organisation_id": organisation_id,
        "zones": [zone for zone, _ in pairs],
        "anchors_on": [anchor_on for _, anchor_on in pairs],
    }
    found = {(row[1], row[2]): row[0] for row in connection.execute(_SQL["list_cohorts_of"], values)}
    if len(found) < len(pairs):
        connection.execute(_SQL["ensure_cohorts"], values)
        found = {(row[1], row[2]): row[0] for row in connection.execute(_SQL["list_cohorts_of"], values)}
    return found


def list_cohorts(
    connection: Connection[Any], *, organisation_id: int, cohort_ids: Sequence[int]
) -> dict[int, tuple[str, date]]:
    """Zone and anchor of each cohort. Locks: none."""
    found = connection.execute(
        _SQL["list_cohorts"], {"organisation_id": organisation_id, "cohort_ids": list(cohort_ids)}
    )
    return {row[0]: (row[1], row[2]) for row in found}


def save_heads(
    connection: Connection[Any], *, organisation_id: int, heads: Sequence[Head], computed_at: datetime
) -> None:
    """The heads carry what their rows were computed for. Locks: agenda_head rows in key order."""
    if not heads:
        return
    connection.execute(
        _SQL["save_heads"],
        {
            "organisation_id": organisation_id,
            "computed_at": computed_at,
            "enrolment_ids": [head.enrolment_id for head in heads],
            "protocol_ids": [head.protocol_id for head in heads],
            "version_numbers": [head.version_number for head in heads],
            "generations": [head.generation for head in heads],
            "cohort_ids": [head.cohort_id for head in heads],
            "assigned_ats": [head.assigned_at for head in heads],
            "assigned_protocol_ids": [head.assigned_protocol_id for head in heads],
            "individual_untils": [head.individual_until for head in heads],
            "next_change_ats": [head.next_change_at for head in heads],
            "ended_ats": [head.ended_at for head in heads],
        },
    )


def save_rows(connection: Connection[Any], *, organisation_id: int, rows: Sequence[Row]) -> None:
    """The rows hold these occurrences. Locks: agenda rows in key order, under their held heads."""
    if not rows:
        return
    connection.execute(
        _SQL["save_rows"],
        {
            "organisation_id": organisation_id,
            "enrolment_ids": array.numbers([row.enrolment_id for row in rows]),
            "activity_keys": array.texts([row.activity_key for row in rows]),
            "cohort_ids": array.numbers([row.cohort_id for row in rows]),
            "protocol_ids": array.numbers([row.protocol_id for row in rows]),
            "version_numbers": array.numbers([row.version_number for row in rows]),
            "on_dates": array.dates([row.on for row in rows]),
            "slots": array.texts([row.slot for row in rows]),
            "opens_ats": array.instants([row.opens_at for row in rows]),
            "closes_ats": array.instants([row.closes_at for row in rows]),
            "judge_ats": array.instants([row.judge_at for row in rows]),
            "takens": array.numbers([row.taken for row in rows]),
            "missed_in_a_rows": array.numbers([row.missed_in_a_row for row in rows]),
        },
    )


def delete_rows(connection: Connection[Any], *, organisation_id: int, keys: Sequence[tuple[int, str]]) -> None:
    """The rows (enrolment, activity) are gone. Locks: the rows, under their held heads."""
    if not keys:
        return
    connection.execute(
        _SQL["delete_rows"],
        {
            "organisation_id": organisation_id,
            "enrolment_ids": [enrolment_id for enrolment_id, _ in keys],
            "activity_keys": [activity_key for _, activity_key in keys],
        },
    )


def delete_finished(connection: Connection[Any], *, organisation_id: int, enrolment_ids: Sequence[int]) -> None:
    """The heads of those that have ended and have no row any more are gone. Locks: the heads, held already."""
    if enrolment_ids:
        connection.execute(
            _SQL["delete_finished"], {"organisation_id": organisation_id, "enrolment_ids": list(enrolment_ids)}
        )


def delete_agendas(connection: Connection[Any], *, organisation_id: int, enrolment_ids: Sequence[int]) -> None:
    """Heads and rows of the enrolments are gone. Locks: the heads and rows."""
    if enrolment_ids:
        connection.execute(
            _SQL["delete_agendas"], {"organisation_id": organisation_id, "enrolment_ids": list(enrolment_ids)}
        )


def save_decisions(
    connection: Connection[Any], *, organisation_id: int, decisions: Sequence[Decision], decided_at: datetime
) -> set[tuple[int, str, date, str]]:
    """The occurrences are decided, each once; returns those (enrolment, activity, on, slot) not decided before."""
    if not decisions:
        return set()
    of = [decision.occurrence for decision in decisions]
    found = connection.execute(
        _SQL["save_decisions"],
        {
            "organisation_id": organisation_id,
            "decided_at": decided_at,
            "enrolment_ids": array.numbers([decision.enrolment_id for decision in decisions]),
            "activity_keys": array.texts([occurrence.activity_key for occurrence in of]),
            "on_dates": array.dates([occurrence.on for occurrence in of]),
            "slots": array.texts([occurrence.slot for occurrence in of]),
            "protocol_ids": array.numbers([occurrence.protocol_id for occurrence in of]),
            "version_numbers": array.numbers([occurrence.version_number for occurrence in of]),
            "opens_ats": array.instants([occurrence.opens_at for occurrence in of]),
            "closes_ats": array.instants([occurrence.closes_at for occurrence in of]),
            "judge_ats": array.instants([occurrence.judge_at for occurrence in of]),
            "states": array.texts([decision.state.value for decision in decisions]),
            "measurement_ids": array.numbers([decision.measurement_id for decision in decisions]),
        },
    )
    return {(row[0], row[1], row[2], row[3]) for row in found}
