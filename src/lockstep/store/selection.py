"""Selections: enrolments frozen when a preview is made."""

from collections.abc import Iterable, Sequence
from typing import Any

from psycopg import Connection

from lockstep.domain.selection import Filter, Selection
from lockstep.store.queries import load

_SQL = load("selection.sql")


def freeze_selection(
    connection: Connection[Any],
    *,
    organisation_id: int,
    protocol_id: int,
    chosen: Filter,
    enrolment_ids: Sequence[int] | None,
    joined_ids: Sequence[int],
    left_ids: Sequence[int],
    description: str,
    actor: str,
) -> Selection:
    """The enrolments on the protocol that are chosen are a selection for ever; ids named that were not on it are told.

    `joined_ids` and `left_ids` correct heads that do not yet show a move that is in force. Locks: the new rows.
    """
    row = connection.execute(
        _SQL["freeze_selection"],
        {
            "organisation_id": organisation_id,
            "protocol_id": protocol_id,
            "joined_ids": list(joined_ids),
            "left_ids": list(left_ids),
            "enrolment_ids": None if enrolment_ids is None else list(enrolment_ids),
            "zones": list(chosen.zones) or None,
            "anchored_from": chosen.anchored_from,
            "anchored_until": chosen.anchored_until,
            "version_numbers": list(chosen.version_numbers) or None,
            "without_selections": list(chosen.without_selections),
            "members_of": chosen.members_of,
            "assigned_protocols": list(chosen.assigned_protocols) or None,
            "first": chosen.first,
            "description": description,
            "actor": actor,
        },
    ).fetchone()
    assert row is not None
    selection_id, member_count = row
    skipped: tuple[int, ...] = ()
    if enrolment_ids is not None and member_count < len(enrolment_ids):
        values = {
            "organisation_id": organisation_id,
            "selection_id": selection_id,
            "enrolment_ids": list(enrolment_ids),
        }
        skipped = tuple(found[0] for found in connection.execute(_SQL["list_not_members"], values))
    return Selection(selection_id, description, member_count, skipped)


def list_unknown(connection: Connection[Any], *, organisation_id: int, enrolment_ids: Sequence[int]) -> list[int]:
    """The first ten of these numbers that are no enrolments. Locks: none."""
    values = {"organisation_id": organisation_id, "enrolment_ids": list(enrolment_ids)}
    return [row[0] for row in connection.execute(_SQL["list_unknown"], values)]


def list_members(
    connection: Connection[Any],
    *,
    organisation_id: int,
    selection_id: int,
    after_enrolment_id: int = 0,
    limit: int = 1000,
) -> list[int]:
    """At most `limit` members after the number, in order. Locks: none."""
    values = {
        "organisation_id": organisation_id,
        "selection_id": selection_id,
        "after_enrolment_id": after_enrolment_id,
        "limit": limit,
    }
    return [row[0] for row in connection.execute(_SQL["list_members"], values)]


def list_combinations(
    connection: Connection[Any], *, organisation_id: int, selection_ids: Iterable[int], within: int | None
) -> set[frozenset[int]]:
    """In which of the selections enrolments are together, each once; of one's members if given. Locks: none."""
    values = {"organisation_id": organisation_id, "selection_ids": sorted(set(selection_ids)), "within": within}
    return {frozenset(row[0]) for row in connection.execute(_SQL["list_combinations"], values)}


def list_memberships(
    connection: Connection[Any],
    *,
    organisation_id: int,
    enrolment_ids: Iterable[int],
    selection_ids: Iterable[int],
) -> dict[int, frozenset[int]]:
    """Which of the selections hold each enrolment that any of them holds. Locks: none."""
    values = {
        "organisation_id": organisation_id,
        "enrolment_ids": list(enrolment_ids),
        "selection_ids": sorted(selection_ids),
    }
    return {row[0]: frozenset(row[1]) for row in connection.execute(_SQL["list_memberships"], values)}
