"""A check ends with a certificate that does not depend on slices, and goes on from where the last one ended."""

from datetime import date, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from lockstep.domain.operation import OperationState
from lockstep.domain.refusal import InvalidChoice, UnknownCheck
from lockstep.engine.check import (
    check_slice,
    check_some,
    finish,
    get_check,
    list_certificates,
    list_missed_days,
    start_check,
)
from lockstep.engine.chunk import Memory
from lockstep.engine.operation import get_operation
from lockstep.engine.recalculation import sweep
from lockstep.engine.repair import repair
from lockstep.proof.small_world import weighed, weights
from lockstep.store.database import Database

from .checked_world import JUDGED_AT, RULES, Checked
from .judged_world import DAY
from .measured_world import MORNING

if TYPE_CHECKING:
    from tests.conftest import Clock

NAMES = ("anna", "bram", "carl", *(f"p{number}" for number in range(20)))


@pytest.fixture
def world(database: Database, clock: "Clock", admin: psycopg.Connection) -> Checked:
    """Patients of whom one in three measured, after a day."""
    made = Checked(database, admin, clock.set, patients=NAMES)
    items = [weighed(name, name, MORNING) for number, name in enumerate(NAMES) if number % 3 == 0]
    made.record_all(list(items), at=MORNING)
    made.pass_until(JUDGED_AT)
    return made


def test_the_hash_does_not_depend_on_slices(world: Checked) -> None:
    certificates = [world.check(size=size) for size in (1, 7, 1000)]
    assert len({each.hash for each in certificates}) == 1
    assert {(each.checked, each.drifted) for each in certificates} == {(len(NAMES), 0)}


def test_the_hash_tells_of_what_was_compared(world: Checked) -> None:
    before = world.check()
    world.wrong("update occurrence set state = 'fulfilled late' where enrolment_id = %s", world.anna)
    assert world.check().hash != before.hash


def test_what_is_found_does_not_depend_on_slices(world: Checked) -> None:
    world.wrong("delete from agenda where enrolment_id = any(%s)", [world.anna, world.carl])
    world.wrong("delete from alert where enrolment_id = %s", world.bram)
    certificates = [world.check(size=size) for size in (1, 7, 1000)]
    assert len({each.hash for each in certificates}) == 1
    assert {each.drifted for each in certificates} == {3}
    found = [world.drifts(each) for each in certificates]
    assert found[0] == found[1] == found[2]


def test_parts_make_up_the_whole(world: Checked) -> None:
    key = world.of
    checked = 0
    for after, until in ((0, world.carl), (world.carl, 2**62)):
        check_id = start_check(
            world.database,
            organisation_id=world.organisation_id,
            scope="organisation",
            actor="t",
            after_enrolment_id=after,
            until_enrolment_id=until,
        )
        while not (done := check_slice(world.database, **key, check_id=check_id, size=2)).done:
            checked += done.checked
        checked += done.checked
        assert finish(world.database, **key, check_id=check_id, actor="t").drifted == 0
    assert checked == len(NAMES)
    # A part says nothing of the whole, so the next check begins where the world did.
    check_id = start_check(world.database, **key, scope="organisation", actor="t")
    assert get_check(world.database, **key, check_id=check_id).since_at is None


def test_a_part_does_not_hide_the_last_certificate_of_the_whole(world: Checked) -> None:
    key = world.of
    world.check()
    part = start_check(world.database, **key, scope="organisation", actor="t", until_enrolment_id=world.anna)
    check_slice(world.database, **key, check_id=part)
    finish(world.database, **key, check_id=part, actor="t")
    check_id = start_check(world.database, **key, scope="organisation", actor="t")
    assert get_check(world.database, **key, check_id=check_id).since_at is not None


def test_it_goes_on_where_the_last_certificate_ended(world: Checked) -> None:
    first = world.check()
    second = world.check()
    assert first.judged_until_at is not None
    check = get_check(world.database, organisation_id=world.organisation_id, check_id=second.check_id)
    assert check.since_at is not None
    assert first.judged_until_at - timedelta(days=1) < check.since_at < first.judged_until_at
    # What drifted is looked at again, until it is mended.
    world.wrong("delete from agenda where enrolment_id = %s", world.anna)
    assert world.check().drifted == 1
    since = [
        get_check(world.database, organisation_id=world.organisation_id, check_id=each.check_id).since_at
        for each in (world.check(), world.check())
    ]
    assert since[0] == since[1]


def test_it_is_resumed_where_it_stands(world: Checked) -> None:
    key = world.of
    check_id = start_check(world.database, **key, scope="organisation", actor="t")
    with pytest.raises(InvalidChoice):
        finish(world.database, **key, check_id=check_id, actor="t")
    check_slice(world.database, **key, check_id=check_id, size=5)
    assert get_check(world.database, **key, check_id=check_id).checked == 5
    while not check_slice(world.database, **key, check_id=check_id, size=5).done:
        pass
    certificate = finish(world.database, **key, check_id=check_id, actor="t")
    assert certificate.checked == len(NAMES)
    assert finish(world.database, **key, check_id=check_id, actor="t") == certificate
    assert check_slice(world.database, **key, check_id=check_id, size=5).done
    assert list_certificates(world.database, **key) == [certificate]


