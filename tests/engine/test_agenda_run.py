"""A run of missed occurrences goes on over times in which nothing was asked."""

from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from lockstep.engine.chunk import Memory
from lockstep.engine.pause import pause, resume
from lockstep.engine.recalculation import sweep
from lockstep.proof.small_world import weights
from lockstep.store.database import Database

from .judged_world import DAY, JUDGED_AT, Judging

if TYPE_CHECKING:
    from tests.conftest import Clock

HOUR = timedelta(hours=1)


@pytest.fixture
def world(database: Database, clock: "Clock", admin: psycopg.Connection) -> Judging:
    """Anna has missed two mornings."""
    world = Judging(database, admin, clock.set)
    assert world.judge(JUDGED_AT + DAY).missed == 2
    assert world.rows() == [("2026-03-05", "morning", 0, 2)]
    return world


def test_over_a_pause(world: Judging) -> None:
    of = {"organisation_id": world.organisation_id, "enrolment_id": world.world.enrolment_of["anna"], "actor": "t"}
    world.set_clock(JUDGED_AT + DAY + HOUR)
    pause(world.database, **of, reason="on holiday", until_at=JUDGED_AT + 10 * DAY)  # type: ignore[arg-type]
    assert world.rows() == []
    world.set_clock(JUDGED_AT + 3 * DAY)
    resume(world.database, **of)  # type: ignore[arg-type]
    assert world.rows() == [("2026-03-07", "morning", 0, 2)]
    assert world.judge(JUDGED_AT + 4 * DAY).missed == 1
    assert world.rows() == [("2026-03-08", "morning", 0, 3)]


def test_over_a_version_without_the_activity(world: Judging) -> None:
    without = weights(times=[("night", "23:00", "23:30")])
    without["activities"][0]["key"] = "other"

    def publish(document: dict[str, object], at: timedelta) -> None:
        world.set_clock(JUDGED_AT + DAY + at)
        world.world.publish(world.protocol_id, document)
        sweep(
            world.database,
            organisation_id=world.organisation_id,
            cursor_id=0,
            size=10,
            memory=Memory(),
        )

    publish(without, HOUR)
    assert world.ask("select activity_key, missed_in_a_row from agenda") == [("other", 0)]
    publish(weights(), 2 * HOUR)
    assert world.ask("select activity_key, missed_in_a_row from agenda") == [("weight", 2)]
