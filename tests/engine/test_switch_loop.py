"""Moves still to come never lead round in a circle; those done are done."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from tests.engine.switch_world import World, activity, found

from lockstep.domain.refusal import SwitchLoop
from lockstep.engine.switch import withdraw_switch
from lockstep.store.database import Database

if TYPE_CHECKING:
    from tests.conftest import Clock

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LATER = {"effective": "instant", "effective_at": NOON + timedelta(days=1)}


def world_of(database: Database, clock: "Clock", keys: str = "abc") -> tuple[World, list[int]]:
    clock.set(NOON)
    world = found(database)
    protocols = [world.protocol(key) for key in keys]
    for protocol in protocols:
        world.publish(protocol, activity())
        world.enrol(protocol, [f"one {protocol}", f"two {protocol}"])
    return world, protocols


def test_a_circle_of_scheduled_moves_is_refused_with_its_way(database: Database, clock: "Clock") -> None:
    world, (a, b, c) = world_of(database, clock)
    world.move(a, b, **LATER)
    world.move(b, c, **LATER)
    with pytest.raises(SwitchLoop, match=f"{c} → {a} → {b} → {c}"):
        world.preview("move", c, target_protocol_id=a, **LATER)


def test_it_is_refused_at_acceptance_too(database: Database, clock: "Clock") -> None:
    world, (a, b, c) = world_of(database, clock)
    last = world.preview("move", c, target_protocol_id=a, **LATER)
    world.move(b, c, **LATER)
    world.move(a, b, **LATER)
    with pytest.raises(SwitchLoop):
        world.accept(last)


def test_moving_back_while_the_move_is_to_come_is_refused_until_it_is_withdrawn(
    database: Database, clock: "Clock"
) -> None:
    world, (a, b, _) = world_of(database, clock)
    there = world.move(a, b, **LATER)
    with pytest.raises(SwitchLoop):
        world.preview("move", b, target_protocol_id=a)
    withdraw_switch(database, organisation_id=world.organisation_id, switch_id=there.switch_id, reason="no", actor="m")
    world.move(b, a)


def test_at_one_instant_there_and_back_is_a_circle_and_a_moment_later_it_is_not(
    database: Database, clock: "Clock"
) -> None:
    world, (a, b, _) = world_of(database, clock)
    world.move(a, b)
    with pytest.raises(SwitchLoop):
        world.preview("move", b, target_protocol_id=a)
    clock.set(NOON + timedelta(microseconds=1))
    world.move(b, a)
    assert all(world.in_force(each)[0] != b for each in world.enrolments.values())


def test_two_selections_may_change_places_but_no_patient_goes_round(database: Database, clock: "Clock") -> None:
    world, (a, b, _) = world_of(database, clock)
    one_a, one_b = (world.enrolments[f"one {protocol}"] for protocol in (a, b))
    world.move(a, b, scope="selection", enrolment_ids=[one_a])
    world.move(b, a, scope="selection", enrolment_ids=[one_b])
    assert world.in_force(one_a)[0] == b
    assert world.in_force(one_b)[0] == a
    assert world.in_force(world.enrolments[f"two {a}"])[0] == a


def test_a_chain_is_followed_to_its_end(database: Database, clock: "Clock") -> None:
    world, (a, b, c) = world_of(database, clock)
    world.move(b, c, **LATER)
    world.move(a, b, **LATER)
    one = world.enrolments[f"one {a}"]
    assert world.in_force(one)[0] == a
    assert world.in_force(one, NOON + timedelta(days=1))[0] == c


def test_members_are_looked_at_once_however_many_moves_are_to_come(
    database: Database, clock: "Clock", monkeypatch: pytest.MonkeyPatch
) -> None:
    world, (a, b, c) = world_of(database, clock)
    (last,) = world.enrol(c, ["last"])
    execute, counts = psycopg.Connection.execute, [0]

    def counted(self: psycopg.Connection, *args: Any, **more: Any) -> Any:
        counts[-1] += 1
        return execute(self, *args, **more)

    for more in (1, 4):
        for number in range(more):
            for source, target in ((a, b), (b, c)):
                (one,) = world.enrol(source, [f"{more} {number} {source}"])
                world.move(source, target, scope="selection", enrolment_ids=[one], **LATER)
        preview = world.preview("move", c, target_protocol_id=a, scope="selection", enrolment_ids=[last], **LATER)
        with monkeypatch.context() as patched:
            patched.setattr(psycopg.Connection, "execute", counted)
            accepted = world.accept(preview)
        counts.append(0)
        withdraw_switch(
            database, organisation_id=world.organisation_id, switch_id=accepted.switch_id, reason="no", actor="m"
        )
    few, many, _ = counts
    assert few == many
