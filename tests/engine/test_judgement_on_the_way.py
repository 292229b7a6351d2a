"""A measurement received before the close but committed after it gives no false miss."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg

from lockstep.engine.judgement import Horizon, list_horizons
from lockstep.engine.measurement import record_measurement
from lockstep.proof.small_world import weighed
from lockstep.store.database import Connection, Database

from .judged_world import JUDGED_AT, Judging

if TYPE_CHECKING:
    from tests.conftest import Clock


class SlowToCommit(Database):
    """A database whose transactions, once they hold a measurement, commit when they may."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.done, self.may_commit = threading.Event(), threading.Event()

    @contextmanager
    def transaction(self, *args: Any, **more: Any) -> Iterator[Connection]:
        with super().transaction(*args, **more) as connection:
            yield connection
            if connection.execute("select exists (select from measurement)").fetchone() == (True,):
                self.done.set()
                assert self.may_commit.wait(20)


def test_it_is_waited_for(database: Database, database_url: str, clock: "Clock", admin: psycopg.Connection) -> None:
    world = Judging(database, admin, clock.set, patients=("anna", "bram"))
    taken = JUDGED_AT - timedelta(seconds=1)
    clock.set(taken)
    with SlowToCommit(database_url) as slow:
        sending = threading.Thread(
            target=record_measurement,
            args=(slow,),
            kwargs={"organisation_id": world.organisation_id, "measurement": weighed("anna", "1", taken)},
        )
        sending.start()
        assert slow.done.wait(20)
        horizon = Horizon()
        admin.execute(
            "insert into ingestion_heartbeat values (%s, 'test', %s)",
            [world.organisation_id, JUDGED_AT + timedelta(minutes=1)],
        )
        clock.set(JUDGED_AT)
        list_horizons(database, horizon)
        clock.set(JUDGED_AT + timedelta(seconds=10))
        # By the barrier nothing is judged; and were the barrier passed, its head is held.
        assert list_horizons(database, horizon) == {}
        assert world.judge_once(JUDGED_AT).missed == 1
        slow.may_commit.set()
        sending.join()
    horizons = list_horizons(database, horizon)
    assert horizons == {}
    assert world.judge_once(JUDGED_AT).missed == 0
    anna, bram = world.world.enrolment_of["anna"], world.world.enrolment_of["bram"]
    assert world.ask("select enrolment_id, state from occurrence order by 1") == [
        (anna, "fulfilled late"),
        (bram, "missed"),
    ]
