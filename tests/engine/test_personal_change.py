"""A value changed for one patient: in the agenda at once, kept, followed or refused as the protocol says."""

import json
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from tests.engine.facts_world import at, dump, made_anew, rows
from tests.engine.switch_world import World, activity, every, found

from lockstep.domain.protocol import value_of
from lockstep.domain.refusal import (
    InvalidProtocol,
    LockedField,
    MissingReason,
    NoSuchPersonalChange,
    NothingInForce,
    UnknownField,
)
from lockstep.domain.timeline import PersonalChange
from lockstep.engine.personal_change import clear_personal_change, set_personal_change
from lockstep.engine.timeline import answer_in_force
from lockstep.proof.example import example_protocols
from lockstep.store.database import Database
from lockstep.store.timeline import load_enrolments

if TYPE_CHECKING:
    from tests.conftest import Clock


@pytest.fixture
def world(database: Database, clock: "Clock") -> World:
    clock.set(at(2, 6))
    return found(database)


def change(world: World, enrolment_id: int, field: str, value: Any, **more: Any) -> PersonalChange:
    return set_personal_change(
        world.database,
        organisation_id=world.organisation_id,
        enrolment_id=enrolment_id,
        **{"activity_key": "weight", "reason": "as agreed", "actor": "d.octor", **more},
        field=field,
        value=value,
    )


def counted(world: World, enrolment_id: int) -> int:
    answer = answer_in_force(world.database, organisation_id=world.organisation_id, enrolment_id=enrolment_id)
    assert answer is not None
    return answer.personal_changes


def test_a_changed_schedule_is_in_the_agenda_at_once_and_only_for_this_patient(
    world: World, database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    protocol = world.protocol("a")
    world.publish(protocol, activity())
    anna, bram = world.enrol(protocol, ["anna", "bram"])
    change(world, anna, "schedule", every(1, ("late", "10:00", "12:00")))
    assert rows(admin, anna) == [("weight", 2, "late", at(2, 9), at(2, 11))]
    assert rows(admin, bram) == [("weight", 2, "morning", at(2, 7), at(2, 9))]
    kept = dump(admin)
    assert made_anew(database, admin, world.organisation_id) == kept
    clear_personal_change(
        database,
        organisation_id=world.organisation_id,
        enrolment_id=anna,
        activity_key="weight",
        field="schedule",
        reason="over",
        actor="d.octor",
    )
    assert rows(admin, anna) == rows(admin, bram)
    assert counted(world, anna) == 0


def test_what_was_replaced_is_kept_with_the_change(world: World, admin: psycopg.Connection) -> None:
    protocol = world.protocol("a")
    world.publish(protocol, activity())
    (anna,) = world.enrol(protocol, ["anna"])
    made = change(world, anna, "grace_minutes", 90)
    assert (made.value, made.replaced, made.from_at) == ("90", "60", at(2, 6))
    again = change(world, anna, "grace_minutes", 15)
    assert again.replaced == "60", "the protocol's own, not the former change"
    assert admin.execute("select number, value, replaced, cleared from personal_change order by 1").fetchall() == [
        (1, 90, 60, False),
        (2, 15, 60, False),
    ]
    assert counted(world, anna) == 1


def test_a_followed_change_ends_with_the_version_that_says_otherwise(
    world: World, clock: "Clock", admin: psycopg.Connection
) -> None:
    protocol = world.protocol("a")
    follow: dict[str, Any] = {"personal": {"grace": "follow"}}
    world.publish(protocol, activity(**follow))
    (anna,) = world.enrol(protocol, ["anna"])
    change(world, anna, "grace_minutes", 90)
    clock.set(at(2, 6.1))
    world.publish(protocol, activity(**follow, title="words only"))
    assert counted(world, anna) == 1
    clock.set(at(2, 6.2))
    world.publish(protocol, activity(**follow, grace="30m"))
    assert counted(world, anna) == 0
    clock.set(at(2, 6.3))
    world.publish(protocol, activity(**follow))
    assert counted(world, anna) == 0
    with pytest.raises(NoSuchPersonalChange):
        clear_personal_change(
            world.database,
            organisation_id=world.organisation_id,
            enrolment_id=anna,
            activity_key="weight",
            field="grace_minutes",
            reason="over",
            actor="d.octor",
        )


def test_no_plausible_range_is_a_value_and_not_a_clearing(world: World) -> None:
    protocol = world.protocol("a")
    world.publish(protocol, activity(plausible={"low": 30, "high": 300}))
    (anna,) = world.enrol(protocol, ["anna"])
    change(world, anna, "plausible", None)
    answer = answer_in_force(world.database, organisation_id=world.organisation_id, enrolment_id=anna)
    assert answer is not None
    assert answer.content is not None
    assert answer.content.activities[0].plausible is None
    assert answer.personal_changes == 1


def test_refusals_say_what_can_be_changed(world: World, admin: psycopg.Connection) -> None:
    protocol = world.protocol("a")
    (early,) = world.enrol(protocol, ["early"])
    with pytest.raises(NothingInForce):
        change(world, early, "grace_minutes", 5)
    world.publish(protocol, activity(personal={"quantity": "locked"}))
    (anna,) = world.enrol(protocol, ["anna"])
    with pytest.raises(UnknownField, match="weight"):
        change(world, anna, "grace_minutes", 5, activity_key="height")
    with pytest.raises(UnknownField, match="grace_minutes"):
        change(world, anna, "colour", 5)
    with pytest.raises(LockedField):
        change(world, anna, "quantity", 2)
    with pytest.raises(InvalidProtocol):
        change(world, anna, "grace_minutes", "soon")
    with pytest.raises(MissingReason):
        change(world, anna, "grace_minutes", 5, reason="")
    assert admin.execute("select count(*) from personal_change").fetchone() == (0,)


def test_every_field_of_every_example_comes_back_as_it_was_stored(world: World, database: Database) -> None:
    for content in example_protocols().values():
        protocol = world.protocol(content.key)
        world.accept(world.preview("publish", protocol, content=content))
        (enrolled,) = world.enrol(protocol, [content.key])
        made = []
        for each in content.activities:
            for field in ("schedule", "grace_minutes", "quantity", "rules"):
                if each.policy(field).value != "locked":
                    value = json.loads(value_of(content, each.key, field))
                    made.append(change(world, enrolled, field, value, activity_key=each.key))
        with database.transaction(world.organisation_id) as connection:
            facts = load_enrolments(connection, organisation_id=world.organisation_id, enrolment_ids=[enrolled])
        assert facts[enrolled].personal_changes == tuple(made)
        assert all(each.value == each.replaced for each in made)
