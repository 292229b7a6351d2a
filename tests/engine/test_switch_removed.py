"""A switch never clears an alert silently: those of removed activities stay open unless it says otherwise (rule 6)."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from tests.conftest import Clock
from tests.engine.switch_world import World, activity, content, found

from lockstep.cli.document import preview_words
from lockstep.domain.measurement import Measurement, Outcome
from lockstep.engine.acceptance import approve_switch
from lockstep.engine.chunk import Memory
from lockstep.engine.measurement import record_measurement
from lockstep.engine.recalculation import begin, conclude, list_work, recalculate_chunk, verify
from lockstep.engine.switch import show_switch
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


@pytest.mark.parametrize("kind", ["publish", "move"])
@pytest.mark.parametrize(
    ("version_keeps", "switch_says", "closed"),
    [
        (None, None, False),
        (True, None, False),
        (False, None, True),
        (None, True, True),
        (True, True, True),
        (False, False, False),
    ],
)
def test_alerts_of_removed_activities(
    database: Database,
    admin: psycopg.Connection,
    clock: Clock,
    version_keeps: bool | None,
    switch_says: bool | None,
    closed: bool,
    kind: str,
) -> None:
    """The version switched to says what becomes of them, unless the switch does; the preview shows it."""
    clock.set(BEGINS)
    world, protocol_id = alarmed(database)
    on_switch = {} if version_keeps is None else {"on_switch": {"keep_alerts_of_removed": version_keeps}}
    after = content(activity("weight"), **on_switch)
    where: dict[str, Any] = {"content": after}
    if kind == "move":
        target = world.protocol("other")
        world.accept(world.preview("publish", target, content=after))
        where = {"target_protocol_id": target}
    recalculate(world)
    clock.set(BEGINS + timedelta(minutes=1))
    preview = world.preview(kind, protocol_id, **where, close_alerts_of_removed=switch_says)
    assert preview.close_alerts_of_removed == closed
    (told,) = [each.sentence for each in preview.cautions if each.code == "open-alerts-of-removed"]
    assert told == f"waist is removed; its open alerts {'are closed with it' if closed else 'stay'}"
    assert ("Open alerts of what is removed " + ("are closed" if closed else "stay open")) in preview_words(preview)
    shown = show_switch(database, organisation_id=world.organisation_id, switch_id=preview.switch_id)
    assert shown.close_alerts_of_removed == closed
    approve_switch(database, organisation_id=world.organisation_id, switch_id=preview.switch_id, actor="second.person")
    world.accept(preview)
    recalculate(world)
    alerts = admin.execute("select activity_key from alert where state = 'open'").fetchall()
    assert {row[0] for row in alerts} == ({"weight"} if closed else {"weight", "waist"})
