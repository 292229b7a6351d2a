"""A scheduled switch can be taken back until it is in force for somebody; afterwards one switches forward."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest
from tests.engine.switch_world import World, activity, content, found

from lockstep.domain.acceptance import Accepted
from lockstep.domain.refusal import (
    AlreadyInForce,
    MissingReason,
    NotAccepted,
    NothingInForce,
    StalePreview,
    UnknownSwitch,
)
from lockstep.engine.enrolment import assign
from lockstep.engine.patient import change_zone
from lockstep.engine.switch import show_switch, withdraw_switch
from lockstep.store.database import Database

if TYPE_CHECKING:
    from tests.conftest import Clock

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
TOMORROW = NOON + timedelta(days=1)


def scheduled(database: Database, clock: "Clock") -> tuple[World, int, int, Accepted]:
    """A world with anna on version 1 and version 2 scheduled for tomorrow noon."""
    clock.set(NOON)
    world = found(database)
    protocol = world.protocol("p")
    world.publish(protocol, activity())
    (anna,) = world.enrol(protocol, ["anna"])
    accepted = world.publish(protocol, activity(opens="07:00"), effective="instant", effective_at=TOMORROW)
    return world, protocol, anna, accepted


def withdraw(world: World, switch_id: int, reason: str = "not yet") -> None:
    withdraw_switch(
        world.database, organisation_id=world.organisation_id, switch_id=switch_id, reason=reason, actor="m.anager"
    )


def test_a_withdrawn_switch_never_comes_into_force(
    database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    world, protocol, anna, accepted = scheduled(database, clock)
    assert world.in_force(anna, TOMORROW) == (protocol, 2)
    withdraw(world, accepted.switch_id)
    assert world.in_force(anna, TOMORROW) == (protocol, 1)
    ended = admin.execute("select state, ended_at from operation where operation_id = %s", [accepted.operation_id])
    assert ended.fetchone() == ("superseded", NOON)
    shown = show_switch(database, organisation_id=world.organisation_id, switch_id=accepted.switch_id)
    assert (shown.withdrawn_by, shown.withdrawn_at) == ("m.anager", NOON)


def test_withdrawing_again_changes_nothing(database: Database, clock: "Clock", admin: psycopg.Connection) -> None:
    world, _, _, accepted = scheduled(database, clock)
    withdraw(world, accepted.switch_id)
    withdraw(world, accepted.switch_id)
    assert admin.execute("select count(*) from switch_withdrawal").fetchone() == (1,)
    assert admin.execute("select count(*) from audit_entry where action = 'withdraw switch'").fetchone() == (1,)


@pytest.mark.parametrize("early", [timedelta(), timedelta(milliseconds=999)])
def test_in_force_it_is_refused_and_the_way_is_told(database: Database, clock: "Clock", early: timedelta) -> None:
    world, _, _, accepted = scheduled(database, clock)
    clock.set(TOMORROW - early)
    with pytest.raises(AlreadyInForce, match="Switch forward"):
        withdraw(world, accepted.switch_id)


def test_a_second_before_it_is_possible(database: Database, clock: "Clock") -> None:
    world, protocol, anna, accepted = scheduled(database, clock)
    clock.set(TOMORROW - timedelta(seconds=1))
    withdraw(world, accepted.switch_id)
    assert world.in_force(anna, TOMORROW) == (protocol, 1)


def test_what_is_not_accepted_or_not_there_cannot_be_withdrawn(database: Database, clock: "Clock") -> None:
    world, protocol, _, accepted = scheduled(database, clock)
    preview = world.preview("publish", protocol, content=content(activity(opens="06:00")))
    with pytest.raises(NotAccepted):
        withdraw(world, preview.switch_id)
    with pytest.raises(UnknownSwitch):
        withdraw(world, 4711)
    with pytest.raises(MissingReason):
        withdraw(world, accepted.switch_id, reason=" ")


def test_a_preview_made_before_a_withdrawal_no_longer_fits(database: Database, clock: "Clock") -> None:
    world, protocol, _, accepted = scheduled(database, clock)
    preview = world.preview("publish", protocol, content=content(activity(opens="06:00")))
    withdraw(world, accepted.switch_id)
    with pytest.raises(StalePreview) as refused:
        world.accept(preview)
    assert refused.value.difference == ("A scheduled switch was withdrawn.",)
    assert not refused.value.same_effect


def test_a_switch_accepted_and_withdrawn_since_leaves_the_effect_the_same(database: Database, clock: "Clock") -> None:
    world, protocol, anna, _ = scheduled(database, clock)
    preview = world.preview("publish", protocol, content=content(activity(opens="06:00")))
    between = world.publish(
        protocol, activity(opens="05:00"), effective="instant", effective_at=TOMORROW + timedelta(days=1)
    )
    withdraw(world, between.switch_id)
    with pytest.raises(StalePreview) as refused:
        world.accept(preview, key="a")
    assert refused.value.same_effect
    accepted = world.accept(preview, key="b", seen=refused.value.seen)
    assert accepted.version_number == 4
    assert world.in_force(anna) == (protocol, 4)


def test_publishing_for_next_week_does_not_cancel_tomorrows(database: Database, clock: "Clock") -> None:
    world, protocol, anna, _ = scheduled(database, clock)
    week = NOON + timedelta(days=7)
    world.publish(protocol, activity(opens="06:00"), effective="instant", effective_at=week)
    assert [world.in_force(anna, at)[1] for at in (NOON, TOMORROW, week)] == [1, 2, 3]


def test_publishing_now_supersedes_what_was_scheduled(database: Database, clock: "Clock") -> None:
    world, protocol, anna, _ = scheduled(database, clock)
    world.publish(protocol, activity(opens="06:00"))
    assert [world.in_force(anna, at)[1] for at in (NOON, TOMORROW)] == [3, 3]


def in_zones(database: Database, clock: "Clock", **when: object) -> tuple[World, int, int, Accepted]:
    """Anna lives in Amsterdam, and a switch to come is said in civil time."""
    clock.set(NOON)
    world = found(database)
    protocol = world.protocol("p")
    world.publish(protocol, activity())
    (anna,) = world.enrol(protocol, ["anna"])
    accepted = world.accept(world.preview("publish", protocol, content=content(activity(opens="07:00")), **when))
    return world, protocol, anna, accepted


CIVIL = {"effective": "civil", "effective_local": datetime.fromisoformat("2026-03-03T08:00")}


@pytest.mark.parametrize(("when", "begins"), [({"effective": "next day"}, 23), (CIVIL, 31)])
def test_in_civil_time_it_is_possible_until_the_first_patient_has_it(
    database: Database, clock: "Clock", when: dict[str, object], begins: int
) -> None:
    """Not only until it could be the time somewhere on earth, where nobody of the protocol lives."""
    world, protocol, anna, accepted = in_zones(database, clock, **when)
    begins_at = NOON.replace(hour=0) + timedelta(hours=begins)
    clock.set(begins_at - timedelta(milliseconds=999))
    with pytest.raises(AlreadyInForce, match=f"in Europe/Amsterdam from .* for enrolment {anna}"):
        withdraw(world, accepted.switch_id)
    clock.set(begins_at - timedelta(seconds=1))
    assert world.in_force(anna) == (protocol, 1)
    withdraw(world, accepted.switch_id)
    assert world.in_force(anna, begins_at) == (protocol, 1)


def test_who_lives_further_east_or_has_moved_there_has_it_first(database: Database, clock: "Clock") -> None:
    world, protocol, anna, accepted = in_zones(database, clock, **CIVIL)
    world.enrol(world.protocol("other"), ["mele"], zone="Pacific/Tongatapu")
    clock.set(NOON + timedelta(hours=12))
    (patient_id,) = (row for row in [anna])
    change_zone(
        database, organisation_id=world.organisation_id, patient_id=patient_id, zone="Asia/Tokyo", actor="t.ester"
    )
    clock.set(NOON + timedelta(hours=12, minutes=1))
    assert world.in_force(anna) == (protocol, 2), "in Tokyo it is nine o'clock"
    with pytest.raises(AlreadyInForce, match="in Asia/Tokyo from 2026-03-03 00:00:00 UTC"):
        withdraw(world, accepted.switch_id)


@pytest.mark.parametrize("how", ["move", "assign", "enrol"])
def test_nobody_is_left_with_nothing_in_force(database: Database, clock: "Clock", how: str) -> None:
    clock.set(NOON)
    world = found(database)
    one, other = world.protocol("one"), world.protocol("other")
    world.publish(one, activity())
    (anna,) = world.enrol(one, ["anna"])
    only = world.publish(other, activity(), effective="instant", effective_at=TOMORROW)
    later = {"effective": "instant", "effective_at": TOMORROW + timedelta(hours=2)}
    if how == "move":
        world.move(one, other, **later)
    elif how == "enrol":
        world.enrol(other, ["bram"])
    else:
        assign(
            database,
            organisation_id=world.organisation_id,
            enrolment_id=anna,
            protocol_id=other,
            from_at=TOMORROW + timedelta(hours=2),
            actor="t.ester",
        )
    clock.set(NOON + timedelta(minutes=1))
    with pytest.raises(NothingInForce) as refused:
        withdraw(world, only.switch_id)
    assert refused.value.mend
    world.publish(other, activity(opens="06:00"), effective="instant", effective_at=TOMORROW + timedelta(hours=1))
    withdraw(world, only.switch_id)
