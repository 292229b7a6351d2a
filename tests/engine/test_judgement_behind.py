"""During a recalculation: who is behind is brought in step first, and judged by what was in force."""

from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from lockstep.proof.small_world import weights
from lockstep.store.database import Database

from .judged_world import DAY, JUDGED_AT, OPENS_AT, Judging

if TYPE_CHECKING:
    from tests.conftest import Clock

LATER = (("afternoon", "14:00", "16:00"),)


@pytest.fixture
def world(database: Database, clock: "Clock", admin: psycopg.Connection) -> Judging:
    return Judging(database, admin, clock.set, patients=("anna", "bram"))


def test_what_was_open_at_the_switch_is_superseded_and_not_missed(world: Judging) -> None:
    world.set_clock(OPENS_AT + timedelta(hours=1))
    world.world.publish(world.protocol_id, weights(times=LATER))
    judged = world.judge(JUDGED_AT)
    assert (judged.missed, judged.brought_in_step) == (0, 2)
    assert world.decided() == []
    assert world.rows() == [("2026-03-03", "afternoon", 0, 0)] * 2


def test_what_had_closed_before_the_switch_is_missed_under_its_own_version(world: Judging) -> None:
    world.set_clock(JUDGED_AT + timedelta(minutes=30))
    world.world.publish(world.protocol_id, weights(times=LATER))
    judged = world.judge(JUDGED_AT + timedelta(minutes=31))
    assert (judged.missed, judged.brought_in_step) == (2, 2)
    assert world.ask("select version_number, slot from occurrence") == [(1, "morning")] * 2
    assert world.rows() == [("2026-03-03", "afternoon", 0, 1)] * 2


def test_what_goes_on_across_the_switch_is_judged_by_the_rules_of_then(world: Judging) -> None:
    world.set_clock(OPENS_AT + timedelta(hours=1))
    content = weights()
    content["activities"][0]["rules"] = []
    world.world.publish(world.protocol_id, content, timing=False)
    world.judge(JUDGED_AT + DAY)
    assert world.ask("select version_number, count(*) from occurrence group by 1 order by 1") == [(1, 2), (2, 2)]
    # The rule was taken away: the next one raises nothing, the alert that is open stays as it was (rule 6).
    assert world.alerts() == [("missed", "open", 1, False)] * 2


def test_a_switch_for_later_that_has_come(world: Judging) -> None:
    world.world.publish(world.protocol_id, weights(times=LATER), at=JUDGED_AT + 0.9 * DAY)
    world.judge(JUDGED_AT + 1.5 * DAY)
    decided = world.ask(
        "select on_date::text, slot, version_number, count(*) from occurrence group by 1, 2, 3 order by 1"
    )
    # On the second day the morning was open at the switch; the afternoon was asked.
    assert decided == [("2026-03-03", "morning", 1, 2), ("2026-03-04", "afternoon", 2, 2)]


def test_one_held_by_somebody_else_is_left_for_the_next_round(world: Judging, database_url: str) -> None:
    anna = world.world.enrolment_of["anna"]
    with psycopg.connect(database_url) as other:
        other.execute("select 1 from agenda_head where enrolment_id = %s for no key update", [anna])
        assert world.judge(JUDGED_AT).missed == 1
    assert world.judge(JUDGED_AT).missed == 1
