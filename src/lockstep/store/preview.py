"""What a preview counts, by groups of enrolments that share what decides their occurrences."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg import Connection

from lockstep.store.queries import load

_SQL = load("preview.sql")

Key = tuple[str, date, int, int, datetime | None, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Group:
    """Enrolments that share all facts that bear on a switch; `assigned_at` is their earliest assignment."""

    key: Key
    zone: str
    anchor_on: date
    assigned_protocol_id: int
    selection_ids: frozenset[int]
    assigned_at: datetime
    members: int
    behind: int


@dataclass(frozen=True, slots=True)
class Question:
    """For whom a preview counts: heads on `protocol_id`, and behind ones on the others; one selection if given.

    `generations` (in force at `at`) belong to `protocol_ids`. Assignments since `recent_at` are told apart one by one,
    earlier ones by the `boundaries` between which they lie.
    """

    organisation_id: int
    at: datetime
    protocol_id: int
    protocol_ids: Sequence[int]
    generations: Sequence[int]
    boundaries: Sequence[datetime]
    recent_at: datetime
    selection_ids: Sequence[int]
    selection_id: int | None

    def values(self) -> dict[str, Any]:
        """As the queries name them."""
        return {
            "organisation_id": self.organisation_id,
            "at": self.at,
            "protocol_id": self.protocol_id,
            "protocol_ids": list(self.protocol_ids),
            "generations": list(self.generations),
            "boundaries": list(self.boundaries),
            "recent_at": self.recent_at,
            "selection_ids": list(self.selection_ids),
            "selection_id": self.selection_id,
        }


def list_moves(connection: Connection[Any], *, organisation_id: int) -> list[tuple[int, int, datetime, datetime]]:
    """Every move not withdrawn: from which protocol to which, first and last instant. Locks: none."""
    return list(connection.execute(_SQL["list_moves"], {"organisation_id": organisation_id}))


def list_groups(connection: Connection[Any], question: Question) -> list[Group]:
    """The groups of enrolments that no fact of their own sets apart. Locks: none."""
    return [
        Group(_key(row), row[0], row[1], row[2], frozenset(row[5]), row[6], row[7], row[8])
        for row in connection.execute(_SQL["list_groups"], question.values())
    ]


def list_group_members(connection: Connection[Any], question: Question) -> list[tuple[int, Key]]:
    """Each enrolment of those groups with the key of its group. Locks: none."""
    return [(row[6], _key(row)) for row in connection.execute(_SQL["list_group_members"], question.values())]


def list_group_rows(
    connection: Connection[Any], question: Question
) -> dict[Key, dict[str, dict[tuple[datetime, datetime], int]]]:
    """Per group and activity: how many members' earliest undecided occurrence is which. Locks: none."""
    found: dict[Key, dict[str, dict[tuple[datetime, datetime], int]]] = defaultdict(lambda: defaultdict(dict))
    for row in connection.execute(_SQL["list_group_rows"], question.values()):
        found[_key(row)][row[6]][row[7], row[8]] = row[9]
    return found


def list_individuals(
    connection: Connection[Any], question: Question, *, after_enrolment_id: int, limit: int
) -> list[tuple[int, bool]]:
    """Enrolments set apart by facts of their own, after a number, and whether each is behind. Locks: none."""
    values = {**question.values(), "after_enrolment_id": after_enrolment_id, "limit": limit}
    return list(connection.execute(_SQL["list_individuals"], values))


def list_planned(
    connection: Connection[Any], question: Question, *, after_enrolment_id: int, limit: int
) -> list[tuple[int, bool]]:
    """Enrolments elsewhere that are planned to come, after a number; none of them is behind for this. Locks: none."""
    values = {**question.values(), "after_enrolment_id": after_enrolment_id, "limit": limit}
    return [(row[0], False) for row in connection.execute(_SQL["list_planned"], values)]


def list_behind(
    connection: Connection[Any], question: Question, *, after_enrolment_id: int, limit: int
) -> list[tuple[int, int]]:
    """Enrolments whose agenda is behind, after a number, with the protocol of their head. Locks: none."""
    values = {**question.values(), "after_enrolment_id": after_enrolment_id, "limit": limit}
    return list(connection.execute(_SQL["list_behind"], values))


def count_open_alerts(
    connection: Connection[Any], question: Question, *, activity_keys: Sequence[str]
) -> dict[str, int]:
    """Enrolments with an open alert, by activity. Locks: none."""
    values = {**question.values(), "activity_keys": list(activity_keys)}
    return {row[0]: row[1] for row in connection.execute(_SQL["count_open_alerts"], values)}


def count_not_in(
    connection: Connection[Any], *, organisation_id: int, selection_id: int, other_selection_id: int
) -> int:
    """How many members of the first selection are not in the other. Locks: none."""
    values = {
        "organisation_id": organisation_id,
        "selection_id": selection_id,
        "other_selection_id": other_selection_id,
    }
    row = connection.execute(_SQL["count_not_in"], values).fetchone()
    assert row is not None
    return int(row[0])


def _key(row: Sequence[Any]) -> Key:
    return (row[0], row[1], row[2], row[3], row[4], tuple(row[5]))
