"""Workers and their signs of life; no organisation's data."""

from collections.abc import Mapping
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from lockstep.domain.worker import Worker
from lockstep.store.queries import load

_SQL = load("worker.sql")


def sign(connection: Connection[Any], *, worker_id: str, host: str, pid: int, doing: Mapping[str, Any]) -> None:
    """The worker was seen alive now, doing this. Locks: its row."""
    values = {"worker_id": worker_id, "host": host, "pid": pid, "doing": Jsonb(dict(doing))}
    connection.execute(_SQL["sign_worker"], values)


def delete_worker(connection: Connection[Any], *, worker_id: str) -> None:
    """Nothing says that the worker runs. Locks: its row."""
    connection.execute(_SQL["delete_worker"], {"worker_id": worker_id})


def delete_silent_workers(connection: Connection[Any]) -> int:
    """Workers silent for a day are forgotten; returns how many. Locks: their rows."""
    return connection.execute(_SQL["delete_silent_workers"]).rowcount


def list_workers(connection: Connection[Any]) -> list[Worker]:
    """Every worker known, the longest running first. Locks: none."""
    return [Worker(*row) for row in connection.execute(_SQL["list_workers"])]
