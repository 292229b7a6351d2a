"""Jobs: telling a worker in the deciding transaction that there is something to do."""

from typing import Any

from psycopg import Connection

from lockstep.store.queries import load

_SQL = load("job.sql")


def wake(connection: Connection[Any], organisation_id: int) -> None:
    """With the commit a worker learns that the organisation has agendas to recalculate. Locks: the new job's row."""
    connection.execute(_SQL["wake"], {"organisation_id": organisation_id})
