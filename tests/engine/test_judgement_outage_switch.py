"""An outage that holds a window open over a switch leaves it superseded, not missed."""

from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg

from lockstep.engine.chunk import Memory
from lockstep.engine.outage import beat
from lockstep.engine.recalculation import sweep
from lockstep.proof.small_world import weights
from lockstep.store.database import Database

from .judged_world import CLOSES_AT, OPENS_AT, Judging

if TYPE_CHECKING:
    from tests.conftest import Clock

MINUTE = timedelta(minutes=1)


def test_it_is_superseded(database: Database, clock: "Clock", admin: psycopg.Connection) -> None:
    world = Judging(database, admin, clock.set)
    of = world.organisation_id
    clock.set(OPENS_AT + 90 * MINUTE)
    beat(database, organisation_id=of, source="test")
    # Closed at 10:00, and in its grace when at 10:15 another version comes into force.
    clock.set(CLOSES_AT + 15 * MINUTE)
    world.world.publish(world.protocol_id, weights(times=[("night", "22:00", "23:00")]))
    sweep(database, organisation_id=of, cursor_id=0, size=10, memory=Memory())
    assert world.rows() == [("2026-03-03", "morning", 0, 0)]
    # At 10:30 it turns out that nothing came in since 09:30: with that hour the window was open at 10:15.
    clock.set(CLOSES_AT + 30 * MINUTE)
    beat(database, organisation_id=of, source="test")
    assert world.judge(CLOSES_AT + timedelta(hours=4)).missed == 0
    assert world.rows() == [("2026-03-03", "night", 0, 0)]
    assert world.decided() == []
