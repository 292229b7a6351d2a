"""An occurrence whose window met an outage closes later instead of being missed."""

from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from lockstep.engine.outage import beat
from lockstep.engine.personal_change import set_personal_change
from lockstep.proof.small_world import weighed
from lockstep.store.database import Database

from .judged_world import CLOSES_AT, DAY, JUDGED_AT, OPENS_AT, Judging

if TYPE_CHECKING:
    from tests.conftest import Clock

MINUTE = timedelta(minutes=1)


@pytest.fixture
def world(database: Database, clock: "Clock", admin: psycopg.Connection) -> Judging:
    world = Judging(database, admin, clock.set, patients=("anna", "bram"))
    # Bram's facts are his own, so that both ways of computing are held against each other.
    set_personal_change(
        database,
        organisation_id=world.organisation_id,
        enrolment_id=world.world.enrolment_of["bram"],
        activity_key="weight",
        field="rules.heavy",
        value={"key": "heavy", "above": 100, "severity": "red"},
        reason="as agreed",
        actor="d.octor",
    )
    # Alive until half an hour after the opening, and again five hours later: an hour and a half was lost.
    for at in (OPENS_AT + 30 * MINUTE, OPENS_AT + 330 * MINUTE):
        clock.set(at)
        beat(database, organisation_id=world.organisation_id, source="test")
    return world


def test_it_is_extended_by_the_outage_and_judged_then(world: Judging) -> None:
    assert world.judge(JUDGED_AT + 2 * timedelta(hours=1)).missed == 0
    assert world.decided() == []
    extended = world.ask("select distinct opens_at, closes_at, judge_at from agenda")
    assert extended == [(OPENS_AT, CLOSES_AT + 300 * MINUTE, JUDGED_AT + 300 * MINUTE)]
    assert world.judge(JUDGED_AT + 299 * MINUTE).count == 0
    assert world.judge(JUDGED_AT + 300 * MINUTE).missed == 2
    assert world.ask("select distinct closes_at, judge_at from occurrence") == [
        (CLOSES_AT + 300 * MINUTE, JUDGED_AT + 300 * MINUTE)
    ]
    assert world.rows() == [("2026-03-04", "morning", 0, 1)] * 2


def test_what_is_measured_in_the_time_gained_counts(world: Judging) -> None:
    world.judge(JUDGED_AT + 120 * MINUTE)
    taken = CLOSES_AT + 270 * MINUTE
    world.record(weighed("anna", "1", taken), at=taken)
    world.record(weighed("bram", "2", taken), at=taken)
    world.judge(JUDGED_AT + DAY)
    assert world.ask("select on_date::text, state, count(*) from occurrence group by 1, 2 order by 1") == [
        ("2026-03-03", "fulfilled", 2),
        ("2026-03-04", "missed", 2),
    ]


def test_a_window_that_met_no_outage_is_judged_as_ever(world: Judging) -> None:
    world.judge(JUDGED_AT + DAY)
    assert world.ask("select on_date::text, judge_at, count(*) from occurrence group by 1, 2 order by 1") == [
        ("2026-03-03", JUDGED_AT + 300 * MINUTE, 2),
        ("2026-03-04", JUDGED_AT + DAY, 2),
    ]
