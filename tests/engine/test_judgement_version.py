"""The version in force when an occurrence opened judges it, also when its row was not written since."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
from tests.conftest import Clock
from tests.engine.switch_world import World, activity, found

from lockstep.domain.measurement import Measurement, Outcome
from lockstep.engine.judgement import Memory, judge_due
from lockstep.engine.measurement import record_measurement
from lockstep.store.database import Database

BEGINS = datetime(2026, 5, 4, 20, 0, tzinfo=UTC)


def judge(world: World, admin: psycopg.Connection, at: datetime) -> None:
    admin.execute(
        "insert into ingestion_heartbeat values (%s, 't', %s)"
        " on conflict (organisation_id, source) do update set seen_at = excluded.seen_at",
        (world.organisation_id, at),
    )
    memory = Memory()
    while judge_due(world.database, organisation_id=world.organisation_id, horizon_at=at, memory=memory).more:
        pass


def test_a_rule_added_without_touching_the_schedule_judges_what_opens_after_it(
    database: Database, admin: psycopg.Connection, clock: Clock
) -> None:
    clock.set(BEGINS)
    world = found(database)
    protocol_id = world.protocol("p")
    world.publish(protocol_id, activity(rules=[]))
    (enrolment_id,) = world.enrol(protocol_id, ["a"])
    clock.set(BEGINS + timedelta(minutes=1))
    world.publish(protocol_id, activity(rules=[{"key": "silent", "kind": "missed", "severity": "orange"}]))
    clock.set(BEGINS + timedelta(days=1))
    judge(world, admin, BEGINS + timedelta(days=1))
    stored = admin.execute("select enrolment_id, state, version_number from occurrence").fetchall()
    alerts = admin.execute("select enrolment_id, rule_key, version_number from alert").fetchall()
    assert stored == [(enrolment_id, "missed", 2)]
    assert alerts == [(enrolment_id, "silent", 2)]


def test_a_rule_taken_away_no_longer_judges_what_opens_after_it(
    database: Database, admin: psycopg.Connection, clock: Clock
) -> None:
    clock.set(BEGINS)
    world = found(database)
    protocol_id = world.protocol("p")
    world.publish(protocol_id, activity(rules=[{"key": "silent", "kind": "missed", "severity": "orange"}]))
    world.enrol(protocol_id, ["a"])
    clock.set(BEGINS + timedelta(minutes=1))
    world.publish(protocol_id, activity(rules=[]))
    clock.set(BEGINS + timedelta(days=1))
    judge(world, admin, BEGINS + timedelta(days=1))
    assert admin.execute("select count(*) from occurrence").fetchone() == (1,)
    assert admin.execute("select count(*) from alert").fetchone() == (0,)


def test_a_fulfilled_occurrence_is_kept_with_the_version_in_which_it_opened(
    database: Database, admin: psycopg.Connection, clock: Clock
) -> None:
    clock.set(BEGINS)
    world = found(database)
    protocol_id = world.protocol("p")
    world.publish(protocol_id, activity(rules=[]))
    world.enrol(protocol_id, ["a"])
    clock.set(BEGINS + timedelta(minutes=1))
    world.publish(protocol_id, activity(rules=[{"key": "heavy", "above": 60, "severity": "red"}]))
    at = datetime(2026, 5, 5, 6, 30, tzinfo=UTC)
    clock.set(at)
    measurement = Measurement("t", "1", "a", "weight", Decimal(70), None, "kg", at)
    outcome = record_measurement(database, organisation_id=world.organisation_id, measurement=measurement)
    assert outcome.outcome is Outcome.STORED
    assert admin.execute("select state, version_number from occurrence").fetchall() == [("fulfilled", 2)]
    assert admin.execute("select rule_key, version_number from alert").fetchall() == [("heavy", 2)]
