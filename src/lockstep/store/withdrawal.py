"""What stands against withdrawing a switch: who has it already, and who would be left with nothing."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection

from lockstep.store.queries import load

_SQL = load("withdrawal.sql")


def list_zones(connection: Connection[Any], *, organisation_id: int) -> list[str]:
    """The zones in which anybody of the organisation lives or has lived. Locks: none."""
    return [row[0] for row in connection.execute(_SQL["list_zones"], {"organisation_id": organisation_id})]


def list_maybe_reached(
    connection: Connection[Any],
    *,
    organisation_id: int,
    protocol_ids: Sequence[int],
    zones: Sequence[str],
    since_at: datetime,
    after_enrolment_id: int,
    limit: int,
) -> list[int]:
    """Enrolments in these zones, or whose zone changed since; after a number, in order. Locks: none."""
    values = {
        "organisation_id": organisation_id,
        "protocol_ids": list(protocol_ids),
        "zones": list(zones),
        "since_at": since_at,
        "after_enrolment_id": after_enrolment_id,
        "limit": limit,
    }
    return [row[0] for row in connection.execute(_SQL["list_maybe_reached"], values)]


def list_arrivals(
    connection: Connection[Any], *, organisation_id: int, protocol_id: int, at: datetime
) -> list[tuple[str, datetime]]:
    """Who is on the protocol (from `at`) or comes to it, in words, and from when, the earliest first. Locks: none."""
    values = {"organisation_id": organisation_id, "protocol_id": protocol_id, "at": at}
    return list(connection.execute(_SQL["list_arrivals"], values))


def queue_with_moves(connection: Connection[Any], *, organisation_id: int) -> None:
    """No move is being accepted until the transaction ends. Locks: the organisation's advisory one of moves."""
    connection.execute(_SQL["queue_with_moves"], {"organisation_id": organisation_id})
