"""The database's one clock, and that tests may set it."""

from datetime import UTC, datetime, timedelta

import psycopg
from tests.conftest import Clock

from lockstep.store.database import Database

NOON = datetime(2031, 5, 1, 12, tzinfo=UTC)


def now(database: Database) -> datetime:
    with database.transaction(None) as t:
        found = t.execute("select lockstep_now()").fetchall()[0][0]
        assert isinstance(found, datetime)
        return found


def test_it_goes_by_itself_and_within_a_transaction(database: Database) -> None:
    with database.transaction(None) as t:
        first, second = (t.execute("select lockstep_now()").fetchall()[0][0] for _ in range(2))
    assert first < second
    assert abs(second - datetime.now(UTC)) < timedelta(minutes=1)


def test_it_is_stable_so_that_predicates_on_it_use_indexes(admin: psycopg.Connection) -> None:
    query = "select provolatile::text from pg_proc where proname = 'lockstep_now'"
    assert admin.execute(query).fetchone() == ("s",)


def test_a_set_clock_stands_still_for_every_session_and_default(
    database: Database, admin: psycopg.Connection, clock: Clock
) -> None:
    clock.set(NOON)
    assert now(database) == now(database) == NOON
    clock.set(NOON + timedelta(days=400))
    assert now(database) == NOON + timedelta(days=400)
    recorded = admin.execute(
        "insert into organisation (key, title) values ('north', 'North') returning created_at"
    ).fetchone()
    assert recorded == (NOON + timedelta(days=400),)
    query = "select provolatile::text from pg_proc where proname = 'lockstep_now'"
    assert admin.execute(query).fetchone() == ("s",)
