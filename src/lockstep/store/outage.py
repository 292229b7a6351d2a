"""Signs of life of ingestion, and the spans without them."""

from datetime import datetime
from typing import Any

from psycopg import Connection

from lockstep.domain.timeline import Span
from lockstep.store.queries import load

_SQL = load("outage.sql")


def find_last_sign_of_life(connection: Connection[Any], *, organisation_id: int) -> datetime | None:
    """When ingestion was last seen alive; None when it never was. Locks: none."""
    row = connection.execute(_SQL["last_sign_of_life"], {"organisation_id": organisation_id}).fetchone()
    return row[0] if row else None


def lock_outages(connection: Connection[Any], *, organisation_id: int) -> None:
    """Nobody else finds outages of the organisation until the transaction ends. Locks: an advisory one."""
    connection.execute(_SQL["lock_outages"], {"organisation_id": organisation_id})


def save_heartbeat(connection: Connection[Any], *, organisation_id: int, source: str, seen_at: datetime) -> None:
    """Ingestion was seen alive at the instant, never earlier than known. Locks: the row of the source."""
    values = {"organisation_id": organisation_id, "source": source, "seen_at": seen_at}
    connection.execute(_SQL["save_heartbeat"], values)


def insert_outage(connection: Connection[Any], *, organisation_id: int, span: Span) -> None:
    """The span is an outage. Locks: the new row, under the held outages."""
    values = {"organisation_id": organisation_id, "from_at": span.from_at, "until_at": span.until_at}
    connection.execute(_SQL["insert_outage"], values)
