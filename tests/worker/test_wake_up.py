"""A wake-up reaches the worker with the commit of the decision; its engine is brought back whenever it ends."""

import threading
from collections.abc import Iterator

import psycopg
import pytest
from tests.worker.processes import until

from lockstep.store import job
from lockstep.store.database import Database
from lockstep.worker.wake_up import WakeUps

NAME = "test worker"
CUT = (
    "select pg_terminate_backend(pid) from pg_stat_activity"
    " where application_name = %s and datname = current_database()"
)


class Woken:
    """Organisations of which a worker was told, in order."""

    def __init__(self) -> None:
        self.organisations: list[int] = []
        self._told = threading.Semaphore(0)

    def __call__(self, organisation_id: int) -> None:
        self.organisations.append(organisation_id)
        self._told.release()

    def wait(self) -> bool:
        return self._told.acquire(timeout=30)


@pytest.fixture
def woken() -> Woken:
    return Woken()


@pytest.fixture
def wake_ups(database_url: str, woken: Woken) -> Iterator[WakeUps]:
    wake_ups = WakeUps(database_url, name=NAME, wake=woken)
    wake_ups.start()
    yield wake_ups
    wake_ups.stop(patience_seconds=10)
    assert not wake_ups.is_alive()


def defer(database: Database, organisation_id: int) -> None:
    with database.transaction(organisation_id) as connection:
        job.wake(connection, organisation_id)


def left(admin: psycopg.Connection) -> int:
    row = admin.execute("select count(*) from procrastinate.procrastinate_jobs").fetchone()
    assert row is not None
    return int(row[0])


def test_the_worker_is_told_and_the_job_is_gone(
    database: Database, admin: psycopg.Connection, wake_ups: WakeUps, woken: Woken
) -> None:
    defer(database, 7)
    assert woken.wait()
    assert woken.organisations == [7]
    until(lambda: left(admin) == 0, what="the job is gone")


def test_it_is_brought_back_when_its_connections_are_cut(
    database: Database, admin: psycopg.Connection, wake_ups: WakeUps, woken: Woken
) -> None:
    defer(database, 1)
    assert woken.wait()
    for _ in range(2):
        starts = wake_ups.starts

        def is_back(starts: int = starts) -> bool:
            admin.execute(CUT, [f"{NAME} wake-ups"])
            return wake_ups.starts > starts

        until(is_back, what="it was brought back")
    defer(database, 2)
    assert woken.wait()
    assert woken.organisations[-1] == 2


def test_without_a_schema_it_keeps_trying_and_stops_when_told(server_url: str, woken: Woken) -> None:
    wake_ups = WakeUps(server_url, name=NAME, wake=woken)
    wake_ups.start()
    until(lambda: wake_ups.starts > 2, what="it tries again")
    wake_ups.stop(patience_seconds=10)
    assert not wake_ups.is_alive()
