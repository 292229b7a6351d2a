"""A switch never clears an alert silently: those of removed activities stay open unless it says otherwise (rule 6)."""

from collections.abc import Iterator
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
from lockstep.store.recalculation import Recalculation

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


def closing(world: World, protocol_id: int, *activities: dict[str, Any], closes: bool, **more: Any) -> None:
    """A version with these activities is in force, and says what becomes of the alerts of those it removes."""
    preview = world.preview(
        "publish", protocol_id, content=content(*activities), close_alerts_of_removed=closes, **more
    )
    approve_switch(
        world.database, organisation_id=world.organisation_id, switch_id=preview.switch_id, actor="second.person"
    )
    world.accept(preview)


def open_alerts(admin: psycopg.Connection) -> set[tuple[int, str]]:
    return set(admin.execute("select enrolment_id, activity_key from alert where state = 'open'").fetchall())


def recalculate(world: World) -> None:
    for operation in verified(world):
        conclude(world.database, organisation_id=world.organisation_id, operation=operation)


def verified(world: World) -> Iterator[Recalculation]:
    """Each recalculation that waits, as soon as nothing is left to do but to conclude it."""
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
        yield again


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
def test_rule_6_alerts_of_removed_activities(
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


def test_what_an_earlier_switch_left_open_stays_open(
    database: Database, admin: psycopg.Connection, clock: Clock
) -> None:
    clock.set(BEGINS)
    world, protocol_id = alarmed(database)
    recalculate(world)
    clock.set(BEGINS + timedelta(minutes=1))
    closing(world, protocol_id, activity("weight"), activity("pulse"), closes=False)
    recalculate(world)
    clock.set(BEGINS + timedelta(minutes=2))
    closing(world, protocol_id, activity("pulse"), closes=True)
    recalculate(world)
    assert open_alerts(admin) == {(world.enrolments["a"], "waist")}


def test_a_switch_for_everyone_closes_nothing_of_a_first_batch_that_lost_it_before(
    database: Database, admin: psycopg.Connection, clock: Clock
) -> None:
    clock.set(BEGINS)
    world, protocol_id = alarmed(database)
    (other,) = world.enrol(protocol_id, ["b"])
    measurement = Measurement("t", "of b", "b", "waist", Decimal(130), None, "kg", BEGINS)
    record_measurement(database, organisation_id=world.organisation_id, measurement=measurement)
    recalculate(world)
    first = world.enrolments["a"]
    clock.set(BEGINS + timedelta(minutes=1))
    closing(world, protocol_id, activity("weight"), closes=False, scope="selection", enrolment_ids=[first])
    recalculate(world)
    clock.set(BEGINS + timedelta(minutes=2))
    closing(world, protocol_id, activity("weight"), activity("pulse"), closes=True)
    recalculate(world)
    assert open_alerts(admin) == {(first, "weight"), (first, "waist")}
    assert (other, "waist") not in open_alerts(admin)


def test_an_alert_that_somebody_holds_is_closed_later(
    database: Database, database_url: str, admin: psycopg.Connection, clock: Clock
) -> None:
    """Until then the operation goes on verifying."""
    clock.set(BEGINS)
    world, protocol_id = alarmed(database)
    recalculate(world)
    clock.set(BEGINS + timedelta(minutes=1))
    closing(world, protocol_id, activity("weight"), closes=True)
    (operation,) = verified(world)
    with psycopg.connect(database_url) as holder:
        holder.execute("select from alert where activity_key = 'waist' for update")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            conclude(database, organisation_id=world.organisation_id, operation=operation)
        (work,) = list_work(database, organisation_id=world.organisation_id)
        assert work.state == "verifying"
    conclude(database, organisation_id=world.organisation_id, operation=work)
    assert open_alerts(admin) == {(world.enrolments["a"], "weight")}
    assert list_work(database, organisation_id=world.organisation_id) == []
