"""A critical value is judged by the last limits while nothing is in force, in a pause and after discharge."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest
from tests.conftest import Clock
from tests.engine.switch_world import World, activity, found

from lockstep.domain.measurement import Measurement, Outcome
from lockstep.engine import measurement
from lockstep.engine.enrolment import assign, discharge
from lockstep.engine.measurement import record_measurement
from lockstep.engine.pause import pause
from lockstep.store.database import Database

BEGINS = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def world(database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> World:
    """A patient on a protocol with a limit of 100 kg, and a protocol without a version."""
    monkeypatch.setattr(measurement, "BEAT_SECONDS", float("inf"))
    clock.set(BEGINS)
    made = found(database)
    protocol_id = made.protocol("p")
    made.publish(protocol_id, activity())
    made.enrol(protocol_id, ["a"])
    made.protocol("empty")
    clock.set(BEGINS + HOUR)
    return made


def weighed_far_too_much(world: World, at: datetime) -> None:
    heavy = Measurement("t", f"{at}", "a", "weight", Decimal(250), None, "kg", at)
    stored = record_measurement(world.database, organisation_id=world.organisation_id, measurement=heavy)
    assert stored.outcome is Outcome.STORED


def alerts(admin: psycopg.Connection) -> list[tuple[object, ...]]:
    return admin.execute(
        "select a.rule_key, p.key, a.version_number, a.occurrences from alert a join protocol p using (protocol_id)"
    ).fetchall()


@pytest.mark.parametrize("later", [2 * HOUR, timedelta(days=400)], ids=["soon after", "long after"])
def test_moved_to_a_protocol_without_a_version(
    world: World, clock: Clock, admin: psycopg.Connection, later: timedelta
) -> None:
    """Long after the move nothing of its own bears on the enrolment's agenda any more."""
    (empty,) = admin.execute("select protocol_id from protocol where key = 'empty'").fetchone() or ()
    assign(
        world.database,
        organisation_id=world.organisation_id,
        enrolment_id=world.enrolments["a"],
        protocol_id=empty,
        actor="m.anager",
    )
    clock.set(BEGINS + later)
    world.bring_in_step()
    weighed_far_too_much(world, BEGINS + later)
    assert alerts(admin) == [("high", "p", 1, 1)]


def test_taken_before_the_first_version_and_received_after(
    world: World, clock: Clock, admin: psycopg.Connection
) -> None:
    """By then the enrolment shares the course of its cohort, which knows of no limits before that version."""
    (empty,) = admin.execute("select protocol_id from protocol where key = 'empty'").fetchone() or ()
    assign(
        world.database,
        organisation_id=world.organisation_id,
        enrolment_id=world.enrolments["a"],
        protocol_id=empty,
        actor="m.anager",
    )
    clock.set(BEGINS + 10 * DAY)
    world.publish(empty, activity(rules=[]))
    clock.set(BEGINS + 12 * DAY)
    world.bring_in_step()
    weighed_far_too_much(world, BEGINS + 8 * DAY)
    weighed_far_too_much(world, BEGINS + 11 * DAY)
    assert alerts(admin) == [("high", "p", 1, 1)]


def test_in_a_pause(world: World, clock: Clock, admin: psycopg.Connection) -> None:
    pause(
        world.database,
        organisation_id=world.organisation_id,
        enrolment_id=world.enrolments["a"],
        review_on=date(2026, 4, 1),
        reason="in hospital",
        actor="n.urse",
    )
    clock.set(BEGINS + 2 * HOUR)
    weighed_far_too_much(world, BEGINS + 2 * HOUR)
    assert alerts(admin) == [("high", "p", 1, 1)]


@pytest.mark.parametrize("in_between", [False, True], ids=["while limits held", "with nothing in force"])
def test_after_discharge(world: World, clock: Clock, admin: psycopg.Connection, in_between: bool) -> None:
    if in_between:
        (empty,) = admin.execute("select protocol_id from protocol where key = 'empty'").fetchone() or ()
        assign(
            world.database,
            organisation_id=world.organisation_id,
            enrolment_id=world.enrolments["a"],
            protocol_id=empty,
            actor="m.anager",
        )
        clock.set(BEGINS + 2 * HOUR)
    discharge(
        world.database,
        organisation_id=world.organisation_id,
        enrolment_id=world.enrolments["a"],
        reason="moved away",
        actor="n.urse",
    )
    clock.set(BEGINS + 3 * HOUR)
    weighed_far_too_much(world, BEGINS + 3 * HOUR)
    assert alerts(admin) == [("high", "p", 1, 1)]
