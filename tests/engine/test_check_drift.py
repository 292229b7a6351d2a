"""Each kind of drift, made by hand, is found by a check, repaired from facts, and gone by the next one."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from lockstep.domain.drift import DriftKind
from lockstep.engine.enrolment import discharge
from lockstep.engine.pause import pause
from lockstep.proof.small_world import weighed, weights
from lockstep.store.database import Database

from .checked_world import JUDGED_AT, LATER, Checked
from .judged_world import DAY
from .measured_world import MORNING

if TYPE_CHECKING:
    from tests.conftest import Clock

SECOND = MORNING + DAY


@pytest.fixture
def world(database: Database, clock: "Clock", admin: psycopg.Connection) -> Checked:
    """Three patients after two days: anna measured on both, bram on the first, carl never."""
    made = Checked(database, admin, clock.set)
    made.record(weighed("anna", "1", MORNING), at=MORNING)
    made.record(weighed("bram", "2", MORNING), at=MORNING)
    made.pass_until(JUDGED_AT)
    made.record(weighed("anna", "3", SECOND), at=SECOND)
    made.pass_until(JUDGED_AT + DAY)
    return made


def test_a_world_as_it_should_be_has_none(world: Checked) -> None:
    certificate = world.check()
    assert world.drifts(certificate) == []
    assert (certificate.checked, certificate.drifted, certificate.pending) == (3, 0, 0)
    assert certificate.judged_until_at == JUDGED_AT + DAY + LATER - timedelta(seconds=30)
    assert world.alerts() == [
        ("missed", "open", 2, False),
        ("missed", "open", 1, False),
        ("silent", "open", 2, False),
    ]


# -- the head


def test_a_head_on_another_protocol(world: Checked) -> None:
    other = world.world.protocol("other")
    world.world.publish(other, weights(times=[("noon", "12:00", "13:00")]))
    world.wrong(
        "update agenda_head set protocol_id = %s, generation = (select max(generation) from switch_acceptance)"
        " where enrolment_id = %s",
        other, world.anna,
    )  # fmt: skip
    drift = world.find_and_repair("wrong version", world.anna)
    assert drift.activity_key is None
    assert drift.expected is not None
    assert drift.found is not None
    assert (drift.expected["protocol_id"], drift.found["protocol_id"]) == (world.protocol_id, other)
    assert world.ask("select distinct protocol_id from agenda_head") == [(world.protocol_id,)]


def test_a_head_that_is_gone(world: Checked) -> None:
    world.wrong("delete from agenda_head where enrolment_id = %s", world.bram)
    drift = world.find_and_repair("stale agenda", world.bram)
    assert drift.found is None


def test_a_head_from_the_future_that_no_switch_would_reach(world: Checked) -> None:
    world.wrong("update agenda_head set generation = 1000000 where enrolment_id = %s", world.bram)
    world.find_and_repair("wrong version", world.bram)


def test_a_head_that_would_sleep_over_its_next_change(world: Checked) -> None:
    pause(
        world.database,
        organisation_id=world.organisation_id,
        enrolment_id=world.anna,
        until_at=JUDGED_AT + 5 * DAY,
        reason="holiday",
        actor="t",
    )
    assert world.now_drifting() == []
    world.wrong("update agenda_head set next_change_at = null where enrolment_id = %s", world.anna)
    world.find_and_repair("stale agenda", world.anna)


def test_a_head_of_another_cohort(world: Checked) -> None:
    world.wrong(
        "insert into cohort (organisation_id, zone, anchor_on) values (%s, 'Asia/Tokyo', '2026-01-01')",
        world.organisation_id,
    )
    world.wrong(
        "update agenda_head set cohort_id = (select max(cohort_id) from cohort) where enrolment_id = %s", world.carl
    )
    world.find_and_repair("stale agenda", world.carl)


# -- rows


def test_a_row_of_a_version_that_asks_otherwise(world: Checked) -> None:
    admin = world.admin
    world.world.publish(world.protocol_id, weights(times=[("noon", "12:00", "13:00")]))
    world.wrong(
        "update agenda_head set generation = (select max(generation) from switch_acceptance), version_number = 2"
    )
    admin.execute("update agenda set version_number = 1")
    certificate = world.check()
    drifts = world.drifts(certificate)
    assert {each.enrolment_id for each in drifts} == {world.anna, world.bram, world.carl}
    assert {each.kind for each in drifts} == {DriftKind.STALE_AGENDA}
    # Of the right window, but by the number of a version that would not ask for it.
    world.repair(certificate)
    assert world.now_drifting() == []
    admin.execute("update agenda set version_number = 1 where enrolment_id = %s", [world.carl])
    world.find_and_repair("wrong version", world.carl)


def test_a_row_at_another_occurrence(world: Checked) -> None:
    world.wrong(
        "update agenda set on_date = on_date + 1, opens_at = opens_at + interval '1 day',"
        " closes_at = closes_at + interval '1 day', judge_at = judge_at + interval '1 day' where enrolment_id = %s",
        world.anna,
    )
    drift = world.find_and_repair("stale agenda", world.anna)
    assert drift.expected is not None
    assert drift.found is not None
    assert (drift.expected["on"], drift.found["on"]) == ("2026-03-05", "2026-03-06")
    assert drift.activity_key == "weight"


def test_a_row_that_closes_at_another_time(world: Checked) -> None:
    world.wrong("update agenda set judge_at = judge_at + interval '1 hour' where enrolment_id = %s", world.anna)
    world.find_and_repair("stale agenda", world.anna)


def test_a_row_that_is_gone(world: Checked) -> None:
    world.wrong("delete from agenda where enrolment_id = %s", world.carl)
    world.find_and_repair("stale agenda", world.carl)
    # The run goes on where it was.
    assert world.rows()[2][3] == 2


def test_a_row_of_an_activity_that_was_removed(world: Checked) -> None:
    world.wrong(
        "insert into agenda (organisation_id, enrolment_id, activity_key, cohort_id, protocol_id, version_number,"
        " on_date, slot, opens_at, closes_at, judge_at) select organisation_id, enrolment_id, 'pulse', cohort_id,"
        " protocol_id, version_number, on_date, slot, opens_at, closes_at, judge_at from agenda"
        " where enrolment_id = %s",
        world.bram,
    )
    drift = world.find_and_repair("stale agenda", world.bram)
    assert (drift.activity_key, drift.expected) == ("pulse", None)


def test_an_agenda_after_discharge(world: Checked) -> None:
    kept = world.ask("select * from agenda_head where enrolment_id = " + str(world.bram))
    discharge(world.database, organisation_id=world.organisation_id, enrolment_id=world.bram, reason="moved", actor="t")
    assert world.now_drifting() == []
    places = ", ".join(["%s"] * len(kept[0]))
    world.wrong(f"insert into agenda_head values ({places})", *kept[0])
    world.find_and_repair("stale agenda", world.bram)


# -- decided occurrences


def test_an_occurrence_that_was_never_decided(world: Checked) -> None:
    world.wrong("delete from occurrence where enrolment_id = %s and on_date = '2026-03-03'", world.carl)
    drift = world.find_and_repair("missing occurrence", world.carl)
    assert drift.expected is not None
    assert (drift.expected["on"], drift.expected["state"], drift.found) == ("2026-03-03", "missed", None)
    again = world.ask(f"select on_date::text, state from occurrence where enrolment_id = {world.carl} order by 1")
    assert again == [("2026-03-03", "missed"), ("2026-03-04", "missed")]


def test_an_occurrence_that_a_measurement_fulfils_but_nobody_decided(world: Checked) -> None:
    world.wrong("delete from occurrence where enrolment_id = %s and on_date = '2026-03-03'", world.bram)
    # Both that it is due, and by what it is fulfilled.
    assert {each.expected["state"] for each in world.now_drifting() if each.expected} == {"missed", "fulfilled"}
    world.find_and_repair("missing occurrence", world.bram)
    again = world.ask(
        f"select state, measurement_id is not null from occurrence where enrolment_id = {world.bram} order by on_date"
    )
    assert again == [("fulfilled", True), ("missed", False)]


def test_an_occurrence_that_is_on_no_timeline(world: Checked) -> None:
    world.wrong(
        "insert into occurrence (organisation_id, enrolment_id, activity_key, on_date, slot, protocol_id,"
        " version_number, opens_at, closes_at, judge_at, state, decided_at)"
        " select organisation_id, enrolment_id, activity_key, on_date, 'midnight', protocol_id,"
        " version_number, opens_at, closes_at, judge_at, 'missed', judge_at from occurrence"
        " where enrolment_id = %s and on_date = '2026-03-03'",
        world.anna,
    )
    drift = world.find_and_repair("extra occurrence", world.anna)
    assert drift.expected is None
    assert world.ask("select slot, state from occurrence_correction") == [("midnight", "waived")]


def test_a_miss_that_is_false(world: Checked) -> None:
    world.wrong(
        "update occurrence set state = 'missed', measurement_id = null"
        " where enrolment_id = %s and on_date = '2026-03-03'",
        world.bram,
    )
    certificate = world.check()
    kinds = {(each.kind.value, each.enrolment_id) for each in world.drifts(certificate)}
    # With it the next miss would be the second in a row, of which nobody was told.
    assert kinds == {
        ("extra occurrence", world.bram),
        ("missing alert", world.bram),
    }
    assert world.repair(certificate).left == 0
    assert world.now_drifting() == []
    assert world.ask("select state, measurement_id is not null from occurrence_correction") == [("fulfilled", True)]


def test_a_miss_judged_too_early(world: Checked) -> None:
    world.set_clock(SECOND + DAY)
    world.wrong(
        "insert into occurrence (organisation_id, enrolment_id, activity_key, on_date, slot, protocol_id,"
        " version_number, opens_at, closes_at, judge_at, state, decided_at)"
        " select organisation_id, enrolment_id, activity_key, on_date, slot, protocol_id,"
        " version_number, opens_at, closes_at, judge_at, 'missed', opens_at from agenda"
        " where enrolment_id = %s",
        world.anna,
    )
    world.wrong(
        "update agenda set on_date = on_date + 1, opens_at = opens_at + interval '1 day',"
        " closes_at = closes_at + interval '1 day', judge_at = judge_at + interval '1 day' where enrolment_id = %s",
        world.anna,
    )
    certificate = world.check()
    kinds = {(each.kind.value, each.enrolment_id) for each in world.drifts(certificate)}
    assert kinds == {("extra occurrence", world.anna), ("missing alert", world.anna)}
    # It cannot be taken back before its window is over; then it is what a judge would say.
    assert world.repair(certificate).left == 1
    world.pass_until(JUDGED_AT + 2 * DAY)
    assert world.now_drifting() == []


def test_fulfilled_without_a_measurement(world: Checked) -> None:
    world.wrong(
        "update occurrence set state = 'fulfilled' where enrolment_id = %s and on_date = '2026-03-04'", world.bram
    )
    world.wrong(
        "delete from alert_sample where alert_id in (select alert_id from alert where enrolment_id = %s)", world.bram
    )
    world.wrong("delete from alert where enrolment_id = %s", world.bram)
    drift = world.find_and_repair("extra occurrence", world.bram)
    assert drift.expected is not None
    assert drift.expected["state"] == "missed"
    # Corrected to missed, it raised its alert.
    assert world.ask(f"select rule_key, state from alert where enrolment_id = {world.bram}") == [("missed", "open")]


def test_fulfilled_by_a_measurement_of_another_time(world: Checked) -> None:
    world.wrong(
        "update occurrence set measurement_id = (select measurement_id from measurement where identifier = '1')"
        " where enrolment_id = %s and on_date = '2026-03-04'",
        world.anna,
    )
    drift = world.find("extra occurrence", world.anna)
    assert drift.found is not None
    assert (drift.found["on"], drift.found["state"]) == ("2026-03-04", "fulfilled")


# -- alerts


def test_a_missing_alert(world: Checked) -> None:
    world.wrong("delete from alert where enrolment_id = %s", world.bram)
    drift = world.find_and_repair("missing alert", world.bram)
    assert drift.expected is not None
    assert (drift.expected["rule"], drift.expected["on"]) == ("missed", "2026-03-04")


def test_a_missing_alert_of_a_run(world: Checked) -> None:
    world.wrong("delete from alert where enrolment_id = %s and rule_key = 'silent'", world.carl)
    drift = world.find_and_repair("missing alert", world.carl)
    assert drift.expected is not None
    assert (drift.expected["rule"], drift.expected["on"]) == ("silent", "2026-03-04")


@pytest.mark.parametrize("sampled", [True, False])
def test_a_false_alert(world: Checked, sampled: bool) -> None:
    world.wrong(
        "insert into alert (organisation_id, enrolment_id, activity_key, rule_key, kind, severity, protocol_id,"
        " version_number, about_at, raised_at, updated_at) values (%s, %s, 'weight', 'missed', 'missed', 'grey', %s, 1,"
        " lockstep_now(), lockstep_now(), lockstep_now())",
        world.organisation_id, world.anna, world.protocol_id,
    )  # fmt: skip
    if sampled:
        world.wrong(
            "insert into alert_sample (organisation_id, alert_id, at, on_date, slot, severity, protocol_id,"
            " version_number, recorded_at) select organisation_id, alert_id, about_at, '2026-03-04', 'morning',"
            " severity, protocol_id, version_number, raised_at from alert"
            " where enrolment_id = %s",
            world.anna,
        )
    world.find_and_repair("false alert", world.anna)
    assert world.ask(f"select state from alert where enrolment_id = {world.anna}") == [("resolved",)]


def test_an_alert_of_a_run_that_was_too_short(world: Checked) -> None:
    world.wrong(
        "update alert set enrolment_id = %s where enrolment_id = %s and rule_key = 'silent'", world.bram, world.carl
    )
    certificate = world.check()
    assert {(each.kind.value, each.enrolment_id) for each in world.drifts(certificate)} == {
        ("false alert", world.bram),
        ("missing alert", world.carl),
    }
    assert world.repair(certificate).enrolments == 2
    assert world.now_drifting() == []


def test_no_value_of_a_patient_is_kept_as_evidence(world: Checked) -> None:
    world.wrong("update measurement set value = 123.456")
    world.wrong("delete from occurrence")
    world.wrong("delete from agenda")
    world.check()
    (text,) = world.ask("select string_agg(coalesce(expected::text, '') || coalesce(found::text, ''), ' ') from drift")[
        0
    ]
    assert text
    assert "123.456" not in text


def test_instants_are_kept_as_they_are_compared(world: Checked) -> None:
    world.wrong("delete from agenda where enrolment_id = %s", world.carl)
    drift = world.find("stale agenda", world.carl)
    assert drift.expected is not None
    assert datetime.fromisoformat(str(drift.expected["opens_at"])) == SECOND.replace(hour=7, minute=0) + DAY
