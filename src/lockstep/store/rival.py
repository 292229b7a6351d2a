"""Rivals of a trial run: a superuser's sessions that hold locks, cut others off, and let statements fail by code.

Nothing of the product uses this; it makes bad luck on purpose, on databases made for it.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
from psycopg import sql

from lockstep.store.database import Connection
from lockstep.store.queries import load

_SQL = load("rival.sql")
NAME = "lockstep rival"
CONNECT_SECONDS = 3
LOOK_SECONDS = 0.02


@contextmanager
def rival(url: str, *, autocommit: bool = False) -> Iterator[Connection]:
    """A superuser's session; what it began is rolled back at the end, if the server still knows it."""
    connection = psycopg.connect(url, autocommit=autocommit, connect_timeout=CONNECT_SECONDS, application_name=NAME)
    try:
        yield connection
    finally:
        connection.close()


def lock_table(connection: Connection, name: str, mode: str) -> None:
    """The table is locked until the session ends."""
    statement = sql.SQL("lock table {} in {} mode").format(sql.Identifier(name), sql.SQL(_MODES[mode]))
    connection.execute("set local lock_timeout to '1s'")
    connection.execute(statement)


_MODES = {"exclusive": "access exclusive", "share": "share row exclusive"}


def lock_heads(connection: Connection, *, protocol_id: int, size: int) -> list[int]:
    """Some heads of the protocol are locked until the session ends; their enrolments."""
    return [row[0] for row in connection.execute(_SQL["lock_heads"], {"protocol_id": protocol_id, "size": size})]


def lock_head(connection: Connection, *, enrolment_id: int) -> None:
    """The enrolment's head is locked until the session ends."""
    connection.execute(_SQL["lock_head"], {"enrolment_id": enrolment_id})


def count_waiting(connection: Connection, pid: int) -> int:
    """How many sessions wait for what this one holds."""
    row = connection.execute(_SQL["count_waiting"], {"pid": pid}).fetchone()
    return 0 if row is None else int(row[0])


def somebody_waits(url: str, pid: int, seconds: float) -> bool:
    """Whether within so many seconds some session waited for what this one holds; returns when they have passed."""
    waited, until = False, time.monotonic() + seconds
    with rival(url, autocommit=True) as looking:
        while time.monotonic() < until:
            waited = waited or count_waiting(looking, pid) > 0
            time.sleep(LOOK_SECONDS)
    return waited


def cut_one(connection: Connection, names: Sequence[str]) -> str | None:
    """A session with one of these names, in the middle of something, was ended by the server; its name."""
    row = connection.execute(_SQL["cut_one"], {"names": [f"{name}%" for name in names]}).fetchone()
    return None if row is None else str(row[0])


def count_sessions(connection: Connection) -> int:
    """How many clients are connected to this database."""
    row = connection.execute(_SQL["count_sessions"]).fetchone()
    return 0 if row is None else int(row[0])


def lay_fuses(url: str) -> None:
    """Statements on some tables fail by a code when a fuse is lit; see `light_fuse`."""
    with rival(url, autocommit=True) as connection:
        for name in ("make_fuse", "make_fuse_function", "lay_on_heads", "lay_on_measurements", "lay_on_occurrences"):
            connection.execute(_SQL[name])


def light_fuse(connection: Connection, *, state: str, times: int) -> None:
    """The next so many statements on tables with fuses fail with the SQLSTATE."""
    connection.execute(_SQL["light_fuse"], {"state": state, "times": times})


def burnt(connection: Connection) -> int:
    """How many statements have failed since the fuse was lit."""
    row = connection.execute(_SQL["count_burnt"]).fetchone()
    return 0 if row is None else int(row[0])


@contextmanager
def all_slots(url: str, most: int) -> Iterator[int]:
    """Nobody who is no superuser can connect any more: so many slots were taken as were free; returns how many."""
    taken: list[Connection] = []
    try:
        while len(taken) < most:
            try:
                taken.append(psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_SECONDS))
            except psycopg.OperationalError:
                break
        yield len(taken)
    finally:
        for connection in taken:
            connection.close()
