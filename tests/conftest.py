"""A database for every test that asks: a clone of one that was migrated once in the session."""

import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo, sql

from lockstep.store import server
from lockstep.store.database import Database
from lockstep.store.migrate import migrate

# A crash of the machine may lose the tests' data; a crash of the server may not, and is tested.
TEST_SETTINGS = {**server.SETTINGS, "shared_buffers": "128MB", "fsync": "off"}
ROOM_BYTES = 4 * 2**30


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that use a database can be chosen with `-m database`."""
    for item in items:
        if "server_url" in getattr(item, "fixturenames", ()):
            item.add_marker("database")


@pytest.fixture(scope="session")
def server_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a PostgreSQL, as a superuser of it."""
    if given := os.environ.get("LOCKSTEP_DATABASE_URL"):
        yield given
        return
    sweep()
    # One server for all workers of a run.
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", uuid.uuid4().hex)[:12]
    place = place_of_servers() / f"lockstep-tests-{run}"
    place.mkdir(mode=0o755, exist_ok=True)
    yield server.embedded_url(place, database="postgres", settings=TEST_SETTINGS)
    server.leave(place)
    if not (place / "data" / "postmaster.pid").exists():
        shutil.rmtree(place, ignore_errors=True)


def place_of_servers() -> Path:
    """A folder in memory where there is room: a copy of a database takes 20 ms there and 350 ms on a disk."""
    memory = Path("/dev/shm")
    if os.access(memory, os.W_OK | os.X_OK) and shutil.disk_usage(memory).free > ROOM_BYTES:
        return memory
    return Path(tempfile.gettempdir())


def sweep() -> None:
    """Servers of test runs that were killed are gone, with their files."""
    for place in place_of_servers().glob("lockstep-tests-*"):
        with suppress(FileNotFoundError):  # another run sweeps too
            sweep_one(place)


def sweep_one(place: Path) -> None:
    """The server of a run that was killed is gone; one that began lately may only be about to be joined."""
    ours = place.stat().st_uid == os.geteuid() and time.time() - place.stat().st_mtime > 600
    if ours and not server.joined(place):
        server.stop(place, mode="immediate")
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="session")
def template(server_url: str) -> Iterator[str]:
    """The name of a database that was migrated and is only ever copied."""
    name = f"lockstep_template_{uuid.uuid4().hex[:12]}"
    create(server_url, name)
    migrate(with_database(server_url, name))
    yield name
    drop(server_url, name)


@pytest.fixture
def database_url(server_url: str, template: str) -> Iterator[str]:
    """The address of a fresh copy of the migrated database, as a user who may do everything."""
    name = f"lockstep_test_{uuid.uuid4().hex[:12]}"
    create(server_url, name, template=template)
    yield with_database(server_url, name)
    drop(server_url, name)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A fresh, migrated database, as the application reaches it."""
    with Database(database_url) as database:
        yield database


@pytest.fixture
def admin(database_url: str) -> Iterator[psycopg.Connection]:
    """A superuser's connection that commits each statement, to arrange and to look behind."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@dataclass(frozen=True)
class Clock:
    """The database's clock, standing still at the instant it was set to."""

    connection: psycopg.Connection

    def set(self, instant: datetime) -> None:
        """From the next statement on, lockstep_now() is `instant` in every session of this database."""
        if instant.tzinfo is None:
            raise ValueError("an instant needs an offset")
        self.connection.execute("update test_clock set instant = %s", [instant])


@pytest.fixture
def clock(admin: psycopg.Connection) -> Clock:
    """Replaces lockstep_now() in this test's database; it stands still at the present until it is set."""
    return stop_clock(admin)


def stop_clock(admin: psycopg.Connection) -> Clock:
    """The clock of the connection's database stands still at the present until it is set."""
    admin.execute("create table test_clock (instant timestamptz not null)")
    admin.execute("grant select on test_clock to public")
    admin.execute("insert into test_clock values (clock_timestamp())")
    # The body of plpgsql is bound when run: `create or replace` keeps rights, owner and what depends on it.
    admin.execute(
        "create or replace function lockstep_now() returns timestamptz language plpgsql stable parallel safe"
        " as $$ begin return (select instant from public.test_clock); end $$"
    )
    return Clock(admin)


def create(server_url: str, name: str, *, template: str = "template1") -> None:
    """The database exists; from a migrated template this takes some 20 ms."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("create database {} template {} strategy file_copy").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )


def drop(server_url: str, name: str) -> None:
    """The database is gone, and whoever was still connected to it."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def with_database(url: str, name: str) -> str:
    """The same server's address for another database."""
    return conninfo.make_conninfo(url, dbname=name)
