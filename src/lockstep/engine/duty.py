"""What duties need across organisations: where work is waiting, whether to make way, and housekeeping."""

import time

from lockstep.store import duty as store
from lockstep.store import job as job_store
from lockstep.store.database import Database
from lockstep.store.duty import Waiting

__all__ = [
    "Waiting",
    "clear_jobs",
    "ensure_partitions",
    "is_close_near",
    "is_ingesting",
    "list_waiting",
    "round_trip_ms",
]


def list_waiting(database: Database, waiting: Waiting) -> list[int]:
    """The organisations in which such work is waiting, by number."""
    with database.duty() as connection:
        return store.list_organisations(connection, waiting)


def is_close_near(database: Database, *, organisation_id: int, seconds: float) -> bool:
    """Whether an occurrence of the organisation is judged within so many seconds."""
    with database.duty() as connection:
        return store.is_close_near(connection, organisation_id=organisation_id, seconds=seconds)


def is_ingesting(database: Database, *, seconds: float) -> bool:
    """Whether measurements of anybody came in during so many seconds."""
    with database.duty() as connection:
        return store.is_ingesting(connection, seconds=seconds)


def round_trip_ms(database: Database) -> float:
    """How long a small transaction takes now, in milliseconds: what a measurement on its way meets at least."""
    begun = time.perf_counter()
    with database.transaction(None, read_only=True):
        pass
    return (time.perf_counter() - begun) * 1000


def ensure_partitions(database: Database) -> int:
    """Rows of the coming three months have their partitions; returns how many were made."""
    with database.transaction(None, lock_timeout_ms=1000) as connection:
        return store.ensure_partitions(connection)


def clear_jobs(database: Database) -> int:
    """Wake-ups that ended, or whose worker did, are gone; returns how many. What they told of is found without them."""
    with database.transaction(None) as connection:
        return job_store.clear_stale(connection)
