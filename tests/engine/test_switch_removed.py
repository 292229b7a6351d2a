"""A switch never clears an alert silently: those of removed activities stay open unless it says otherwise (rule 6)."""

from datetime import UTC, datetime
from decimal import Decimal

import psycopg
import pytest
from tests.conftest import Clock
from tests.engine.switch_world import World, activity, content, found

from lockstep.domain.measurement import Measurement, Outcome
from lockstep.engine.acceptance import approve_switch
from lockstep.engine.chunk import Memory
from lockstep.engine.measurement import record_measurement
from lockstep.engine.recalculation import begin, conclude, list_work, recalculate_chunk, verify
from lockstep.store.database import Database

BEGINS = datetime(2026, 5, 4, 7, 0, tzinfo=UTC)


def alarmed(database: Database) -> tuple[World, int]:
    """A patient whose weight and waist are both over their limits."""
    world = found(database)
    protocol_id = world.protocol("p")
    world.publish(protocol_id, activity("weight"), activity("waist"))
    world.enrol(protocol_id, ["a"])
    for key in ("weight", "waist"):
        measurement = Measurement("t", key, "a", key, Decimal(130), None, "kg", BEGINS)
        outcome = record_measurement(database, organisation_id=world.organisation_id, measurement=measurement)
        assert outcome.outcome is Outcome.STORED, outcome
    return world, protocol_id


def recalculate(world: World) -> None:
    for operation in list_work(world.database, organisation_id=world.organisation_id):
        begin(world.database, organisation_id=world.organisation_id, operation=operation)
        memory = Memory()
        while recalculate_chunk(
            world.database, organisation_id=world.organisation_id, operation=operation, size=10, memory=memory
        ):
            pass
        (again,) = [
            each
            for each in list_work(world.database, organisation_id=world.organisation_id)
            if each.operation_id == operation.operation_id
        ]
        assert verify(world.database, organisation_id=world.organisation_id, operation=again)
        conclude(world.database, organisation_id=world.organisation_id, operation=again)


@pytest.mark.parametrize(("closing", "open_after"), [(False, {"weight", "waist"}), (True, {"weight"})])
def test_alerts_of_removed_activities(
    database: Database, admin: psycopg.Connection, clock: Clock, closing: bool, open_after: set[str]
) -> None:
    clock.set(BEGINS)
    world, protocol_id = alarmed(database)
    recalculate(world)
    preview = world.preview(
        "publish", protocol_id, content=content(activity("weight")), close_alerts_of_removed=closing
    )
    approve_switch(database, organisation_id=world.organisation_id, switch_id=preview.switch_id, actor="second.person")
    world.accept(preview)
    recalculate(world)
    alerts = admin.execute("select activity_key from alert where state = 'open'").fetchall()
    assert {row[0] for row in alerts} == open_after
