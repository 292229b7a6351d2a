"""What is due for judging, and the set-based steps that decide it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from psycopg import Connection

from lockstep.domain.agenda import Row
from lockstep.domain.occurrence import Occurrence, OccurrenceState
from lockstep.domain.rule import Missed
from lockstep.store import array
from lockstep.store.queries import load

_SQL = load("judgement.sql")

# None of the statements about many rows is prepared: a plan made while a table was empty would be kept as it fills.

Run = tuple[int, int, list[tuple[datetime, date, str]]]
"""Enrolment, position of the rule, and the missed occurrences (judged at, on, slot) that its alert does not list."""


class DueHead(NamedTuple):
    """The part of a held head that tells how its rows are to be judged."""

    enrolment_id: int
    protocol_id: int
    generation: int
    cohort_id: int
    individual_until: datetime
    next_change_at: datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Enrolments whose rows hold the same occurrence; `place` is a row as each of them has it, of no enrolment."""

    place: Row
    enrolment_ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class Advance:
    """Enrolments whose rows go on to the same occurrence (None: their activity has nothing left to ask).

    `missed` says whether the one before was missed just now; `ends_run` whether it had been fulfilled.
    """

    activity_key: str
    occurrence: Occurrence | None
    missed: bool
    ends_run: bool
    enrolment_ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class Broken:
    """Enrolments that missed the occurrence of `place`, which counts for the rule; `late` as for an alert."""

    place: Row
    rule: Missed
    late: bool
    enrolment_ids: Sequence[int]


def find_running(connection: Connection[Any]) -> tuple[int, int]:
    """The oldest transaction of this database that runs, and a number above all that run or have ended. Locks: none."""
    row = connection.execute(_SQL["find_running"]).fetchone()
    assert row is not None
    return row[0], row[1]


def list_horizons(connection: Connection[Any], *, passed_at: datetime) -> dict[int, datetime]:
    """Per organisation with something due until when it may be judged: not after `passed_at` and seen alive since."""
    return dict(connection.execute(_SQL["list_horizons"], {"passed_at": passed_at}).fetchall())


def claim_due_heads(
    connection: Connection[Any], *, organisation_id: int, horizon_at: datetime, size: int
) -> dict[int, DueHead]:
    """Heads with at most `size` rows due, held; locked ones are skipped, those set aside left out."""
    values = {"organisation_id": organisation_id, "horizon_at": horizon_at, "size": size}
    return {row[0]: DueHead._make(row) for row in connection.execute(_SQL["claim_due_heads"], values, prepare=False)}


def claim_heads(
    connection: Connection[Any], *, organisation_id: int, enrolment_ids: Collection[int]
) -> dict[int, DueHead]:
    """The heads of these enrolments, held in key order; locked ones are skipped."""
    values = {"organisation_id": organisation_id, "enrolment_ids": array.numbers(enrolment_ids)}
    return {row[0]: DueHead._make(row) for row in connection.execute(_SQL["claim_heads"], values, prepare=False)}


def list_due(
    connection: Connection[Any], *, organisation_id: int, enrolment_ids: Collection[int], horizon_at: datetime
) -> list[Standing]:
    """Where the due rows of held heads stand, those judged first at the front. Locks: none."""
    values = {
        "organisation_id": organisation_id,
        "enrolment_ids": array.numbers(enrolment_ids),
        "horizon_at": horizon_at,
    }
    return [
        Standing(
            place=Row(
                enrolment_id=0,
                activity_key=row[0],
                cohort_id=0,
                protocol_id=row[1],
                version_number=row[2],
                on=row[3],
                slot=row[4],
                opens_at=row[5],
                closes_at=row[6],
                judge_at=row[7],
                taken=0,
                missed_in_a_row=0,
            ),
            enrolment_ids=row[8],
        )
        for row in connection.execute(_SQL["list_due"], values, prepare=False)
    ]


