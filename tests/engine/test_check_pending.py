"""What is legitimately not done yet is pending, not drift; what was right when it was decided stays right."""

from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from lockstep.domain.drift import DriftKind
from lockstep.engine.outage import beat
from lockstep.engine.patient import change_zone
from lockstep.engine.pause import pause
from lockstep.proof.small_world import weighed, weights
from lockstep.store.database import Database

from .checked_world import JUDGED_AT, LATER, Checked
from .judged_world import DAY
from .measured_world import MORNING

if TYPE_CHECKING:
    from tests.conftest import Clock


@pytest.fixture
def world(database: Database, clock: "Clock", admin: psycopg.Connection) -> Checked:
    """Three patients after a day; anna measured."""
    made = Checked(database, admin, clock.set)
    made.record(weighed("anna", "1", MORNING), at=MORNING)
    made.pass_until(JUDGED_AT)
    return made


def test_behind_is_not_drift(world: Checked) -> None:
    world.world.publish(world.protocol_id, weights(times=[("noon", "12:00", "13:00")]))
    certificate = world.check()
    assert (certificate.drifted, certificate.pending) == (0, 3)


def test_behind_for_long_is_drift_unless_somebody_is_at_it(world: Checked) -> None:
    world.world.publish(world.protocol_id, weights(times=[("noon", "12:00", "13:00")]))
    now = JUDGED_AT + timedelta(minutes=10)
    world.set_clock(now)
    world.show_alive(now)
    assert {each.kind for each in world.now_drifting()} == {DriftKind.WRONG_VERSION}
    # The switch has a recalculation that has not ended.
    world.wrong(
        "insert into operation (organisation_id, kind, state, sentence, switch_id, starts_at, started_by, started_at)"
        " select organisation_id, 'recalculation', 'running', 's', max(switch_id), now(), 't', now()"
        " from switch group by 1"
    )
    certificate = world.check()
    assert (certificate.drifted, certificate.pending) == (0, 3)
    world.wrong("update operation set ended_at = now() where kind = 'recalculation'")
    certificate = world.check()
    assert certificate.drifted == 3
    assert world.repair(certificate).enrolments == 3
    assert world.now_drifting() == []


def test_whoever_stands_aside_is_pending(world: Checked) -> None:
    world.wrong("delete from agenda where enrolment_id = %s", world.bram)
    world.wrong(
        "insert into recalculation_exception (organisation_id, enrolment_id, reason, first_at, next_try_at)"
        " values (%s, %s, 'X', now(), now())",
        world.organisation_id,
        world.bram,
    )
    certificate = world.check()
    assert (certificate.drifted, certificate.pending) == (0, 1)


def test_what_was_due_a_moment_ago_is_pending(world: Checked) -> None:
    world.set_clock(JUDGED_AT + DAY + timedelta(seconds=20))
    world.show_alive(JUDGED_AT + DAY + timedelta(seconds=20))
    certificate = world.check()
    assert (certificate.drifted, certificate.pending) == (0, 3)
    world.set_clock(JUDGED_AT + DAY + timedelta(seconds=40))
    world.show_alive(JUDGED_AT + DAY + timedelta(seconds=40))
    assert {each.kind for each in world.now_drifting()} == {DriftKind.MISSING_OCCURRENCE}


def test_nothing_is_missing_while_ingestion_is_not_seen_alive(world: Checked) -> None:
    world.set_clock(JUDGED_AT + DAY + timedelta(hours=5))
    certificate = world.check()
    assert (certificate.drifted, certificate.pending) == (0, 3)
    assert certificate.judged_until_at is not None
    assert certificate.judged_until_at < JUDGED_AT + DAY


def test_rows_are_extended_by_an_outage_only_when_due(world: Checked) -> None:
    opens = MORNING + DAY
    world.show_alive(opens)
    world.set_clock(opens + timedelta(minutes=50))
    assert beat(world.database, organisation_id=world.organisation_id, source="test") is not None
    assert world.check().drifted == 0
    late = JUDGED_AT + DAY + timedelta(minutes=55)
    world.judge(late - timedelta(minutes=30))
    world.judge(late)
    world.show_alive(late + LATER)
    world.set_clock(late + LATER)
    assert world.now_drifting() == []
    assert world.ask("select count(*) from occurrence where on_date = '2026-03-04'") == [(3,)]


def test_a_pause_entered_afterwards_makes_no_judgement_wrong(world: Checked) -> None:
    pause(
        world.database,
        organisation_id=world.organisation_id,
        enrolment_id=world.bram,
        from_at=MORNING - timedelta(hours=5),
        until_at=JUDGED_AT + DAY,
        reason="in hospital since Tuesday",
        actor="t",
    )
    assert world.ask(f"select state from occurrence where enrolment_id = {world.bram}") == [("missed",)]
    assert world.now_drifting() == []
    assert world.check().drifted == 0


def test_fulfilled_before_it_was_superseded_stays_right(world: Checked) -> None:
    taken = MORNING + DAY
    world.record(weighed("anna", "2", taken), at=taken)
    world.set_clock(taken + LATER)
    world.world.publish(world.protocol_id, weights(times=[("noon", "12:00", "13:00")]))
    for each in (world.anna, world.bram, world.carl):
        world.world.enrolment_of[str(each)] = each
    certificate = world.check()
    assert (certificate.drifted, certificate.pending) == (0, 3)


def test_a_correction_of_what_came_late_stays_right(world: Checked) -> None:
    world.record(weighed("bram", "2", MORNING), at=JUDGED_AT + LATER)
    assert world.ask("select state from occurrence_correction") == [("fulfilled",)]
    assert world.check().drifted == 0


def test_what_was_fulfilled_before_an_outage_is_not_asked_again_by_a_later_fact(world: Checked) -> None:
    taken = MORNING + DAY
    world.record(weighed("bram", "2", taken), at=taken)
    world.show_alive(taken)
    # The outage keeps the window open on the timeline, beyond the close that was stored with the decision.
    world.set_clock(taken + timedelta(hours=4))
    assert beat(world.database, organisation_id=world.organisation_id, source="test") is not None
    (patient_id,) = world.ask(f"select patient_id from enrolment where enrolment_id = {world.bram}")[0]
    change_zone(
        world.database, organisation_id=world.organisation_id, patient_id=patient_id, zone="Europe/Berlin", actor="t"
    )
    assert world.ask(f"select on_date::text from agenda where enrolment_id = {world.bram}") == [("2026-03-05",)]
    assert [each for each in world.now_drifting() if each.enrolment_id == world.bram] == []
