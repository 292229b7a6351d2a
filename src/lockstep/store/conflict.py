"""Personal changes that a switch may meet although its preview did not show them."""

from collections.abc import Iterable
from typing import Any

from psycopg import Connection

from lockstep.store.queries import load

_SQL = load("conflict.sql")
MOST = 1000


def hold_controls(connection: Connection[Any], *, organisation_id: int, protocol_ids: Iterable[int]) -> None:
    """No switch of these protocols is decided until the transaction ends, and all decided before are seen.

    Locks: their control rows, for share, in key order.
    """
    values = {"organisation_id": organisation_id, "protocol_ids": sorted(protocol_ids)}
    connection.execute(_SQL["hold_controls"], values)


def list_changed_since(
    connection: Connection[Any], *, organisation_id: int, switch_id: int
) -> list[tuple[int, str, str]]:
    """Enrolment, activity and field of what the preview could not see; one more than MOST at most. Locks: none."""
    values = {"organisation_id": organisation_id, "switch_id": switch_id, "limit": MOST + 1}
    return list(connection.execute(_SQL["list_changed_since"], values))
