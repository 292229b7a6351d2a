"""What a preview counts."""

from typing import Any

from psycopg import Connection

from lockstep.store.queries import load

_SQL = load("preview.sql")


def count_on_protocol(connection: Connection[Any], *, organisation_id: int, protocol_id: int) -> int:
    row = connection.execute(_SQL["count_on_protocol"], {"organisation_id": organisation_id, "protocol_id": protocol_id}).fetchone()
    assert row is not None
    return int(row[0])
