"""A measurement inside a window that an outage made longer is in time, though the row does not know of it yet."""

from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
from tests.engine.measured_world import MORNING, Measured

from lockstep.engine.outage import beat
from lockstep.proof.small_world import weighed
from lockstep.store.database import Database

if TYPE_CHECKING:
    from tests.conftest import Clock


def test_it_is_not_late(database: Database, admin: psycopg.Connection, clock: "Clock") -> None:
    world = Measured(database, admin, clock.set)
    clock.set(MORNING)
    beat(database, organisation_id=world.organisation_id, source="t")
    clock.set(MORNING + timedelta(hours=2))
    assert beat(database, organisation_id=world.organisation_id, source="t") is not None
    # From 08:30 to 10:30 nothing came in, so the window from 08:00 to 10:00 takes answers until 12:00.
    taken_at = MORNING + timedelta(hours=2, minutes=15)
    world.record(weighed("anna", "1", taken_at), at=taken_at)
    assert world.decided() == [("2026-03-03", "morning", "fulfilled")]
