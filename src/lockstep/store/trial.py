"""Databases made for a trial run: each of its own, looked at from the server's side, and dropped afterwards."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg import conninfo, sql
from psycopg_pool import AsyncConnectionPool

from lockstep.store import server
from lockstep.store.database import APP_ROLE, Connection
from lockstep.store.job import act_as_app
from lockstep.store.queries import load

_SQL = load("trial.sql")
PREFIX = "lockstep_demo_"
_TIME_OUT = "canceling statement due to lock timeout"


def create_trial(server_url: str) -> str:
    """An empty database exists for this process; returns its address."""
    name = f"{PREFIX}{os.getpid()}"
    drop_trial(with_database(server_url, name))
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    return with_database(server_url, name)


def drop_trial(url: str) -> None:
    """The database is gone, and whoever was still connected to it."""
    name = name_of(url)
    assert name.startswith(PREFIX), "only trials are dropped"
    with psycopg.connect(with_database(url, "postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def sweep_trials(server_url: str) -> None:
    """Databases of trials on this machine whose process was killed are gone; for the embedded server only."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        names = [row[0] for row in connection.execute(_SQL["list_trials"])]
    for name in names:
        pid = name.removeprefix(PREFIX)
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            drop_trial(with_database(server_url, name))


def add_schema(url: str, name: str) -> None:
    """The database has a schema of this name in which the application may make tables."""
    with psycopg.connect(url, autocommit=True) as connection:
        statement = sql.SQL("create schema {} authorization {}")
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(APP_ROLE)))


def drop_schema(url: str, name: str) -> None:
    """The schema and its tables are gone."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(name)))


def settle(url: str, *tables: str) -> None:
    """The statistics of the tables (all, when none is named) are fresh, as those of an installation in use are."""
    names = sql.SQL(", ").join(sql.Identifier(*table.split(".")) for table in tables)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("vacuum analyze {}").format(names))


def checkpoint(url: str) -> None:
    """What was written so far is on disk, so that no later measurement pays for it."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("checkpoint")


@contextmanager
def small_disk(url: str, place: Path, *, mb: int = 64) -> Iterator[Path | None]:
    """Measurements of this month and the next are kept on a small disk of their own, in memory; None without root.

    At the end of the block the disk is gone as soon as the server lets go of it.
    """
    if os.geteuid() != 0 or not (mount := shutil.which("mount")):
        yield None
        return
    owner = place.stat()
    disk = place.parent / "small"
    disk.mkdir()
    options = f"size={mb}m,mode=700,uid={owner.st_uid},gid={owner.st_gid}"
    if subprocess.run([mount, "-t", "tmpfs", "-o", options, "tmpfs", disk], check=False).returncode != 0:  # noqa: S603
        yield None
        return
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(sql.SQL("create tablespace small location {}").format(sql.Literal(str(disk))))
            for (name,) in connection.execute(_SQL["list_measurement_partitions"]).fetchall():
                connection.execute(sql.SQL("alter table {} set tablespace small").format(sql.Identifier(name)))
        yield disk
    finally:
        subprocess.run(["/bin/umount", "-l", disk], check=False)  # noqa: S603


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """There is no room on the disk."""
    ballast = disk / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"\0" * 2**16):
                pass
        yield
    finally:
        ballast.unlink(missing_ok=True)


def count_deadlocks(url: str) -> int:
    """Dead-locks that the server resolved in this database."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(_SQL["count_server_failures"]).fetchone()
    return 0 if row is None else int(row[0])


def wal_position(url: str) -> int:
    """How many bytes of log the server has written since it was made."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(_SQL["wal_position"]).fetchone()
    assert row is not None
    return int(row[0])


Configure = Callable[[psycopg.AsyncConnection[Any]], Awaitable[None]]


def acting_for(organisation_id: int) -> Configure:
    """Makes a connection act as the application for one organisation for as long as it lasts.

    For competitors in a trial only: the product sets the organisation in each transaction.
    """

    async def act(connection: psycopg.AsyncConnection[Any]) -> None:
        await act_as_app(connection)
        statement = sql.SQL("set lockstep.organisation_id = {}").format(sql.Literal(str(organisation_id)))
        await connection.execute(statement, prepare=False)

    return act


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """A connection of the one who may do everything, that commits each statement, for a library's own tables."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        yield connection


@asynccontextmanager
async def connected_often(url: str, organisation_id: int, count: int) -> AsyncIterator["AsyncConnectionPool[Any]"]:
    """So many connections that act for the organisation (see `acting_for`) and commit each statement."""
    async with AsyncConnectionPool(
        url, configure=acting_for(organisation_id), min_size=count, max_size=count, open=False
    ) as pool:
        await pool.wait()
        yield pool


def server_version(url: str) -> str:
    """What the server calls itself, such as 18.1."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("show server_version").fetchone()
    assert row is not None
    return str(row[0])


class ServerLog:
    """The log of a server on this machine, from now on, as far as it concerns one database."""

    def __init__(self, file: Path, url: str) -> None:
        self._file = file
        with psycopg.connect(url, autocommit=True) as connection:
            row = connection.execute("show log_line_prefix").fetchone()
        assert row is not None
        # A server that does not write the database's name: every line counts, which can only be too many.
        self._sign = f" {name_of(url)} " if "%d" in row[0] else ""
        self._from = file.stat().st_size

    def count_lock_time_outs(self) -> int:
        """Statements that the server cancelled because they waited too long for a lock."""
        with self._file.open("rb") as log:
            log.seek(self._from)
            lines = log.read().decode(errors="replace").splitlines()
        return sum(_TIME_OUT in line and self._sign in line for line in lines)


def server_log(data_dir: Path, url: str) -> ServerLog | None:
    """The log of the embedded server of that folder; None where it cannot be read."""
    file = data_dir / "data" / "log"
    return ServerLog(file, url) if os.access(file, os.R_OK) else None


@contextmanager
def looking(url: str) -> Iterator[Connection]:
    """A superuser's transaction that sees one snapshot of everything and changes nothing."""
    with psycopg.connect(url) as connection:
        connection.execute("set transaction isolation level repeatable read, read only")
        connection.execute("set local search_path to public, procrastinate")
        yield connection
        connection.rollback()


def socket_of(url: str) -> str:
    """The file of the socket on which the server of this machine listens."""
    return str(Path(str(conninfo.conninfo_to_dict(url)["host"])) / server.SOCKET)


def through_port(url: str, port: int) -> str:
    """The same database's address, as reached through a port of the loopback that forwards to it."""
    return conninfo.make_conninfo(url, host="127.0.0.1", port=port, sslmode="disable", gssencmode="disable")


def name_of(url: str) -> str:
    """The name of the database that an address leads to."""
    return str(conninfo.conninfo_to_dict(url).get("dbname", ""))


def with_database(url: str, name: str) -> str:
    """The same server's address for another database."""
    return conninfo.make_conninfo(url, dbname=name)
