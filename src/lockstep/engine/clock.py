"""Tells the database's instant to those who must name one that comes after it."""

from datetime import datetime

from lockstep.store.clock import now
from lockstep.store.database import Database


def current_instant(database: Database) -> datetime:
    """The instant of the one clock, UTC."""
    with database.transaction(None, read_only=True) as connection:
        return now(connection)
