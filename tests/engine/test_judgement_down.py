"""After the service was down over many closes each occurrence is judged in its turn, and nothing twice."""

from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg

from lockstep.proof.small_world import weighed
from lockstep.store.database import Database

from .judged_world import DAY, JUDGED_AT, Judging
from .measured_world import MORNING

if TYPE_CHECKING:
    from tests.conftest import Clock


def test_every_close_while_it_was_down_is_judged_late(
    database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    world = Judging(database, admin, clock.set, patients=("anna", "bram"))
    judged = world.judge(JUDGED_AT + 4 * DAY + timedelta(minutes=5))
    assert judged.missed == 10
    assert world.rows() == [("2026-03-08", "morning", 0, 5)] * 2
    # Older than a day when judged: nobody is paged; the last one is not, so neither is the alert.
    assert world.alerts() == [("missed", "open", 5, False)] * 2
    decided = world.ask("select distinct decided_at - judge_at from occurrence order by 1 desc")
    assert len(decided) == 5


def test_only_old_ones_make_a_late_alert(database: Database, clock: "Clock", admin: psycopg.Connection) -> None:
    world = Judging(database, admin, clock.set)
    world.judge(JUDGED_AT + 4 * DAY, horizon_at=JUDGED_AT + 2 * DAY)
    assert world.alerts() == [("missed", "open", 3, True)]


def test_what_was_measured_meanwhile_is_passed_by(
    database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    world = Judging(database, admin, clock.set, patients=("anna", "bram", "cees"))
    # Ingestion went on: Anna measured from the second day on, Bram on the third day only, Cees never.
    for day in (1, 2, 3):
        at = MORNING + day * DAY
        world.record(weighed("anna", f"a{day}", at), at=at)
        if day == 2:
            world.record(weighed("bram", f"b{day}", at), at=at)
    world.judge(JUDGED_AT + 3 * DAY)
    of = world.world.enrolment_of
    missed = world.ask("select enrolment_id, extract(day from on_date)::integer from occurrence where state = 'missed'")
    assert sorted(missed) == [
        (of["anna"], 3), (of["bram"], 3), (of["bram"], 4), (of["bram"], 6),
        (of["cees"], 3), (of["cees"], 4), (of["cees"], 5), (of["cees"], 6),
    ]  # fmt: skip
    rows = world.rows()
    assert rows == [
        ("2026-03-07", "morning", 0, 0),
        ("2026-03-07", "morning", 0, 1),
        ("2026-03-07", "morning", 0, 4),
    ]
    assert world.ask("select count(*) from occurrence") == [(12,)]


def test_in_slices_of_any_size(database: Database, clock: "Clock", admin: psycopg.Connection) -> None:
    world = Judging(database, admin, clock.set, patients=tuple(f"p{n}" for n in range(11)))
    assert world.judge(JUDGED_AT + 2 * DAY, size=3).missed == 33
    assert world.rows() == [("2026-03-06", "morning", 0, 3)] * 11


def test_windows_of_one_activity_that_lie_within_each_other(
    database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    times = (("all day", "07:00", "21:00"), ("early", "07:00", "09:00"), ("noon", "12:00", "13:00"))
    world = Judging(database, admin, clock.set, times=times, grace="1h")
    world.judge(JUDGED_AT + DAY)
    decided = world.ask("select extract(day from on_date)::integer, slot from occurrence order by judge_at, slot")
    assert decided == [(2, "all day"), (3, "early"), (3, "noon"), (3, "all day"), (4, "early")]
    assert world.rows() == [("2026-03-04", "noon", 0, 5)]
