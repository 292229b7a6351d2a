"""A version number is bought by a real change; agendas are recalculated only where schedules change."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.engine.switch_world import activity, content, every, found

from lockstep.domain.refusal import InvalidSwitch, MissingReason, NothingInForce, NothingToSwitch, UnknownProtocol
from lockstep.engine.switch import approve_switch
from lockstep.store.database import Database

if TYPE_CHECKING:
    from tests.conftest import Clock

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def test_content_identical_to_the_last_accepted_is_nothing_and_says_so(database: Database) -> None:
    world = found(database)
    protocol = world.protocol("p")
    world.publish(protocol, activity())
    with pytest.raises(NothingToSwitch, match="Version 1 says exactly this already"):
        world.preview("publish", protocol, content=content(activity()))


def test_what_is_scheduled_can_be_brought_forward_and_keeps_its_number(database: Database, clock: "Clock") -> None:
    clock.set(NOON)
    world = found(database)
    protocol = world.protocol("p")
    world.publish(protocol, activity())
    (anna,) = world.enrol(protocol, ["anna"])
    later = {"effective": "instant", "effective_at": NOON + timedelta(days=2)}
    world.publish(protocol, activity(opens="07:00"), **later)
    with pytest.raises(NothingToSwitch):
        world.preview("publish", protocol, content=content(activity(opens="07:00")), **later)
    now = world.publish(protocol, activity(opens="07:00"))
    assert now.version_number == 2
    assert world.in_force(anna) == (protocol, 2)


@pytest.mark.parametrize(
    ("change", "draws"),
    [
        ({"title": "Another title"}, False),
        ({"rules": [{"key": "high", "above": 90, "severity": "red"}]}, False),
        ({"code": "other"}, False),
        ({"personal": {"rules": "follow"}}, False),
        ({"grace": "2h"}, True),
        ({"quantity": 2}, True),
        ({"schedule": every(2)}, True),
        ({"opens": "07:00"}, True),
        ({"personal": {"schedule": "locked"}}, True),
        ({"key": "other"}, True),
    ],
)
def test_only_what_matters_to_schedules_draws_a_generation(
    database: Database, change: dict[str, object], draws: bool
) -> None:
    world = found(database)
    protocol = world.protocol("p")
    world.publish(protocol, activity())
    preview = world.preview("publish", protocol, content=content(activity(**change)))  # type: ignore[arg-type]
    approve_switch(database, organisation_id=world.organisation_id, switch_id=preview.switch_id, actor="second")
    accepted = world.accept(preview)
    assert (accepted.generation is not None) == draws
    assert accepted.version_number == 2


def test_a_scheduled_version_with_another_timing_makes_the_next_one_draw(database: Database, clock: "Clock") -> None:
    clock.set(NOON)
    world = found(database)
    protocol = world.protocol("p")
    world.publish(protocol, activity())
    world.publish(protocol, activity(opens="07:00"), effective="instant", effective_at=NOON + timedelta(days=1))
    third = world.publish(protocol, activity(title="Same timing as the first"))
    assert third.generation is not None


def test_a_switch_needs_all_its_parts(database: Database) -> None:
    world = found(database)
    one, other = world.protocol("one"), world.protocol("other")
    this = content(activity())
    requests: tuple[dict[str, Any], ...] = (
        {"kind": "publish"},
        {"kind": "move"},
        {"kind": "move", "target_protocol_id": other, "content": this},
        {"kind": "publish", "content": this, "effective": "civil"},
        {"kind": "publish", "content": this, "effective": "instant", "effective_at": datetime(2030, 1, 1)},  # noqa: DTZ001
        {"kind": "publish", "content": this, "effective": "civil", "effective_local": NOON},
        {"kind": "publish", "content": this, "enrolment_ids": [1]},
    )
    for arguments in requests:
        with pytest.raises(InvalidSwitch):
            world.preview(arguments.pop("kind"), one, **arguments)
    with pytest.raises(MissingReason):
        world.preview("publish", one, content=this, reason="  ")
    with pytest.raises(UnknownProtocol):
        world.preview("publish", 4711, content=this)
    with pytest.raises(UnknownProtocol):
        world.preview("move", one, target_protocol_id=4711)


def test_a_move_needs_somebody_and_something_in_force_where_it_leads(database: Database) -> None:
    world = found(database)
    one, other = world.protocol("one"), world.protocol("other")
    world.publish(one, activity())
    with pytest.raises(NothingToSwitch, match="Nobody"):
        world.preview("move", one, target_protocol_id=other)
    world.enrol(one, ["anna"])
    with pytest.raises(NothingInForce, match="1 patients would have nothing in force"):
        world.preview("move", one, target_protocol_id=other)
    with pytest.raises(NothingToSwitch):
        world.preview("move", one, target_protocol_id=one)
