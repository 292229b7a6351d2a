"""A quantity half done is missed, and what was taken early for the next window counts there."""

from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg

from lockstep.proof.small_world import weighed
from lockstep.store.database import Database

from .judged_world import DAY, FIRST_ON, JUDGED_AT, Judging
from .measured_world import MORNING

if TYPE_CHECKING:
    from tests.conftest import Clock


def test_half_done_is_missed(database: Database, clock: "Clock", admin: psycopg.Connection) -> None:
    world = Judging(database, admin, clock.set, patients=("anna", "bram"), quantity=2)
    for n in range(2):
        world.record(weighed("anna", f"a{n}", MORNING + n * timedelta(minutes=1)), at=MORNING + timedelta(minutes=2))
    world.record(weighed("bram", "b", MORNING), at=MORNING + timedelta(minutes=3))
    assert world.judge(JUDGED_AT).missed == 1
    anna, bram = world.world.enrolment_of["anna"], world.world.enrolment_of["bram"]
    decided = world.ask("select enrolment_id, on_date::text, state from occurrence order by 1")
    assert decided == [(anna, FIRST_ON, "fulfilled"), (bram, FIRST_ON, "missed")]
    assert world.rows() == [("2026-03-04", "morning", 0, 0), ("2026-03-04", "morning", 0, 1)]


def test_half_of_the_next_one_is_kept_when_judging_comes_late(
    database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    world = Judging(database, admin, clock.set, quantity=2)
    second = MORNING + DAY
    world.record(weighed("anna", "1", second), at=second)
    world.judge(second + timedelta(minutes=1))
    assert world.decided() == [(FIRST_ON, "morning", "missed")]
    assert world.rows() == [("2026-03-04", "morning", 1, 1)]
    world.record(weighed("anna", "2", second + timedelta(minutes=2)), at=second + timedelta(minutes=2))
    assert world.decided()[1:] == [("2026-03-04", "morning", "fulfilled")]
    assert world.rows() == [("2026-03-05", "morning", 0, 0)]
