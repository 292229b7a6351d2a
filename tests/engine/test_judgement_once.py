"""What was not measured is missed: decided once, at the instant of judging, with one alert."""

import threading
from typing import TYPE_CHECKING

import psycopg

from lockstep.engine.judgement import Judged, Memory, judge_due
from lockstep.proof.small_world import weighed
from lockstep.store.database import Database

from .judged_world import DAY, FIRST_ON, JUDGED_AT, Judging
from .measured_world import MORNING

if TYPE_CHECKING:
    from tests.conftest import Clock


def test_it_is_missed_at_its_instant_and_not_before(
    database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    world = Judging(database, admin, clock.set)
    before = world.judge(JUDGED_AT, horizon_at=JUDGED_AT - DAY / 86400)
    assert before == Judged(0, 0, 0, False)
    assert world.decided() == []
    assert world.judge(JUDGED_AT) == Judged(1, 1, 0, False)
    assert world.decided() == [(FIRST_ON, "morning", "missed")]
    assert world.rows() == [("2026-03-04", "morning", 0, 1)]
    assert world.alerts() == [("missed", "open", 1, False)]
    assert world.samples() == [(FIRST_ON, "morning")]
    decided = world.ask("select version_number, judge_at, decided_at, measurement_id from occurrence")
    assert decided == [(1, JUDGED_AT, JUDGED_AT, None)]


def test_it_is_decided_once(database: Database, clock: "Clock", admin: psycopg.Connection) -> None:
    world = Judging(database, admin, clock.set, patients=("anna", "bram"))
    world.judge(JUDGED_AT)
    assert world.judge(JUDGED_AT) == Judged(0, 0, 0, False)
    assert world.decided() == [(FIRST_ON, "morning", "missed")] * 2
    assert world.alerts() == [("missed", "open", 1, False)] * 2


def test_what_was_measured_is_not_missed(database: Database, clock: "Clock", admin: psycopg.Connection) -> None:
    world = Judging(database, admin, clock.set, patients=("anna", "bram"))
    world.record(weighed("anna", "1", MORNING), at=MORNING)
    assert world.judge(JUDGED_AT).missed == 1
    anna, bram = world.world.enrolment_of["anna"], world.world.enrolment_of["bram"]
    decided = world.ask("select enrolment_id, state from occurrence order by enrolment_id")
    assert decided == [(anna, "fulfilled"), (bram, "missed")]
    assert world.rows() == [("2026-03-04", "morning", 0, 0), ("2026-03-04", "morning", 0, 1)]


def test_the_open_alert_of_the_rule_is_updated(database: Database, clock: "Clock", admin: psycopg.Connection) -> None:
    world = Judging(database, admin, clock.set)
    world.judge(JUDGED_AT)
    world.judge(JUDGED_AT + DAY)
    assert world.alerts() == [("missed", "open", 2, False)]
    assert world.samples() == [(FIRST_ON, "morning"), ("2026-03-04", "morning")]
    about = world.ask("select about_at, raised_at, updated_at from alert")
    assert about == [(JUDGED_AT + DAY, JUDGED_AT, JUDGED_AT + DAY)]


def test_a_resolved_alert_is_followed_by_a_new_one(
    database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    world = Judging(database, admin, clock.set)
    world.judge(JUDGED_AT)
    admin.execute("update alert set state = 'resolved'")
    world.judge(JUDGED_AT + DAY)
    assert world.alerts() == [("missed", "resolved", 1, False), ("missed", "open", 1, False)]


def test_several_activities_and_slots(database: Database, clock: "Clock", admin: psycopg.Connection) -> None:
    times = (("morning", "08:00", "10:00"), ("evening", "20:00", "22:00"))
    world = Judging(database, admin, clock.set, times=times, grace="1h")
    world.judge(JUDGED_AT + DAY)
    assert world.decided() == [
        ("2026-03-02", "evening", "missed"),
        ("2026-03-03", "morning", "missed"),
        ("2026-03-03", "evening", "missed"),
        ("2026-03-04", "morning", "missed"),
    ]
    assert world.rows() == [("2026-03-04", "evening", 0, 4)]


def test_two_judges_at_once_never_decide_twice(database: Database, clock: "Clock", admin: psycopg.Connection) -> None:
    patients = tuple(f"p{n}" for n in range(200))
    world = Judging(database, admin, clock.set, patients=patients)
    clock.set(JUDGED_AT)
    start = threading.Barrier(3)
    missed: list[int] = []

    def judge() -> None:
        memory = Memory()
        start.wait()
        found, more = 0, True
        while more:
            judged = judge_due(
                database, organisation_id=world.organisation_id, horizon_at=JUDGED_AT, size=7, memory=memory
            )
            found, more = found + judged.missed, judged.more
        missed.append(found)

    judges = [threading.Thread(target=judge) for _ in range(3)]
    for each in judges:
        each.start()
    for each in judges:
        each.join()
    # Whoever met only held heads at the end left them to their holder.
    assert sum(missed) == len(patients)
    assert world.ask("select count(*), count(distinct enrolment_id) from occurrence") == [(200, 200)]
    assert world.ask("select count(*), sum(occurrences) from alert") == [(200, 200)]
    assert world.ask("select count(*) from alert_sample") == [(200,)]


def test_what_ends_for_good_leaves_no_row(database: Database, clock: "Clock", admin: psycopg.Connection) -> None:
    once = {"every": "1 day", "count": 3, "times": [{"label": "morning", "opens": "08:00", "closes": "10:00"}]}
    world = Judging(database, admin, clock.set, schedule=once)
    world.judge(JUDGED_AT + 30 * DAY)
    assert [on for on, _, _ in world.decided()] == ["2026-03-03", "2026-03-04"]
    assert world.rows() == []


def test_a_row_left_at_what_is_decided_already_goes_on_without_a_miss(
    database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    world = Judging(database, admin, clock.set, patients=("anna", "bram"))
    world.record(weighed("anna", "1", MORNING), at=MORNING)
    bram = world.world.enrolment_of["bram"]
    # Anna's row as if it had been lost and made again too early; Bram's is left as it is.
    admin.execute(
        "update agenda a set on_date = b.on_date, opens_at = b.opens_at, closes_at = b.closes_at, judge_at = b.judge_at"
        " from agenda b where b.enrolment_id = %s",
        [bram],
    )
    assert world.judge(JUDGED_AT).missed == 1
    assert world.ask("select enrolment_id from alert") == [(bram,)]
    assert world.rows() == [("2026-03-04", "morning", 0, 0), ("2026-03-04", "morning", 0, 1)]
