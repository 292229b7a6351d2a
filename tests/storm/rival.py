"""Rivals: connections that hold locks, sleep in transactions, or cut off others."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg


@contextmanager
def holding(url: str, statement: str) -> Iterator[psycopg.Connection]:
    """A superuser's transaction that has carried out the statement and goes on until the end of the block."""
    with psycopg.connect(url) as connection:
        connection.execute(statement.encode())
        try:
            yield connection
        finally:
            connection.rollback()


def hold_for(seconds: float, since: float) -> None:
    """So many seconds have passed since an instant (monotonic): how long a rival holds is what the test is about."""
    time.sleep(max(0.0, since + seconds - time.monotonic()))


def cut_off(url: str) -> int:
    """Every other connection to the database was ended by the server; returns how many."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(
            "select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        ).fetchone()
    assert row is not None
    return int(row[0])
