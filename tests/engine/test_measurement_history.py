"""What an imported file states as history belongs to its own instant however old, and is never taken for today's."""

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from lockstep.domain.measurement import Measurement, Outcome, PlacedBy
from lockstep.engine.enrolment import assign
from lockstep.proof.small_world import weighed, weights
from lockstep.store.database import Database

from .measured_world import MORNING, Measured
from .test_measurement_timing import judge_missed

if TYPE_CHECKING:
    from datetime import datetime

    from tests.conftest import Clock

DAY = timedelta(days=1)
LONG_AFTER = MORNING + 60 * DAY


def noted(patient: str, identifier: str, taken_at: "datetime", value: str = "80") -> Measurement:
    """A weight as a diary states it."""
    return replace(weighed(patient, identifier, taken_at, value), history=True)


def stand_today(world: Measured) -> None:
    """Everything before the present instant was missed: the row stands on the occurrence that is open now."""
    world.ask(
        "update agenda set on_date = on_date + 60, opens_at = opens_at + interval '60 days',"
        " closes_at = closes_at + interval '60 days', judge_at = judge_at + interval '60 days' returning 1"
    )


def test_it_is_stored_for_the_instant_the_file_states(
    database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    world = Measured(database, admin, clock.set)
    stand_today(world)
    long_ago = MORNING - 35 * 365 * DAY
    assert world.record(noted("anna", "1", long_ago, "99"), at=LONG_AFTER).outcome is Outcome.STORED
    assert world.ask("select taken_at, judged_for_at, received_at, placed_by from measurement") == [
        (long_ago, long_ago, LONG_AFTER, "history")
    ]
    assert world.decided() == []
    assert world.ask("select count(*) from alert") == [(0,)]
    # A device that says so has a wrong clock: it may have been measured just now.
    assert world.record(weighed("anna", "2", long_ago, "99")).outcome is Outcome.STORED
    assert world.decided() == [("2026-05-02", "morning", "fulfilled")]
    assert world.ask("select late from alert") == [(False,)]


def test_it_corrects_the_miss_of_its_own_instant(database: Database, clock: "Clock", admin: psycopg.Connection) -> None:
    world = Measured(database, admin, clock.set)
    clock.set(MORNING + timedelta(hours=5))
    judge_missed(world, run=1)
    assert world.ask("select state, occurrences from alert") == [("open", 1)]
    world.record(noted("anna", "1", MORNING), at=LONG_AFTER)
    assert world.decided() == [("2026-03-03", "morning", "missed")]
    assert world.ask("select on_date::text, state from occurrence_correction") == [("2026-03-03", "fulfilled")]
    assert world.ask("select state from alert") == [("resolved",)]


def test_its_alert_is_late_and_pages_nobody(database: Database, clock: "Clock", admin: psycopg.Connection) -> None:
    world = Measured(database, admin, clock.set)
    world.record(noted("anna", "1", MORNING, "99"), at=LONG_AFTER)
    assert world.ask("select about_at, raised_at, late from alert") == [(MORNING, LONG_AFTER, True)]


def test_its_alert_makes_no_open_one_newer_and_hides_no_fresh_one(
    database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    world = Measured(database, admin, clock.set)
    world.record(noted("anna", "1", MORNING, "99"), at=LONG_AFTER)
    world.record(weighed("anna", "2", LONG_AFTER, "98"))
    question = "select about_at, late, occurrences, state from alert"
    assert world.ask(question) == [(LONG_AFTER, False, 2, "open")]
    world.record(noted("anna", "3", MORNING + DAY, "99"), at=LONG_AFTER + DAY)
    assert world.ask(question) == [(LONG_AFTER, False, 3, "open")]


@pytest.mark.parametrize("history", [True, False])
def test_before_the_enrolment_nothing_is_raised_or_fulfilled(
    database: Database, clock: "Clock", admin: psycopg.Connection, history: bool
) -> None:
    world = Measured(database, admin, clock.set, plausible={"low": 60, "high": 200})
    clock.set(MORNING + 5 * DAY)
    world.world.enrol(world.protocol_id, ["bram"])  # the version is in force for five days already
    items = [weighed("bram", value, MORNING + 4 * DAY, value) for value in ("99", "50")]
    # 50 kg is implausible by a protocol that did not yet ask anything of him.
    assert world.record_all([replace(item, history=history) for item in items]) == [Outcome.STORED] * 2
    assert world.ask("select count(*) from alert") == [(0,)]
    assert world.decided() == []


def test_it_is_judged_by_the_protocol_of_its_own_instant(
    database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    world = Measured(database, admin, clock.set)
    strict = world.world.protocol("strict")
    world.world.publish(strict, weights(above=70))
    clock.set(MORNING + 5 * DAY)
    assign(
        database,
        organisation_id=world.organisation_id,
        enrolment_id=world.world.enrolment_of["anna"],
        protocol_id=strict,
        actor="test",
    )
    # Received when the assignment is so old that her cohort shares what she is asked.
    clock.set(MORNING + 20 * DAY)
    world.record(noted("anna", "now", MORNING + 20 * DAY, "60"))
    world.record(noted("anna", "1", MORNING + 2 * DAY, "80"))
    assert world.ask("select count(*) from alert") == [(0,)]
    world.record(noted("anna", "2", MORNING + 6 * DAY, "80"))
    assert world.ask("select about_at from alert") == [(MORNING + 6 * DAY,)]


def test_an_outage_of_that_time_is_heeded(database: Database, clock: "Clock", admin: psycopg.Connection) -> None:
    world = Measured(database, admin, clock.set, grace="0h")
    world.ask(
        "insert into outage (organisation_id, number, from_at, until_at) select organisation_id, 1,"
        " '2026-03-03T07:30Z', '2026-03-03T08:30Z' from organisation returning 1"
    )
    # The window ended at 09:00; the outage makes it an hour longer.
    world.record(noted("anna", "1", MORNING + timedelta(hours=2)), at=LONG_AFTER)
    assert world.decided() == [("2026-03-03", "morning", "fulfilled")]


def test_what_has_not_come_yet_is_set_aside(database: Database, clock: "Clock", admin: psycopg.Connection) -> None:
    world = Measured(database, admin, clock.set)
    slip = noted("anna", "1", MORNING + DAY, "99")
    answer = world.record(slip, at=MORNING)
    assert (answer.outcome, answer.code) == (Outcome.SET_ASIDE, "future-instant")
    assert "2026-03-04T07:30:00+00:00 has not come yet" in answer.reason
    assert world.ask("select document ->> 'taken_at', document -> 'history' from measurement_set_aside") == [
        ("2026-03-04T07:30:00+00:00", True)
    ]
    assert world.decided() == []
    assert world.ask("select count(*) from alert") == [(0,)]
    # Its day does not make it right: it waits for a person.
    assert world.record(slip, at=MORNING + DAY) == answer


def test_clocks_may_differ_by_minutes(database: Database, clock: "Clock", admin: psycopg.Connection) -> None:
    world = Measured(database, admin, clock.set)
    ahead = MORNING + timedelta(minutes=5)
    assert world.record(noted("anna", "1", ahead), at=MORNING).outcome is Outcome.STORED
    assert world.ask("select taken_at, judged_for_at, placed_by from measurement") == [(ahead, MORNING, "history")]


@pytest.mark.parametrize("first", [True, False])
def test_a_file_that_repeats_what_a_device_sent_is_a_duplicate(
    database: Database, clock: "Clock", admin: psycopg.Connection, first: bool
) -> None:
    world = Measured(database, admin, clock.set)
    item = weighed("anna", "1", MORNING)
    sent = [replace(item, history=first), replace(item, history=not first), replace(item, history=first)]
    assert [world.record(each, at=MORNING).outcome for each in sent] == [
        Outcome.STORED, Outcome.DUPLICATE, Outcome.DUPLICATE,
    ]  # fmt: skip


def test_an_import_is_no_sign_that_devices_get_through(
    database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    world = Measured(database, admin, clock.set)
    world.record(noted("anna", "1", MORNING), at=MORNING)
    assert world.ask("select count(*) from ingestion_heartbeat") == [(0,)]
    world.record(weighed("anna", "2", MORNING))
    assert world.ask("select source from ingestion_heartbeat") == [("recording",)]


def test_the_table_knows_every_reason_for_an_instant(admin: psycopg.Connection) -> None:
    check = admin.execute(
        "select pg_get_constraintdef(oid) from pg_constraint where conname = 'measurement_placed_by_check'"
    ).fetchone()
    assert check is not None
    assert {word for word in check[0].split("'") if word.isalpha()} == {each.value for each in PlacedBy}
