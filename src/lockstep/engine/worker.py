"""Workers say that they live, and are listed."""

from collections.abc import Mapping
from typing import Any

from lockstep.domain.worker import Worker
from lockstep.store import worker as store
from lockstep.store.database import Database


def sign(database: Database, *, worker_id: str, host: str, pid: int, doing: Mapping[str, Any]) -> None:
    """The worker was seen alive now; workers silent for a day are forgotten. Locks: their rows."""
    with database.transaction(None) as connection:
        store.sign(connection, worker_id=worker_id, host=host, pid=pid, doing=doing)
        store.delete_silent_workers(connection)


def leave(database: Database, *, worker_id: str) -> None:
    """The worker has ended in order. Locks: its row."""
    with database.transaction(None) as connection:
        store.delete_worker(connection, worker_id=worker_id)


def list_workers(database: Database) -> list[Worker]:
    """Every worker seen during the last day, the longest running first."""
    with database.transaction(None, read_only=True) as connection:
        return store.list_workers(connection)
