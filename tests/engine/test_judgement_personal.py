"""What was changed for one patient decides what is missed, and what that breaks."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from lockstep.engine.chunk import Memory as ChunkMemory
from lockstep.engine.patient import change_zone
from lockstep.engine.pause import pause
from lockstep.engine.personal_change import set_personal_change
from lockstep.engine.recalculation import step_changes
from lockstep.store.database import Database

from .judged_world import DAY, JUDGED_AT, OPENS_AT, Judging

if TYPE_CHECKING:
    from tests.conftest import Clock


@pytest.fixture
def world(database: Database, clock: "Clock", admin: psycopg.Connection) -> Judging:
    return Judging(database, admin, clock.set, patients=("anna", "bram"))


def change(world: Judging, field: str, value: Any) -> None:
    set_personal_change(
        world.database,
        organisation_id=world.organisation_id,
        enrolment_id=world.world.enrolment_of["anna"],
        activity_key="weight",
        field=field,
        value=value,
        reason="as agreed",
        actor="d.octor",
    )


def test_a_personal_rule(world: Judging) -> None:
    change(world, "rules.missed", {"key": "missed", "kind": "missed", "in_a_row": 2, "severity": "red"})
    anna, bram = world.world.enrolment_of["anna"], world.world.enrolment_of["bram"]
    world.judge(JUDGED_AT)
    assert world.ask("select enrolment_id, severity, occurrences from alert") == [(bram, "grey", 1)]
    world.judge(JUDGED_AT + DAY)
    assert world.ask("select enrolment_id, severity, occurrences from alert order by 1") == [
        (anna, "red", 2),
        (bram, "grey", 2),
    ]
    assert world.rows() == [("2026-03-05", "morning", 0, 2)] * 2


def test_the_rule_of_when_it_opened(world: Judging) -> None:
    world.set_clock(OPENS_AT + timedelta(hours=1))
    change(world, "rules.missed", {"key": "missed", "kind": "missed", "in_a_row": 2, "severity": "red"})
    world.judge(JUDGED_AT)
    assert world.ask("select severity from alert") == [("grey",)] * 2


def test_a_personal_schedule(world: Judging) -> None:
    times = [{"label": "night", "opens": "22:00", "closes": "23:00"}]
    change(world, "schedule", {"every": "1 day", "times": times})
    world.judge(JUDGED_AT + DAY)
    anna, bram = world.world.enrolment_of["anna"], world.world.enrolment_of["bram"]
    assert world.ask("select enrolment_id, on_date::text, slot from occurrence order by 1, 2") == [
        (anna, "2026-03-02", "night"),
        (anna, "2026-03-03", "night"),
        (bram, "2026-03-03", "morning"),
        (bram, "2026-03-04", "morning"),
    ]
    assert world.rows() == [("2026-03-04", "night", 0, 2), ("2026-03-05", "morning", 0, 2)]


def test_nothing_is_missed_in_a_pause(world: Judging, database: Database) -> None:
    world.set_clock(OPENS_AT + timedelta(hours=1))
    pause(
        database,
        organisation_id=world.organisation_id,
        enrolment_id=world.world.enrolment_of["anna"],
        until_at=JUDGED_AT + 1.5 * DAY,
        reason="in hospital",
        actor="d.octor",
    )
    world.set_clock(JUDGED_AT + 2 * DAY)
    step_changes(database, organisation_id=world.organisation_id, size=10, memory=ChunkMemory())
    world.judge(JUDGED_AT + 2 * DAY)
    anna = world.world.enrolment_of["anna"]
    assert world.ask(f"select on_date::text from occurrence where enrolment_id = {anna}") == [("2026-03-05",)]
    assert world.rows()[0] == ("2026-03-06", "morning", 0, 1)


def test_after_a_move_to_another_zone(world: Judging, database: Database) -> None:
    (patient_id,) = world.ask("select patient_id from patient where identifier = 'anna'")[0]
    world.judge(JUDGED_AT)
    world.set_clock(JUDGED_AT + timedelta(hours=1))
    change_zone(
        database, organisation_id=world.organisation_id, patient_id=patient_id, zone="Asia/Tokyo", actor="d.octor"
    )
    world.judge(JUDGED_AT + 3 * DAY)
    anna = world.world.enrolment_of["anna"]
    opened = world.ask(f"select opens_at from occurrence where enrolment_id = {anna} order by 1")
    tokyo = OPENS_AT - timedelta(hours=8)
    assert [row[0] for row in opened] == [OPENS_AT, tokyo + DAY, tokyo + 2 * DAY, tokyo + 3 * DAY]
    assert world.rows() == [("2026-03-07", "morning", 0, 4)] * 2
