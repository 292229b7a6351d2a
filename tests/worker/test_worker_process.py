"""A worker process: takes up work, ends when told, and goes on when others die or the database restarts."""

import signal
import time

import psycopg
import pytest
from tests.conftest import TEST_SETTINGS, place_of_servers
from tests.engine.switch_world import World, activity, every, found
from tests.worker.processes import alive, until, workers

from lockstep.store import server
from lockstep.store.database import Database
from lockstep.store.migrate import migrate

PATIENTS = 3_000


# Real processes, and every switch ends with a check of everybody: on two busy cores that takes a while.
pytestmark = pytest.mark.timeout(400)


def behind(admin: psycopg.Connection, generation: int) -> int:
    row = admin.execute("select count(*) from agenda_head where generation < %s", [generation]).fetchone()
    assert row is not None
    return int(row[0])


def states(admin: psycopg.Connection) -> set[str]:
    return {row[0] for row in admin.execute("select state from operation where kind = 'recalculation'")}


def large(database: Database, patients: int = PATIENTS) -> tuple[World, int]:
    world = found(database)
    protocol_id = world.protocol("heart")
    world.publish(protocol_id, activity())
    for first in range(0, patients, 1_000):
        world.enrol(protocol_id, [f"p{number}" for number in range(first, min(first + 1_000, patients))])
    return world, protocol_id


def test_an_accepted_switch_is_recalculated_to_its_end(
    database: Database, database_url: str, admin: psycopg.Connection
) -> None:
    world, protocol_id = large(database, 500)
    with workers(database_url, 1):
        until(lambda: alive(admin) == 1, what="the worker lives")
        accepted = world.publish(protocol_id, activity(schedule=every(2)))
        until(lambda: states(admin) == {"succeeded"}, what="every operation succeeded")
    assert accepted.generation is not None
    assert behind(admin, accepted.generation) == 0


def test_the_rest_converges_when_one_of_two_is_killed(
    database: Database, database_url: str, admin: psycopg.Connection
) -> None:
    world, protocol_id = large(database)
    with workers(database_url, 2) as (first, _second):
        until(lambda: alive(admin) == 2, what="both workers live")
        accepted = world.publish(protocol_id, activity(schedule=every(2)))
        assert accepted.generation is not None
        generation = accepted.generation
        until(lambda: behind(admin, generation) < PATIENTS, what="the recalculation has begun")
        first.kill()
        until(lambda: behind(admin, generation) == 0, what="everybody is in step")
        until(lambda: states(admin) == {"succeeded"}, what="the operation succeeded")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_order_within_two_seconds(
    number: signal.Signals, database: Database, database_url: str, admin: psycopg.Connection
) -> None:
    with workers(database_url, 1) as (process,):
        until(lambda: alive(admin) == 1, what="the worker lives")
        begun = time.monotonic()
        process.send_signal(number)
        assert process.wait(timeout=30) == 0
        assert time.monotonic() - begun < 4  # the promise is 2; two cores may be busy with other tests
    assert alive(admin) == 0, "it said good-bye"


def test_it_goes_on_after_the_database_was_restarted() -> None:
    place = place_of_servers() / f"lockstep-tests-restart-{time.monotonic_ns()}"
    place.mkdir(mode=0o755)
    try:
        url = server.embedded_url(place, settings=TEST_SETTINGS)
        migrate(url)
        with Database(url) as database, workers(url, 1) as (process,):
            world, protocol_id = large(database, 300)
            until(lambda: _states(url) == {"succeeded"}, what="the first operation succeeded")
            server.restart(place, mode="immediate")
            accepted = world.publish(protocol_id, activity(schedule=every(2)))
            took = until(
                lambda: _states(url) == {"succeeded"}, what="it went on", transient=(psycopg.OperationalError,)
            )
            assert process.poll() is None
            assert accepted.generation
            assert took < 20  # the promise is 5
    finally:
        server.stop(place, mode="immediate")
        server.leave(place)


def _states(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        return {row[0] for row in connection.execute("select state from operation where kind = 'recalculation'")}


def test_what_was_missed_is_decided_and_sealed(
    database: Database, database_url: str, admin: psycopg.Connection
) -> None:
    world = found(database)
    protocol_id = world.protocol("heart")
    world.publish(protocol_id, activity(rules=[{"key": "missed", "kind": "missed", "in_a_row": 1, "severity": "red"}]))
    world.enrol(protocol_id, ["p1"])
    admin.execute(
        "create or replace function lockstep_now() returns timestamptz language plpgsql stable parallel safe"
        " as $$ begin return clock_timestamp() + interval '2 days'; end $$"
    )
    with workers(database_url, 1):
        until(lambda: bool(count(admin, "occurrence")), what="the missed occurrence is decided")
        until(lambda: bool(count(admin, "alert")), what="the alert stands")
        until(lambda: count(admin, "audit_seal") == count(admin, "audit_entry"), what="the audit is sealed")


def test_two_workers_judge_and_recalculate_without_stepping_on_each_other(
    database: Database, database_url: str, admin: psycopg.Connection
) -> None:
    world, protocol_id = large(database, 1_000)
    admin.execute(
        "create or replace function lockstep_now() returns timestamptz language plpgsql stable parallel safe"
        " as $$ begin return clock_timestamp() + interval '1 day'; end $$"
    )
    with workers(database_url, 2):
        until(lambda: alive(admin) == 2, what="both workers live")
        until(lambda: count(admin, "occurrence") >= 1_000, what="everybody's missed occurrence is decided")
        world.publish(protocol_id, activity(schedule=every(3)))
        until(lambda: states(admin) == {"succeeded"}, what="the operations succeeded")
        failing = "select count(*) from worker where doing -> 'duties' @? '$.*.failing'"
        until(lambda: admin.execute(failing).fetchone() == (0,), what="no duty fails")
    assert count(admin, "recalculation_exception") == 0


def count(admin: psycopg.Connection, table: str) -> int:
    row = admin.execute(f"select count(*) from {table}").fetchone()
    assert row is not None
    return int(row[0])