def test_the_operation_tells_what_came_of_it(world: Checked) -> None:
    key = world.of
    for wrong, state in ((False, OperationState.SUCCEEDED), (True, OperationState.SUCCEEDED_WITH_EXCEPTIONS)):
        if wrong:
            world.wrong("delete from agenda where enrolment_id = %s", world.anna)
        check = get_check(world.database, **key, check_id=world.check().check_id)
        assert check.operation_id is not None
        assert get_operation(world.database, **key, operation_id=check.operation_id).state is state
    actions = [row[0] for row in world.ask("select action from audit_entry order by audit_entry_id")]
    assert actions[-4:] == ["start check", "certify check"] * 2


@pytest.mark.parametrize("scope", ["enrolment", "selection", "protocol", "program"])
def test_it_checks_only_its_scope(world: Checked, scope: str) -> None:
    world.wrong(
        "insert into selection (organisation_id, protocol_id, description, member_count, created_by)"
        " values (%s, %s, 'some', 1, 't')",
        world.organisation_id,
        world.protocol_id,
    )
    (selection_id,) = world.ask("select selection_id from selection")[0]
    world.wrong("insert into selection_member values (%s, %s, %s)", world.organisation_id, selection_id, world.bram)
    (program_id,) = world.ask("select program_id from program")[0]
    scopes = {
        "enrolment": (world.bram, 1),
        "selection": (selection_id, 1),
        "protocol": (world.protocol_id, len(NAMES)),
        "program": (program_id, len(NAMES)),
    }
    scope_id, count = scopes[scope]
    certificate = world.check(scope=scope, scope_id=scope_id, size=7)
    assert (certificate.checked, certificate.scope, certificate.scope_id) == (count, scope, scope_id)
    assert world.check(scope=scope, scope_id=scope_id + 1000).checked == 0


def test_what_cannot_be_checked_is_refused(world: Checked) -> None:
    key = world.of
    for scope, scope_id in (("planet", 1), ("program", None), ("organisation", 1)):
        with pytest.raises(InvalidChoice):
            start_check(world.database, organisation_id=1, scope=scope, scope_id=scope_id, actor="t")
    with pytest.raises(UnknownCheck):
        check_slice(world.database, **key, check_id=999)
    with pytest.raises(UnknownCheck):
        repair(world.database, **key, check_id=999, actor="t")


def test_the_continuous_check_walks_through_everybody_within_a_day(world: Checked) -> None:
    key = world.of
    begun = world.ask("select lockstep_now()")[0][0]
    rounds = 0
    at = begun
    while not list_certificates(world.database, **key):
        # As a duty does it: whenever it may, it does; it is never asked to hurry.
        while (done := check_some(world.database, **key, size=5)) is not None and not done.done:
            rounds += 1
        at += timedelta(minutes=10)
        world.set_clock(at)
        world.show_alive(at)
    assert rounds > 1
    assert timedelta(hours=12) < at - begun <= timedelta(days=1)
    assert check_some(world.database, **key, size=5) is None
    world.pass_until(begun + timedelta(days=1, minutes=1))
    assert check_some(world.database, **key, size=5) is not None


def test_days_missed_are_found_and_made_up(world: Checked) -> None:
    key = world.of
    first = world.check()
    world.pass_until(JUDGED_AT + 3 * DAY)
    assert list_missed_days(world.database, **key, since_on=date(2026, 3, 1), until_on=date(2026, 3, 6)) == [
        date(2026, 3, day) for day in (1, 2, 4, 5)
    ]
    world.wrong("delete from occurrence where on_date = '2026-03-04' and enrolment_id = %s", world.bram)
    second = world.check()
    assert second.issued_at - first.issued_at == 3 * DAY
    assert {each.kind.value for each in world.drifts(second)} == {"missing occurrence"}
    told = world.ask("select data->'missed_days' from operation_event where data ? 'missed_days' order by event_id")
    assert told == [([],), (["2026-03-04", "2026-03-05"],)]


def test_what_was_fulfilled_before_a_switch_put_it_off(world: Checked) -> None:
    """Its key is decided, so the row holds the next day's; also where a certificate came between."""
    measured_at = MORNING + DAY
    world.record(weighed("anna", "again", measured_at), at=measured_at)
    world.set_clock(measured_at + timedelta(minutes=10))
    world.world.publish(world.protocol_id, weights(times=[("morning", "18:00", "20:00")], rules=[*RULES]))
    cursor: int | None = 0
    while cursor is not None:
        _, cursor = sweep(world.database, **world.of, cursor_id=cursor, size=100, memory=Memory())
    assert world.now_drifting() == []
    for hours in (4, 5):
        world.pass_until(measured_at + timedelta(hours=hours))
        assert world.drifts(world.check()) == []
