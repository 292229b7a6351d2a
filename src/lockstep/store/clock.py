"""The one clock: the database's."""

from datetime import datetime
from typing import Any

from psycopg import Connection


def now(connection: Connection[Any]) -> datetime:
    """The database's instant, UTC."""
    row = connection.execute("select lockstep_now()").fetchone()
    assert row is not None
    at: datetime = row[0]
    return at
