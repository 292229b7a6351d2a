"""What was measured before a switch counts for the window of the patient's own zone, not for another zone's."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
from tests.conftest import Clock
from tests.engine.switch_world import World, activity, found

from lockstep.domain.measurement import Measurement, Outcome
from lockstep.engine.chunk import Memory
from lockstep.engine.measurement import record_measurement
from lockstep.engine.recalculation import begin, list_work, recalculate_chunk
from lockstep.store.database import Database

BEGINS = datetime(2026, 5, 5, 8, 0, tzinfo=UTC)
ZONES = ("Europe/London", "Europe/Amsterdam")


def recalculate(world: World) -> None:
    memory = Memory()
    for operation in list_work(world.database, organisation_id=world.organisation_id):
        begin(world.database, organisation_id=world.organisation_id, operation=operation)
        while recalculate_chunk(
            world.database, organisation_id=world.organisation_id, operation=operation, size=10, memory=memory
        ):
            pass


def test_each_zone_keeps_its_own_close(database: Database, admin: psycopg.Connection, clock: Clock) -> None:
    clock.set(BEGINS)
    world = found(database)
    protocol_id = world.protocol("p")
    world.publish(protocol_id, activity(opens="18:00", closes="20:00"))
    for zone in ZONES:
        world.enrol(protocol_id, [zone], zone=zone)
    recalculate(world)
    for zone in ZONES:
        measurement = Measurement("t", zone, zone, "weight", Decimal(70), None, "kg", BEGINS)
        outcome = record_measurement(database, organisation_id=world.organisation_id, measurement=measurement)
        assert outcome.outcome is Outcome.STORED
    clock.set(BEGINS + timedelta(minutes=30))
    world.publish(protocol_id, activity(opens="07:00", closes="16:00"))
    recalculate(world)
    stored = admin.execute("select enrolment_id, state, closes_at from occurrence").fetchall()
    assert {(row[0], row[1], row[2].astimezone(UTC)) for row in stored} == {
        (world.enrolments["Europe/London"], "fulfilled", datetime(2026, 5, 5, 15, 0, tzinfo=UTC)),
        (world.enrolments["Europe/Amsterdam"], "fulfilled", datetime(2026, 5, 5, 14, 0, tzinfo=UTC)),
    }