def save_missed(
    connection: Connection[Any], *, organisation_id: int, standings: Sequence[Standing], decided_at: datetime
) -> set[tuple[int, str]]:
    """The occurrences were missed; returns the (enrolment, activity) of those decided only now. Locks: the new rows."""
    values = {
        "organisation_id": organisation_id,
        "decided_at": decided_at,
        **_members([each.enrolment_ids for each in standings]),
        **_places([each.place for each in standings]),
    }
    return set(connection.execute(_SQL["save_missed"], values, prepare=False).fetchall())


def raise_missed(
    connection: Connection[Any], *, organisation_id: int, broken: Sequence[Broken], raised_at: datetime
) -> None:
    """Each missed occurrence is listed by the open alert of its rule, which is raised where there was none.

    For rules that a single missed occurrence breaks. Locks: alert rows in key order, under the heads.
    """
    if not broken:
        return
    members = {"organisation_id": organisation_id, **_members([each.enrolment_ids for each in broken])}
    rules = {
        "rule_numbers": array.numbers(range(len(broken))),
        "activity_keys": array.texts([each.place.activity_key for each in broken]),
        "rule_keys": array.texts([each.rule.key for each in broken]),
        "judge_ats": array.instants([each.place.judge_at for each in broken]),
        "severities": array.texts([each.rule.severity for each in broken]),
        "protocol_ids": array.numbers([each.place.protocol_id for each in broken]),
        "version_numbers": array.numbers([each.place.version_number for each in broken]),
    }
    connection.execute(
        _SQL["raise_missed"],
        {
            **members,
            **rules,
            "raised_at": raised_at,
            "lates": array.flags([each.late for each in broken]),
        },
        prepare=False,
    )
    connection.execute(
        _SQL["save_missed_samples"],
        {
            **members,
            **rules,
            "recorded_at": raised_at,
            "on_dates": array.dates([each.place.on for each in broken]),
            "slots": array.texts([each.place.slot for each in broken]),
        },
        prepare=False,
    )


def list_runs(connection: Connection[Any], *, organisation_id: int, broken: Sequence[Broken]) -> list[Run]:
    """Of enrolments that just missed an occurrence those whose run is long enough for the rule. Locks: none.

    Their rows must not have gone on yet. The first alert of a run lists all of it, an open one what is new.
    """
    if not broken:
        return []
    numbers = array.numbers(range(len(broken)))
    values = {
        "organisation_id": organisation_id,
        **_members([each.enrolment_ids for each in broken]),
        "rule_numbers": numbers,
        "place_numbers": numbers,
        "activity_keys": array.texts([each.place.activity_key for each in broken]),
        "rule_keys": array.texts([each.rule.key for each in broken]),
        "in_a_rows": array.numbers([each.rule.in_a_row for each in broken]),
        "judge_ats": array.instants([each.place.judge_at for each in broken]),
        "on_dates": array.dates([each.place.on for each in broken]),
    }
    return [
        (row[0], row[1], list(zip(row[2], row[3], row[4], strict=True)))
        for row in connection.execute(_SQL["list_runs"], values, prepare=False)
    ]


def advance_rows(connection: Connection[Any], *, organisation_id: int, advances: Sequence[Advance]) -> None:
    """The rows hold their next occurrences, or are gone. Locks: agenda rows, under their held heads."""
    moved = [(each, each.occurrence) for each in advances if each.occurrence is not None]
    ended = [each for each in advances if each.occurrence is None]
    if moved:
        values = {
            "organisation_id": organisation_id,
            **_members([each.enrolment_ids for each, _ in moved]),
            **_places([occurrence for _, occurrence in moved]),
            "missed": array.numbers([int(each.missed) for each, _ in moved]),
            "ends_runs": array.flags([each.ends_run for each, _ in moved]),
        }
        connection.execute(_SQL["advance_rows"], values, prepare=False)
    if ended:
        values = {
            "organisation_id": organisation_id,
            **_members([each.enrolment_ids for each in ended]),
            "place_numbers": array.numbers(range(len(ended))),
            "activity_keys": array.texts([each.activity_key for each in ended]),
        }
        connection.execute(_SQL["delete_rows"], values, prepare=False)


