"""Undo is a switch forward to what was before."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from tests.engine.switch_world import World, activity, content, found

from lockstep.domain.preview import Preview
from lockstep.domain.refusal import NothingToSwitch
from lockstep.domain.schedule import Schedule
from lockstep.engine.switch import revert_switch
from lockstep.engine.timeline import answer_in_force
from lockstep.store.database import Database

if TYPE_CHECKING:
    from tests.conftest import Clock

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def revert(world: World, switch_id: int) -> Preview:
    return revert_switch(
        world.database, organisation_id=world.organisation_id, switch_id=switch_id, reason="back", actor="m.anager"
    )


def test_a_publication_is_reverted_by_a_new_version_of_the_former_content(database: Database) -> None:
    world = found(database)
    protocol = world.protocol("p")
    world.publish(protocol, activity())
    (anna,) = world.enrol(protocol, ["anna"])
    second = world.publish(protocol, activity(opens="07:00"))
    preview = revert(world, second.switch_id)
    assert world.in_force(anna) == (protocol, 2), "a preview changes nothing"
    back = world.accept(preview)
    assert back.version_number == 3
    assert world.in_force(anna) == (protocol, 3)
    with database.transaction(world.organisation_id) as connection:
        hashes = connection.execute("select content_hash from version order by number").fetchall()
    assert hashes[0] == hashes[2] != hashes[1]


def test_a_first_batch_is_reverted_for_its_members(database: Database) -> None:
    world = found(database)
    protocol = world.protocol("p")
    world.publish(protocol, activity())
    anna, bram = world.enrol(protocol, ["anna", "bram"])
    batch = world.accept(
        world.preview(
            "publish", protocol, content=content(activity(opens="07:00")), scope="selection", enrolment_ids=[anna]
        )
    )
    preview = revert(world, batch.switch_id)
    assert preview.figures.patients == 1
    world.accept(preview)
    assert [world.in_force(each)[1] for each in (anna, bram)] == [3, 1]


def test_those_moved_go_back_and_those_who_were_there_stay(database: Database, clock: "Clock") -> None:
    clock.set(NOON)
    world = found(database)
    one, other = world.protocol("one"), world.protocol("other")
    for protocol in (one, other):
        world.publish(protocol, activity())
    anna, bram = world.enrol(one, ["anna", "bram"])
    (chris,) = world.enrol(other, ["chris"])
    moved = world.move(one, other)
    clock.set(NOON + timedelta(minutes=1))
    assert [world.in_force(each)[0] for each in (anna, bram, chris)] == [other] * 3
    for in_step in (False, True):
        if in_step:
            world.bring_in_step()
        preview = revert(world, moved.switch_id)
        assert preview.figures.patients == 2
    world.accept(preview)
    clock.set(NOON + timedelta(minutes=2))
    assert [world.in_force(each)[0] for each in (anna, bram, chris)] == [one, one, other]


def test_the_first_version_cannot_be_reverted(database: Database) -> None:
    world = found(database)
    first = world.publish(world.protocol("p"), activity())
    with pytest.raises(NothingToSwitch):
        revert(world, first.switch_id)


def times(world: World, enrolment_id: int) -> str:
    answer = answer_in_force(world.database, organisation_id=world.organisation_id, enrolment_id=enrolment_id)
    assert answer is not None
    assert answer.content is not None
    schedule = answer.content.activities[0].schedule
    assert isinstance(schedule, Schedule)
    return schedule.times[0].opens.isoformat("minutes")


def test_what_is_only_scheduled_was_not_before(database: Database, clock: "Clock") -> None:
    clock.set(NOON)
    world = found(database)
    protocol = world.protocol("p")
    world.publish(protocol, activity())
    (anna,) = world.enrol(protocol, ["anna"])
    world.publish(protocol, activity(opens="05:00"), effective="instant", effective_at=NOON + timedelta(days=10))
    clock.set(NOON + timedelta(hours=1))
    third = world.publish(protocol, activity(opens="07:00"))
    clock.set(NOON + timedelta(hours=2))
    world.accept(revert(world, third.switch_id))
    assert times(world, anna) == "08:00"


def test_of_two_batches_the_second_is_reverted_to_the_first(database: Database, clock: "Clock") -> None:
    clock.set(NOON)
    world = found(database)
    protocol = world.protocol("p")
    world.publish(protocol, activity())
    anna, bram = world.enrol(protocol, ["anna", "bram"])
    for hours, opens in enumerate(("07:00", "06:00")):
        clock.set(NOON + timedelta(hours=hours))
        last = world.publish(protocol, activity(opens=opens), scope="selection", enrolment_ids=[anna])
    clock.set(NOON + timedelta(hours=3))
    world.accept(revert(world, last.switch_id))
    assert [times(world, each) for each in (anna, bram)] == ["07:00", "08:00"]


def test_where_patients_had_different_versions_none_is_right_for_all(database: Database, clock: "Clock") -> None:
    clock.set(NOON)
    world = found(database)
    protocol = world.protocol("p")
    world.publish(protocol, activity())
    anna, _, _ = world.enrol(protocol, ["anna", "bram", "chris"])
    world.publish(protocol, activity(opens="07:00"), scope="selection", enrolment_ids=[anna])
    clock.set(NOON + timedelta(hours=1))
    everyone = world.publish(protocol, activity(opens="06:00"))
    clock.set(NOON + timedelta(hours=2))
    with pytest.raises(NothingToSwitch, match="2 had version 1, 1 had version 2"):
        revert(world, everyone.switch_id)


@pytest.mark.parametrize("in_step", [False, True])
def test_who_was_moved_by_another_switch_stays(database: Database, clock: "Clock", in_step: bool) -> None:
    clock.set(NOON)
    world = found(database)
    one, other = world.protocol("one"), world.protocol("other")
    for protocol in (one, other):
        world.publish(protocol, activity())
    anna, bram = world.enrol(one, ["anna", "bram"])
    clock.set(NOON + timedelta(hours=1))
    first = world.move(one, other, scope="selection", enrolment_ids=[anna])
    clock.set(NOON + timedelta(hours=50))
    moved = world.move(one, other)
    clock.set(NOON + timedelta(hours=51))
    if in_step:
        world.bring_in_step()
    assert revert(world, first.switch_id).figures.patients == 1
    preview = revert(world, moved.switch_id)
    assert preview.figures.patients == 1
    world.accept(preview)
    clock.set(NOON + timedelta(hours=52))
    assert [world.in_force(each)[0] for each in (anna, bram)] == [other, one]
