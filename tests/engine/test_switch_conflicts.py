"""No switch takes a personal change away unsigned: not one made meanwhile, nor a minority's, nor by a move (rule 8)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from tests.engine.switch_world import World, activity, content, found

from lockstep.domain.refusal import LockedField, PersonalChangesInConflict, StalePreview
from lockstep.engine import acceptance
from lockstep.engine.personal_change import clear_personal_change, set_personal_change
from lockstep.engine.switch import approve_switch, withdraw_switch
from lockstep.store.database import Database
from lockstep.store.switch import claim_acceptance

if TYPE_CHECKING:
    from tests.conftest import Clock

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
LOCKED = {"quantity": "locked"}


def change(world: World, enrolment_id: int, *, key: str = "weight", field: str = "quantity", value: object = 2) -> None:
    set_personal_change(
        world.database,
        organisation_id=world.organisation_id,
        enrolment_id=enrolment_id,
        activity_key=key,
        field=field,
        value=value,
        reason="as agreed",
        actor="d.octor",
    )


@pytest.fixture
def world(database: Database, clock: "Clock") -> World:
    clock.set(NOON)
    return found(database)


def test_made_between_preview_and_acceptance(world: World, clock: "Clock") -> None:
    protocol = world.protocol("p")
    world.publish(protocol, activity())
    anna, bram = world.enrol(protocol, ["anna", "bram"])
    preview = world.preview("publish", protocol, content=content(activity(personal=LOCKED)))
    clock.set(NOON + timedelta(minutes=1))
    change(world, bram, field="grace_minutes", value=30)
    change(world, anna)
    with pytest.raises(StalePreview, match=f"quantity of weight for enrolment {anna}") as refused:
        world.accept(preview, seen=1)
    assert not refused.value.same_effect
    again = world.preview("publish", protocol, content=content(activity(personal=LOCKED)))
    with pytest.raises(PersonalChangesInConflict):
        world.accept(again, signed_conflicts_by=" ")
    assert world.accept(again, signed_conflicts_by="d.octor").version_number == 2


def test_what_the_switch_keeps_or_was_given_back_makes_no_preview_stale(world: World) -> None:
    protocol = world.protocol("p")
    world.publish(protocol, activity())
    anna, bram = world.enrol(protocol, ["anna", "bram"])
    preview = world.preview("publish", protocol, content=content(activity(personal=LOCKED)))
    change(world, anna, field="grace_minutes", value=30)
    change(world, bram)
    clear_personal_change(
        world.database,
        organisation_id=world.organisation_id,
        enrolment_id=bram,
        activity_key="weight",
        field="quantity",
        reason="over",
        actor="d.octor",
    )
    assert world.accept(preview).version_number == 2


def test_written_before_the_preview_and_committed_after_it(
    world: World, admin: psycopg.Connection, clock: "Clock"
) -> None:
    """The instant of recording says nothing about what a preview could see."""
    protocol = world.protocol("p")
    world.publish(protocol, activity())
    (anna,) = world.enrol(protocol, ["anna"])
    with admin.transaction():
        admin.execute(
            "insert into personal_change (organisation_id, enrolment_id, number, activity_key, field, value, replaced,"
            " reason, from_at, recorded_by) values (%s, %s, 1, 'weight', 'quantity', '2', '1', 'r', %s, 'd')",
            [world.organisation_id, anna, NOON],
        )
        clock.set(NOON + timedelta(minutes=1))
        preview = world.preview("publish", protocol, content=content(activity(personal=LOCKED)))
    with pytest.raises(StalePreview):
        world.accept(preview)


def test_made_while_a_switch_is_being_accepted_it_waits_and_sees_it(
    world: World, database: Database, admin: psycopg.Connection
) -> None:
    protocol = world.protocol("p")
    world.publish(protocol, activity())
    (anna,) = world.enrol(protocol, ["anna"])
    preview = world.preview("publish", protocol, content=content(activity(personal=LOCKED)))
    with ThreadPoolExecutor(1) as pool:
        with database.transaction(world.organisation_id) as connection:
            claim = claim_acceptance(
                connection, organisation_id=world.organisation_id, switch_id=preview.switch_id, client_key="k"
            )
            assert claim is not None
            changing = pool.submit(change, world, anna)
            while admin.execute("select count(*) from pg_locks where not granted").fetchone() == (0,):
                assert not changing.done(), "it did not wait for the decision"
            acceptance._save(connection, world.organisation_id, claim, "k", "h", "m", None)
        with pytest.raises(LockedField):
            changing.result(timeout=20)


def test_after_the_acceptance_of_a_switch_to_come(world: World) -> None:
    protocol = world.protocol("p")
    world.publish(protocol, activity())
    (anna,) = world.enrol(protocol, ["anna"])
    scheduled = world.publish(protocol, activity(personal=LOCKED), effective="instant", effective_at=NOON + 48 * HOUR)
    with pytest.raises(LockedField, match=r"2026-03-04 12:00:00 UTC .* the field is locked in version 2") as refused:
        change(world, anna)
    assert "Withdraw" in refused.value.mend
    change(world, anna, field="grace_minutes", value=30)
    withdraw_switch(
        world.database, organisation_id=world.organisation_id, switch_id=scheduled.switch_id, reason="no", actor="m"
    )
    change(world, anna)


def test_a_minority_on_another_version_counts(world: World, clock: "Clock") -> None:
    protocol = world.protocol("p")
    world.publish(protocol, activity())
    anna, *_ = world.enrol(protocol, ["anna", "bram", "chris"])
    world.publish(protocol, activity(), activity("pulse"), scope="selection", enrolment_ids=[anna])
    clock.set(NOON + HOUR)
    change(world, anna, key="pulse")
    preview = world.preview("publish", protocol, content=content(activity(opens="07:00")))
    (conflict,) = preview.figures.conflicts
    assert (conflict.activity_key, conflict.enrolments, conflict.examples) == ("pulse", 1, (anna,))
    approve_switch(world.database, organisation_id=world.organisation_id, switch_id=preview.switch_id, actor="s.econd")
    with pytest.raises(PersonalChangesInConflict):
        world.accept(preview)


@pytest.mark.parametrize(
    ("target", "why"),
    [
        (activity(personal=LOCKED), "the field is locked"),
        (activity(personal={"quantity": "follow"}), "the field follows the protocol moved to"),
        (activity("pulse"), "the activity is removed"),
        (activity(), None),
    ],
)
def test_a_move_carries_what_is_kept_and_the_rest_is_signed_for(
    world: World, clock: "Clock", target: dict[str, object], why: str | None
) -> None:
    one, other = world.protocol("one"), world.protocol("other")
    world.publish(one, activity())
    world.publish(other, target)
    (anna,) = world.enrol(one, ["anna"])
    change(world, anna)
    clock.set(NOON + HOUR)
    preview = world.preview("move", one, target_protocol_id=other)
    assert [each.why for each in preview.figures.conflicts] == ([why] if why else [])
    if preview.needs_approval:
        approve_switch(
            world.database, organisation_id=world.organisation_id, switch_id=preview.switch_id, actor="s.econd"
        )
    if why:
        with pytest.raises(PersonalChangesInConflict):
            world.accept(preview)
    world.accept(preview, signed_conflicts_by="d.octor" if why else None)


def test_a_change_ended_by_a_followed_value_is_no_conflict(world: World, clock: "Clock") -> None:
    protocol = world.protocol("p")
    follow: dict[str, Any] = {"personal": {"quantity": "follow"}}
    world.publish(protocol, activity(**follow))
    (anna,) = world.enrol(protocol, ["anna"])
    change(world, anna)
    for hours, quantity in ((1, 3), (2, 1)):
        clock.set(NOON + hours * HOUR)
        world.publish(protocol, activity(quantity=quantity, **follow))
    assert world.preview("publish", protocol, content=content(activity(personal=LOCKED))).figures.conflicts == ()


def test_a_value_that_does_not_fit_any_more_is_lost_too(world: World) -> None:
    protocol = world.protocol("p")
    world.publish(protocol, activity())
    (anna,) = world.enrol(protocol, ["anna"])
    change(world, anna, field="rules.high", value={"key": "high", "above": 80, "severity": "red"})
    pounds = activity(unit="mmHg", rules=[{"key": "high", "above": 220, "severity": "red"}])
    (conflict,) = world.preview("publish", protocol, content=content(pounds)).figures.conflicts
    assert conflict.field == "rules.high"
