"""The server that a storm rages on: one of its own that is stopped and started, or a given one that is left running."""

import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from tests.conftest import TEST_SETTINGS, create, drop, place_of_servers, with_database

from lockstep.store import server
from lockstep.store.migrate import migrate


@dataclass(frozen=True, slots=True)
class Ground:
    """A PostgreSQL; `place` is its folder when it is ours to stop."""

    url: str
    place: Path | None

    def stop(self) -> None:
        """The server ended as in a crash: every connection is lost, nothing is written down before."""
        assert self.place is not None, "only a server of our own is stopped"
        server.stop(self.place, mode="immediate")

    def start(self) -> float:
        """The server answers again, after its recovery; returns the instant (monotonic) from which on it did."""
        assert self.place is not None, "only a server of our own is started"
        server.embedded_url(self.place, database="postgres", settings=TEST_SETTINGS)
        return time.monotonic()


@contextmanager
def grounds() -> Iterator[Ground]:
    """The server that LOCKSTEP_DATABASE_URL names, or one of our own, gone afterwards."""
    if given := os.environ.get("LOCKSTEP_DATABASE_URL"):
        yield Ground(given, None)
        return
    place = place_of_servers() / f"lockstep-tests-storm-{uuid.uuid4().hex[:12]}"
    place.mkdir(mode=0o755)
    try:
        yield Ground(server.embedded_url(place, database="postgres", settings=TEST_SETTINGS), place)
    finally:
        server.stop(place, mode="immediate")
        server.leave(place)
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def databases(ground: Ground) -> Iterator[str]:
    """The address of a migrated database on the ground, gone afterwards."""
    name = f"lockstep_storm_{uuid.uuid4().hex[:12]}"
    create(ground.url, name)
    try:
        url = with_database(ground.url, name)
        migrate(url)
        yield url
    finally:
        drop(ground.url, name)


@contextmanager
def copies(ground: Ground, template_url: str) -> Iterator[str]:
    """The address of a copy of a database to which nobody is connected, gone afterwards."""
    template = psycopg.conninfo.conninfo_to_dict(template_url)["dbname"]
    name = f"{template}_{uuid.uuid4().hex[:6]}"
    create(ground.url, name, template=str(template))
    try:
        yield with_database(ground.url, name)
    finally:
        drop(ground.url, name)
