"""Nothing is judged before everything that ran then has ended, and unless ingestion was seen alive afterwards."""

import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from lockstep.engine.judgement import Horizon, list_horizons
from lockstep.store.database import Database

from .judged_world import JUDGED_AT, Judging

if TYPE_CHECKING:
    from tests.conftest import Clock

SECOND = timedelta(seconds=1)


@pytest.fixture
def world(database: Database, clock: "Clock", admin: psycopg.Connection) -> Judging:
    world = Judging(database, admin, clock.set)
    clock.set(JUDGED_AT)
    return world


def alive(world: Judging, seen_at: datetime) -> None:
    world.admin.execute(
        "insert into ingestion_heartbeat values (%s, 'test', %s)"
        " on conflict (organisation_id, source) do update set seen_at = excluded.seen_at",
        [world.organisation_id, seen_at],
    )


def look(world: Judging, horizon: Horizon, at: datetime) -> datetime | None:
    world.set_clock(at)
    return list_horizons(world.database, horizon).get(world.organisation_id)


def until(world: Judging, horizon: Horizon, at: datetime, expected: datetime) -> None:
    """The horizon becomes `expected` at the instant, whatever other tests run on the same server."""
    begun = time.monotonic()
    while (found := look(world, horizon, at)) != expected:
        # The server's own processes may hold a transaction of this database for a moment.
        assert time.monotonic() - begun < 60, found
        time.sleep(0.01)


def test_an_instant_is_waited_for(world: Judging) -> None:
    alive(world, JUDGED_AT + 60 * SECOND)
    horizon = Horizon()
    assert look(world, horizon, JUDGED_AT) is None
    assert look(world, horizon, JUDGED_AT + SECOND) is None
    until(world, horizon, JUDGED_AT + 2 * SECOND, JUDGED_AT)
    until(world, horizon, JUDGED_AT + 2.5 * SECOND, JUDGED_AT)
    until(world, horizon, JUDGED_AT + 3 * SECOND, JUDGED_AT + SECOND)


def test_without_a_heartbeat_nothing_is_judged(world: Judging) -> None:
    horizon = Horizon()
    look(world, horizon, JUDGED_AT)
    assert look(world, horizon, JUDGED_AT + 60 * SECOND) is None


def test_what_closed_after_the_last_heartbeat_is_not_judged(world: Judging) -> None:
    horizon = Horizon()
    alive(world, JUDGED_AT)
    look(world, horizon, JUDGED_AT)
    assert look(world, horizon, JUDGED_AT + 60 * SECOND) is None
    alive(world, JUDGED_AT + 0.5 * SECOND)
    until(world, horizon, JUDGED_AT + 61 * SECOND, JUDGED_AT)


def test_a_transaction_that_ran_then_is_waited_for(world: Judging, database_url: str) -> None:
    alive(world, JUDGED_AT + 60 * SECOND)
    horizon = Horizon()
    with psycopg.connect(database_url) as running:
        running.execute("select pg_current_xact_id()")
        look(world, horizon, JUDGED_AT)
        assert look(world, horizon, JUDGED_AT + 30 * SECOND) is None
        running.commit()
        # One that began since does not matter.
        running.execute("select pg_current_xact_id()")
        until(world, horizon, JUDGED_AT + 31 * SECOND, JUDGED_AT)


def test_it_is_waited_for_although_nothing_else_has_ended_since_it_began(world: Judging, database_url: str) -> None:
    alive(world, JUDGED_AT + 60 * SECOND)
    horizon = Horizon()
    with psycopg.connect(database_url) as running:
        world.set_clock(JUDGED_AT)
        running.execute("select pg_current_xact_id()")
        assert list_horizons(world.database, horizon) == {}
        # The clock is set by a transaction of its own, and more of them end while this one runs.
        assert look(world, horizon, JUDGED_AT + 30 * SECOND) is None


def test_only_organisations_with_something_due_are_named(world: Judging) -> None:
    alive(world, JUDGED_AT + 60 * SECOND)
    horizon = Horizon()
    look(world, horizon, JUDGED_AT - SECOND)
    assert look(world, horizon, JUDGED_AT + 1.5 * SECOND) is None
    until(world, horizon, JUDGED_AT + 3.5 * SECOND, JUDGED_AT + 1.5 * SECOND)