def extend_rows(
    connection: Connection[Any], *, organisation_id: int, extended: Sequence[tuple[Occurrence, Sequence[int]]]
) -> None:
    """The rows of these enrolments stay at the occurrence and close as it does now. Locks: rows under their heads."""
    if not extended:
        return
    values = {
        "organisation_id": organisation_id,
        **_members([enrolment_ids for _, enrolment_ids in extended]),
        "place_numbers": array.numbers(range(len(extended))),
        "activity_keys": array.texts([occurrence.activity_key for occurrence, _ in extended]),
        "closes_ats": array.instants([occurrence.closes_at for occurrence, _ in extended]),
        "judge_ats": array.instants([occurrence.judge_at for occurrence, _ in extended]),
    }
    connection.execute(_SQL["extend_rows"], values, prepare=False)


def list_decided(
    connection: Connection[Any], *, organisation_id: int, asked: Sequence[tuple[Occurrence, Sequence[int]]]
) -> list[tuple[int, bool, list[int]]]:
    """(position, was it missed, enrolments) of those that had decided the occurrence asked about. Locks: none."""
    if not asked:
        return []
    values = {
        "organisation_id": organisation_id,
        **_members([enrolment_ids for _, enrolment_ids in asked]),
        "place_numbers": array.numbers(range(len(asked))),
        "activity_keys": array.texts([occurrence.activity_key for occurrence, _ in asked]),
        "on_dates": array.dates([occurrence.on for occurrence, _ in asked]),
        "slots": array.texts([occurrence.slot for occurrence, _ in asked]),
    }
    return [(row[0], row[1], row[2]) for row in connection.execute(_SQL["list_decided"], values, prepare=False)]


def list_last_states(
    connection: Connection[Any], *, organisation_id: int, rows: Collection[tuple[int, str]], most: int
) -> list[tuple[int, str, int, list[OccurrenceState]]]:
    """Of the rows (enrolment, activity) that exist the count held and the last `most` states before. Locks: none."""
    values = {
        "organisation_id": organisation_id,
        "enrolment_ids": array.numbers([row[0] for row in rows]),
        "activity_keys": array.texts([row[1] for row in rows]),
        "most": most,
    }
    return [
        (row[0], row[1], row[2], [OccurrenceState(state) for state in row[3]])
        for row in connection.execute(_SQL["list_last_states"], values, prepare=False)
    ]


def set_missed_in_a_row(
    connection: Connection[Any], *, organisation_id: int, counts: Mapping[tuple[int, str], int]
) -> None:
    """The rows (enrolment, activity) hold these counts. Locks: agenda rows, under their held heads."""
    if not counts:
        return
    values = {
        "organisation_id": organisation_id,
        "enrolment_ids": array.numbers([key[0] for key in counts]),
        "activity_keys": array.texts([key[1] for key in counts]),
        "missed_in_a_rows": array.numbers(counts.values()),
    }
    connection.execute(_SQL["set_missed_in_a_row"], values, prepare=False)


def _members(groups: Sequence[Sequence[int]]) -> dict[str, str]:
    """Every enrolment with the number of its group."""
    enrolment_ids: list[int] = []
    numbers: list[int] = []
    for number, members in enumerate(groups):
        enrolment_ids.extend(members)
        numbers.extend([number] * len(members))
    return {"enrolment_ids": array.numbers(enrolment_ids), "numbers": array.numbers(numbers)}


def _places(places: Sequence[Row] | Sequence[Occurrence]) -> dict[str, str]:
    return {
        "place_numbers": array.numbers(range(len(places))),
        "activity_keys": array.texts([place.activity_key for place in places]),
        "protocol_ids": array.numbers([place.protocol_id for place in places]),
        "version_numbers": array.numbers([place.version_number for place in places]),
        "on_dates": array.dates([place.on for place in places]),
        "slots": array.texts([place.slot for place in places]),
        "opens_ats": array.instants([place.opens_at for place in places]),
        "closes_ats": array.instants([place.closes_at for place in places]),
        "judge_ats": array.instants([place.judge_at for place in places]),
    }
