"""Jobs: telling a worker in the deciding transaction that there is something to do."""

from typing import Any

from psycopg import AsyncConnection, Connection, sql

from lockstep.store.queries import load

QUEUE = "recalculation"
TASK = "lockstep.recalculate"
"""Both stand in job.sql too."""

ROLE = "lockstep_app"
SEARCH_PATH = "procrastinate, public"

_SQL = load("job.sql")


def wake(connection: Connection[Any], organisation_id: int) -> None:
    """With the commit a worker learns that the organisation has agendas to recalculate. Locks: the new job's row."""
    connection.execute(_SQL["wake"], {"organisation_id": organisation_id})


def clear_stale(connection: Connection[Any]) -> int:
    """Wake-ups that ended, or whose worker fell silent, are gone; returns how many. Locks: their rows."""
    return connection.execute(_SQL["clear_stale"]).rowcount


async def act_as_app(connection: AsyncConnection[Any]) -> None:
    """The connection of the job library acts as the application's role, in the schema of its tables."""
    statements = sql.SQL("set role {role}; set search_path to {path}; set idle_in_transaction_session_timeout to '5s'")
    await connection.set_autocommit(True)
    await connection.execute(statements.format(role=sql.Identifier(ROLE), path=sql.SQL(SEARCH_PATH)), prepare=False)
