"""A patient moves to another civil time zone: agendas of all enrolments follow, from then on."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg
import pytest
from tests.engine.facts_world import at, dump, judge_missed, made_anew, rows
from tests.engine.switch_world import World, activity, found

from lockstep.domain.refusal import NotAtThisTime, UnknownPatient, UnknownZone
from lockstep.domain.switch import ZoneSpan
from lockstep.engine.enrolment import get_enrolment
from lockstep.engine.patient import change_zone
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


def moved(world: World, zone: str, from_at: datetime | None = None) -> ZoneSpan:
    enrolment = get_enrolment(
        world.database, organisation_id=world.organisation_id, enrolment_id=world.enrolments["anna"]
    )
    return change_zone(
        world.database,
        organisation_id=world.organisation_id,
        patient_id=enrolment.patient_id,
        zone=zone,
        from_at=from_at,
        actor="t",
    )


def test_going_east_the_next_window_comes_earlier(
    world: World, database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    clock.set(at(2, 12))
    judge_missed(database, world.organisation_id, world.enrolments["anna"])
    moved(world, "Asia/Tokyo")
    assert rows(admin, world.enrolments["anna"]) == [("weight", 3, "morning", at(2, 23), at(3, 1))]


def test_going_west_the_key_of_today_is_not_asked_again(
    world: World, database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    clock.set(at(2, 10.5))
    judge_missed(database, world.organisation_id, world.enrolments["anna"])
    moved(world, "America/New_York")
    # It is 05:30 there, and the morning of the 2nd was asked in Amsterdam.
    assert rows(admin, world.enrolments["anna"]) == [("weight", 3, "morning", at(3, 13), at(3, 15))]


def test_what_is_open_keeps_its_zone(world: World, clock: "Clock", admin: psycopg.Connection) -> None:
    clock.set(at(2, 8))
    before = rows(admin, world.enrolments["anna"])
    moved(world, "America/New_York")
    assert rows(admin, world.enrolments["anna"]) == before


def test_a_planned_move_takes_effect_when_it_is_due(
    world: World, database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    moved(world, "Asia/Tokyo", at(4))
    assert admin.execute("select next_change_at from agenda_head").fetchone() == (at(4),)
    moved(world, "Asia/Kolkata", at(3))
    assert admin.execute("select next_change_at from agenda_head").fetchone() == (at(3),)
    clock.set(at(3, 12))
    kept = made_anew(database, admin, world.organisation_id)
    judge_missed(database, world.organisation_id, world.enrolments["anna"])
    assert kept != []
    assert rows(admin, world.enrolments["anna"]) == [("weight", 4, "morning", at(4, 2.5), at(4, 4.5))]


def test_a_move_is_the_same_in_step_or_anew(
    world: World, database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    clock.set(at(2, 8))
    moved(world, "Pacific/Auckland")
    kept = dump(admin)
    assert made_anew(database, admin, world.organisation_id) == kept


def test_refusals(world: World, database: Database, admin: psycopg.Connection) -> None:
    with pytest.raises(UnknownZone, match="Europe/Amsterdam"):
        moved(world, "Europe/Amsterdan")
    with pytest.raises(NotAtThisTime):
        moved(world, "UTC", datetime(2026, 3, 1, tzinfo=UTC))
    with pytest.raises(UnknownPatient):
        change_zone(database, organisation_id=world.organisation_id, patient_id=999_999, zone="UTC", actor="t")
    assert admin.execute("select count(*) from patient_zone").fetchone() == (1,)
