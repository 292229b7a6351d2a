"""A switch for a selection: its members switch, others do not, and a first batch goes on to everyone."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from tests.engine.switch_world import activity, content, found

from lockstep.domain.refusal import InvalidSwitch, NothingToSwitch, UnknownEnrolment
from lockstep.domain.selection import Filter
from lockstep.engine.enrolment import assign
from lockstep.store.database import Database

if TYPE_CHECKING:
    from tests.conftest import Clock

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LATER = content(activity(opens="07:00"))


def test_members_switch_and_others_do_not(database: Database) -> None:
    world = found(database)
    protocol = world.protocol("p")
    world.publish(protocol, activity())
    anna, bram = world.enrol(protocol, ["anna", "bram"])
    preview = world.preview("publish", protocol, content=LATER, scope="selection", enrolment_ids=[anna])
    assert preview.figures.patients == 1
    world.accept(preview)
    assert world.in_force(anna) == (protocol, 2)
    assert world.in_force(bram) == (protocol, 1)


def test_continuing_a_first_batch_accepts_the_same_version_for_everyone(database: Database) -> None:
    world = found(database)
    protocol = world.protocol("p")
    world.publish(protocol, activity())
    anna, bram = world.enrol(protocol, ["anna", "bram"])
    batch = world.accept(world.preview("publish", protocol, content=LATER, scope="selection", chosen=Filter(first=1)))
    everyone = world.accept(world.preview("publish", protocol, content=LATER))
    assert (batch.version_number, everyone.version_number) == (2, 2)
    assert everyone.number == batch.number + 1
    assert everyone.generation is not None, "bram's schedule changes"
    assert [world.in_force(each) for each in (anna, bram)] == [(protocol, 2)] * 2


def test_a_second_batch_of_the_same_content_has_the_same_version(database: Database) -> None:
    world = found(database)
    protocol = world.protocol("p")
    world.publish(protocol, activity())
    anna, bram, chris = world.enrol(protocol, ["anna", "bram", "chris"])
    first = world.preview("publish", protocol, content=LATER, scope="selection", chosen=Filter(first=1))
    world.accept(first)
    assert first.selection is not None
    rest = Filter(without_selections=(first.selection.selection_id,), first=1)
    second = world.accept(world.preview("publish", protocol, content=LATER, scope="selection", chosen=rest))
    assert second.version_number == 2
    assert [world.in_force(each)[1] for each in (anna, bram, chris)] == [2, 2, 1]


def test_the_same_batch_again_is_nothing(database: Database) -> None:
    world = found(database)
    protocol = world.protocol("p")
    world.publish(protocol, activity())
    anna, _ = world.enrol(protocol, ["anna", "bram"])
    world.accept(world.preview("publish", protocol, content=LATER, scope="selection", enrolment_ids=[anna]))
    with pytest.raises(NothingToSwitch):
        world.preview("publish", protocol, content=LATER, scope="selection", enrolment_ids=[anna])


def test_who_is_chosen_is_frozen_by_the_preview(database: Database) -> None:
    world = found(database)
    protocol = world.protocol("p")
    world.publish(protocol, activity())
    (anna,) = world.enrol(protocol, ["anna"])
    (mele,) = world.enrol(protocol, ["mele"], zone="Pacific/Tongatapu")
    preview = world.preview(
        "publish", protocol, content=LATER, scope="selection", chosen=Filter(zones=("Pacific/Tongatapu",))
    )
    (sione,) = world.enrol(protocol, ["sione"], zone="Pacific/Tongatapu")
    world.accept(preview)
    assert [world.in_force(each)[1] for each in (anna, mele, sione)] == [1, 2, 1]


def test_who_is_not_on_the_protocol_is_skipped_and_listed(database: Database) -> None:
    world = found(database)
    one, other = world.protocol("one"), world.protocol("other")
    for protocol in (one, other):
        world.publish(protocol, activity())
    (anna,) = world.enrol(one, ["anna"])
    (bram,) = world.enrol(other, ["bram"])
    preview = world.preview("publish", one, content=LATER, scope="selection", enrolment_ids=[anna, bram])
    assert preview.figures.patients == 1
    assert preview.figures.skipped == (bram,)
    assert [caution.code for caution in preview.cautions] == ["skipped"]
    with pytest.raises(NothingToSwitch):
        world.preview("publish", one, content=LATER, scope="selection", enrolment_ids=[bram])
    with pytest.raises(UnknownEnrolment, match="4711"):
        world.preview("publish", one, content=LATER, scope="selection", enrolment_ids=[anna, 4711])
    with pytest.raises(InvalidSwitch):
        world.preview("publish", one, content=LATER, scope="selection")


def test_a_member_that_left_before_acceptance_is_not_switched(database: Database) -> None:
    world = found(database)
    one, other = world.protocol("one"), world.protocol("other")
    for protocol in (one, other):
        world.publish(protocol, activity())
    anna, bram = world.enrol(one, ["anna", "bram"])
    preview = world.preview("publish", one, content=LATER, scope="selection", enrolment_ids=[anna, bram])
    assign(database, organisation_id=world.organisation_id, enrolment_id=anna, protocol_id=other, actor="m")
    world.accept(preview)
    assert [world.in_force(each) for each in (anna, bram)] == [(other, 1), (one, 2)]


def test_a_move_not_yet_shown_by_the_heads_is_seen(database: Database, clock: "Clock") -> None:
    clock.set(NOON)
    world = found(database)
    one, other = world.protocol("one"), world.protocol("other")
    for protocol in (one, other):
        world.publish(protocol, activity())
    anna, bram = world.enrol(one, ["anna", "bram"])
    world.move(one, other, scope="selection", enrolment_ids=[anna])
    clock.set(NOON + timedelta(seconds=1))
    here = world.preview("publish", one, content=LATER)
    assert (here.figures.patients, here.figures.behind) == (1, 1)
    there = world.preview("publish", other, content=LATER, scope="selection", chosen=Filter())
    assert there.figures.patients == 1
    assert there.selection is not None
    assert there.selection.member_count == 1
    world.accept(there)
    assert [world.in_force(each) for each in (anna, bram)] == [(other, 2), (one, 1)]
