"""Pausing, also afterwards, and resuming: what is asked, waived, and kept in the agenda."""

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from tests.engine.facts_world import at, dump, judge_missed, made_anew, rows, weighed
from tests.engine.switch_world import World, activity, found

from lockstep.domain.occurrence import OccurrenceState
from lockstep.domain.pause import Pause
from lockstep.domain.refusal import AlreadyPaused, Discharged, MissingReason, NoSuchPause, NotAtThisTime
from lockstep.engine.enrolment import discharge
from lockstep.engine.measurement import record_measurement
from lockstep.engine.pause import pause, resume
from lockstep.engine.timeline import answer_agenda
from lockstep.store.database import Database

if TYPE_CHECKING:
    from tests.conftest import Clock


@pytest.fixture
def world(database: Database, clock: "Clock") -> World:
    clock.set(at(2, 6))
    world = found(database)
    protocol = world.protocol("a")
    world.publish(protocol, activity())
    world.enrol(protocol, ["anna"])
    return world


def paused(world: World, **more: Any) -> Pause:
    return pause(
        world.database,
        organisation_id=world.organisation_id,
        enrolment_id=world.enrolments["anna"],
        **{"reason": "in hospital", "actor": "n.urse", "review_on": date(2026, 3, 20), **more},
    )


def resumed(world: World, number: int | None = None) -> datetime:
    return resume(
        world.database,
        organisation_id=world.organisation_id,
        enrolment_id=world.enrolments["anna"],
        number=number,
        actor="n.urse",
    )


def states(world: World, known_at: datetime | None = None) -> list[tuple[int, str]]:
    answer = answer_agenda(
        world.database,
        organisation_id=world.organisation_id,
        enrolment_id=world.enrolments["anna"],
        from_at=at(2),
        until_at=at(8),
        known_at=known_at,
    )
    return [(each.on.day, each.state.value) for each in answer.occurrences]


def test_nothing_is_asked_in_a_pause_and_all_goes_on_after(
    world: World, clock: "Clock", admin: psycopg.Connection
) -> None:
    clock.set(at(2, 8))
    paused(world)
    assert dump(admin) != []
    assert rows(admin, world.enrolments["anna"]) == []
    clock.set(at(4, 12))
    assert resumed(world) == at(4, 12)
    assert rows(admin, world.enrolments["anna"]) == [("weight", 5, "morning", at(5, 7), at(5, 9))]
    assert states(world)[:4] == [(2, "waived"), (3, "waived"), (4, "waived"), (5, "coming")]


@pytest.mark.parametrize(("hour", "day"), [(7.5, 4), (8.5, 5)])
def test_on_resumption_a_window_with_half_left_is_asked(
    world: World, clock: "Clock", admin: psycopg.Connection, hour: float, day: int
) -> None:
    paused(world)
    clock.set(at(4, hour))
    resumed(world)
    assert [each[1] for each in rows(admin, world.enrolments["anna"])] == [day]


def test_a_pause_entered_afterwards_waives_what_was_missed(
    world: World, database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    anna = world.enrolments["anna"]
    clock.set(at(5, 12))
    judge_missed(database, world.organisation_id, anna)
    assert states(world)[:5] == [(2, "missed"), (3, "missed"), (4, "missed"), (5, "missed"), (6, "coming")]
    before = at(5, 12)
    clock.set(at(5, 13))
    paused(world, from_at=at(3), until_at=at(4, 18))
    assert states(world)[:5] == [(2, "missed"), (3, "waived"), (4, "waived"), (5, "missed"), (6, "coming")]
    assert states(world, known_at=before)[1] == (3, "missed"), "what was known then is answered as then"
    assert rows(admin, anna) == [("weight", 6, "morning", at(6, 7), at(6, 9))]
    assert admin.execute("select count(*) from occurrence").fetchone() == (4,)


def test_a_pause_with_an_end_needs_no_resumption(
    world: World, database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    paused(world, until_at=at(5), review_on=None)
    assert admin.execute("select next_change_at from agenda_head").fetchone() == (at(5),)
    clock.set(at(5, 1))
    made_anew(database, admin, world.organisation_id)
    assert [each[1] for each in rows(admin, world.enrolments["anna"])] == [5]
    with pytest.raises(NoSuchPause):
        resumed(world)


def test_a_planned_pause_changes_nothing_before_and_can_be_taken_back(
    world: World, clock: "Clock", admin: psycopg.Connection
) -> None:
    paused(world, from_at=at(4))
    assert [each[1] for each in rows(admin, world.enrolments["anna"])] == [2]
    assert states(world)[:3] == [(2, "coming"), (3, "coming"), (4, "waived")]
    with pytest.raises(NoSuchPause, match="Planned: 1 from 2026-03-04"):
        resumed(world)
    assert resumed(world, number=1) == at(4)
    assert states(world)[:3] == [(2, "coming"), (3, "coming"), (4, "coming")]
    paused(world, from_at=at(4))


def test_what_was_measured_before_a_pause_stays(world: World, clock: "Clock", database: Database) -> None:
    clock.set(at(2, 7.5))
    record_measurement(database, organisation_id=world.organisation_id, measurement=weighed("anna", "1", at(2, 7.25)))
    clock.set(at(2, 8))
    paused(world)
    assert states(world)[0] == (2, OccurrenceState.FULFILLED.value)


def test_refusals(world: World, clock: "Clock", admin: psycopg.Connection) -> None:
    with pytest.raises(MissingReason):
        paused(world, reason="")
    with pytest.raises(NotAtThisTime):
        paused(world, review_on=None)
    with pytest.raises(NotAtThisTime):
        paused(world, from_at=at(1))
    with pytest.raises(NotAtThisTime):
        paused(world, from_at=at(3), until_at=at(3))
    with pytest.raises(NoSuchPause):
        resumed(world)
    paused(world, from_at=at(3), until_at=at(4))
    for span in [(at(3, 12), None), (at(2, 12), at(3, 1)), (at(2, 12), None)]:
        with pytest.raises(AlreadyPaused):
            paused(world, from_at=span[0], until_at=span[1])
    paused(world, from_at=at(4), until_at=at(5))
    discharge(
        world.database,
        organisation_id=world.organisation_id,
        enrolment_id=world.enrolments["anna"],
        reason="well",
        actor="t",
    )
    with pytest.raises(Discharged):
        paused(world)
    assert admin.execute("select count(*) from pause").fetchone() == (2,)
