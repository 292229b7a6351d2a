"""When a switch takes effect: now, each patient's next midnight, a civil date-time, an instant; never in the past."""

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from tests.engine.switch_world import World, activity, content, found

from lockstep.domain.refusal import InThePast
from lockstep.store.database import Database

if TYPE_CHECKING:
    from tests.conftest import Clock

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
TICK = timedelta(microseconds=1)
# 2026-03-02 12:00 UTC is 2 March 01:00 in Niue (UTC-11) and 3 March 02:00 in Kiritimati (UTC+14).
ZONES = {"Pacific/Niue": -11, "Pacific/Kiritimati": 14, "Europe/Amsterdam": 1}


def world_of(database: Database, clock: "Clock") -> tuple[World, int, dict[str, int]]:
    clock.set(NOON)
    world = found(database)
    protocol = world.protocol("p")
    world.publish(protocol, activity())
    enrolled = {zone: world.enrol(protocol, [zone], zone=zone)[0] for zone in ZONES}
    return world, protocol, enrolled


def begins(world: World, enrolment_id: int, at: datetime) -> None:
    """Version 2 is in force from the instant on, version 1 until then."""
    assert world.in_force(enrolment_id, at)[1] == 2
    assert world.in_force(enrolment_id, at - TICK)[1] == 1


def test_now_is_the_instant_of_acceptance_for_everyone(database: Database, clock: "Clock") -> None:
    world, protocol, enrolled = world_of(database, clock)
    clock.set(NOON + timedelta(hours=3))
    accepted = world.publish(protocol, activity(opens="07:00"))
    assert accepted.first_at == accepted.last_at == accepted.accepted_at == NOON + timedelta(hours=3)
    for enrolment_id in enrolled.values():
        begins(world, enrolment_id, accepted.accepted_at)


def test_next_day_is_each_patients_own_next_midnight(database: Database, clock: "Clock") -> None:
    world, protocol, enrolled = world_of(database, clock)
    accepted = world.publish(protocol, activity(opens="07:00"), effective="next day")
    expected = {
        "Pacific/Niue": datetime(2026, 3, 3, 11, 0, tzinfo=UTC),
        "Pacific/Kiritimati": datetime(2026, 3, 3, 10, 0, tzinfo=UTC),  # 4 March there
        "Europe/Amsterdam": datetime(2026, 3, 2, 23, 0, tzinfo=UTC),
    }
    for zone, at in expected.items():
        begins(world, enrolled[zone], at)
        assert accepted.first_at <= at <= accepted.last_at
    assert NOON < accepted.first_at <= NOON + timedelta(minutes=15), "somewhere it is midnight soon"


def test_a_civil_date_time_is_each_patients_own(database: Database, clock: "Clock") -> None:
    world, protocol, enrolled = world_of(database, clock)
    local = datetime(2026, 3, 5, 8, 30)  # noqa: DTZ001
    accepted = world.publish(protocol, activity(opens="07:00"), effective="civil", effective_local=local)
    assert accepted.first_at == datetime(2026, 3, 4, 18, 30, tzinfo=UTC)
    assert accepted.last_at == datetime(2026, 3, 5, 20, 30, tzinfo=UTC)
    for zone, hours in ZONES.items():
        begins(world, enrolled[zone], local.replace(tzinfo=UTC) - timedelta(hours=hours))


def test_a_civil_date_time_that_passed_in_some_zones_is_the_acceptance_there(
    database: Database, clock: "Clock"
) -> None:
    world, protocol, enrolled = world_of(database, clock)
    local = datetime(2026, 3, 2, 12, 30)  # noqa: DTZ001
    now = NOON + timedelta(minutes=1)
    clock.set(now)
    accepted = world.publish(protocol, activity(opens="07:00"), effective="civil", effective_local=local)
    assert accepted.first_at == now
    begins(world, enrolled["Pacific/Kiritimati"], now)
    begins(world, enrolled["Europe/Amsterdam"], now)
    begins(world, enrolled["Pacific/Niue"], datetime(2026, 3, 2, 23, 30, tzinfo=UTC))


def test_an_instant_is_one_for_all(database: Database, clock: "Clock") -> None:
    world, protocol, enrolled = world_of(database, clock)
    at = NOON + timedelta(days=1)
    accepted = world.publish(protocol, activity(opens="07:00"), effective="instant", effective_at=at)
    assert accepted.first_at == accepted.last_at == at
    for enrolment_id in enrolled.values():
        begins(world, enrolment_id, at)


@pytest.mark.parametrize(
    "when",
    [
        {"effective": "instant", "effective_at": NOON},
        {"effective": "instant", "effective_at": NOON - timedelta(days=1)},
        {"effective": "civil", "effective_local": datetime(2026, 3, 2, 0, 0)},  # noqa: DTZ001
        {"effective": "civil", "effective_local": datetime(2020, 1, 1, 0, 0)},  # noqa: DTZ001
    ],
)
def test_the_past_is_refused(database: Database, clock: "Clock", when: dict[str, object]) -> None:
    world, protocol, _ = world_of(database, clock)
    with pytest.raises(InThePast):
        world.preview("publish", protocol, content=content(activity(opens="07:00")), **when)


def test_what_passed_between_preview_and_acceptance_is_refused(database: Database, clock: "Clock") -> None:
    world, protocol, enrolled = world_of(database, clock)
    at = NOON + timedelta(minutes=10)
    preview = world.preview(
        "publish", protocol, content=content(activity(opens="07:00")), effective="instant", effective_at=at
    )
    clock.set(at)
    with pytest.raises(InThePast):
        world.accept(preview)
    assert world.in_force(enrolled["Pacific/Niue"]) == (protocol, 1)


def test_a_move_takes_effect_at_each_patients_midnight(database: Database, clock: "Clock") -> None:
    world, protocol, enrolled = world_of(database, clock)
    other = world.protocol("other")
    world.publish(other, activity(opens="06:00"))
    accepted = world.move(protocol, other, effective="next day")
    for zone, hours in ZONES.items():
        midnight = datetime.combine(date(2026, 3, 3 + (hours == 14)), datetime.min.time(), UTC) - timedelta(hours=hours)
        assert world.in_force(enrolled[zone], midnight)[0] == other
        assert world.in_force(enrolled[zone], midnight - TICK)[0] == protocol
        assert accepted.first_at <= midnight <= accepted.last_at
