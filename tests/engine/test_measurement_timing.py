"""Early, late, several at once: which occurrence a measurement fulfils, and what a late arrival corrects."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import psycopg

from lockstep.domain.measurement import Outcome
from lockstep.engine.agenda import bring_in_step
from lockstep.proof.small_world import weighed, weights
from lockstep.store.clock import now
from lockstep.store.database import Database

from .measured_world import ENROLLED, MORNING, Measured

if TYPE_CHECKING:
    from tests.conftest import Clock

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def judge_missed(world: Measured, *, run: int) -> None:
    """The row's occurrence is judged missed, as the duty does: decided, alert with sample, the row goes on a day."""
    world.ask(
        "insert into occurrence select organisation_id, enrolment_id, activity_key, on_date, slot, protocol_id,"
        " version_number, opens_at, closes_at, judge_at, 'missed', null, judge_at from agenda returning 1"
    )
    world.ask(
        "with raised as (insert into alert (organisation_id, enrolment_id, activity_key, rule_key, kind, severity,"
        " protocol_id, version_number, about_at, raised_at, updated_at)"
        ""
        " select organisation_id, enrolment_id, activity_key, 'missed', 'missed', 'grey', protocol_id,"
        " version_number, closes_at, judge_at, judge_at from agenda"
        " on conflict (organisation_id, enrolment_id, activity_key, rule_key, kind) where state = 'open'"
        " do update set occurrences = alert.occurrences + 1"
        " returning organisation_id, alert_id, severity, protocol_id, version_number)"
        " insert into alert_sample (organisation_id, alert_id, at, on_date, slot, severity, protocol_id,"
        " version_number, recorded_at) select r.organisation_id, r.alert_id, a.closes_at, a.on_date, a.slot,"
        " r.severity, r.protocol_id, r.version_number, a.judge_at"
        " from raised r, agenda a returning 1"
    )
    world.ask(
        "update agenda set on_date = on_date + 1, opens_at = opens_at + interval '1 day',"
        " closes_at = closes_at + interval '1 day', judge_at = judge_at + interval '1 day',"
        f" missed_in_a_row = {run} returning 1"
    )


def bring_all_in_step(world: Measured) -> None:
    """As the writers of facts do in their own transaction."""
    with world.database.transaction(world.organisation_id) as connection:
        at = now(connection)
        bring_in_step(
            connection,
            organisation_id=world.organisation_id,
            enrolment_ids=list(world.world.enrolment_of.values()),
            now=at,
            changed_at=at,
        )


def test_too_early_is_stored_and_fulfils_nothing(database: Database, clock: "Clock", admin: psycopg.Connection) -> None:
    world = Measured(database, admin, clock.set)
    early = MORNING - timedelta(minutes=31)  # 07:59, the window opens at 08:00
    assert world.record(weighed("anna", "1", early), at=early).outcome is Outcome.STORED
    assert world.decided() == []
    assert world.rows() == [("2026-03-03", "morning", 0, 0)]


def test_the_bounds_of_window_and_grace(database: Database, clock: "Clock", admin: psycopg.Connection) -> None:
    world = Measured(database, admin, clock.set)
    opens = MORNING - timedelta(minutes=30)
    instants = [opens, opens + DAY + 2 * HOUR, opens + 2 * DAY + 4 * HOUR - timedelta(seconds=1)]
    for n, at in enumerate(instants):
        world.record(weighed("anna", str(n), at), at=at)
    assert world.decided() == [
        ("2026-03-03", "morning", "fulfilled"),
        ("2026-03-04", "morning", "fulfilled late"),
        ("2026-03-05", "morning", "fulfilled late"),
    ]


def test_a_later_occurrence_is_fulfilled_while_an_earlier_one_is_still_undecided(
    database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    world = Measured(
        database, admin, clock.set, times=(("morning", "08:00", "10:00"), ("noon", "11:00", "13:00")), grace="8h"
    )
    noon = MORNING + 3 * HOUR  # 11:30; the morning's grace lasts until 18:00
    world.record(weighed("anna", "1", noon), at=noon)
    assert world.decided() == [("2026-03-03", "noon", "fulfilled")]
    assert world.rows() == [("2026-03-03", "morning", 0, 0)]
    # Between the windows the morning can still be met late; then its row skips the noon that is met already.
    between = MORNING + 2 * HOUR
    world.record(weighed("anna", "2", between), at=noon + HOUR)
    assert world.decided() == [("2026-03-03", "morning", "fulfilled late"), ("2026-03-03", "noon", "fulfilled")]
    assert world.rows() == [("2026-03-04", "morning", 0, 0)]


def test_a_value_that_comes_late_corrects_the_miss(
    database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    world = Measured(database, admin, clock.set)
    for day in range(3):
        clock.set(MORNING + day * DAY + 5 * HOUR)
        judge_missed(world, run=day + 1)
    assert world.ask("select occurrences, state from alert") == [(3, "open")]
    late = MORNING + 2 * DAY + 6 * HOUR
    answer = world.record(weighed("anna", "1", MORNING + DAY, "95"), at=late)
    assert world.decided() == [(f"2026-03-0{day}", "morning", "missed") for day in (3, 4, 5)]
    corrections = world.ask("select on_date::text, number, state, measurement_id from occurrence_correction")
    assert corrections == [("2026-03-04", 1, "fulfilled", answer.measurement_id)]
    assert world.ask("select occurrences, state from alert where kind = 'missed'") == [(2, "open")]
    assert world.rows() == [("2026-03-06", "morning", 0, 1)]
    # The limit is judged all the same; older than a day it comes as late.
    assert world.ask("select rule_key, late, about_at from alert where kind = 'limit'") == [
        ("heavy", True, MORNING + DAY)
    ]
    again = world.record(weighed("anna", "2", MORNING + DAY + HOUR))
    assert again.outcome is Outcome.STORED
    assert world.ask("select count(*) from occurrence_correction") == [(1,)]
    for n, day in enumerate((0, 2)):
        world.record(weighed("anna", f"late {n}", MORNING + day * DAY + 3 * HOUR))  # 11:30, in grace
    assert world.ask("select state from occurrence_correction order by on_date") == [
        ("fulfilled late",),
        ("fulfilled",),
        ("fulfilled late",),
    ]
    assert world.ask("select state, resolution from alert where kind = 'missed'") == [
        ("resolved", "A measurement taken in time arrived late.")
    ]
    assert world.rows() == [("2026-03-06", "morning", 0, 0)]


def test_a_quantity_is_complete_only_with_the_last(
    database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    world = Measured(database, admin, clock.set, quantity=2)
    world.record(weighed("anna", "1", MORNING), at=MORNING)
    assert world.decided() == []
    assert world.rows() == [("2026-03-03", "morning", 1, 0)]
    second = world.record(weighed("anna", "2", MORNING + HOUR / 60), at=MORNING + HOUR)
    assert world.decided() == [("2026-03-03", "morning", "fulfilled")]
    assert world.ask("select measurement_id from occurrence") == [(second.measurement_id,)]
    assert world.rows() == [("2026-03-04", "morning", 0, 0)]


def test_a_quantity_begun_while_an_earlier_occurrence_was_undecided_goes_on(
    database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    world = Measured(
        database,
        admin,
        clock.set,
        times=(("morning", "08:00", "10:00"), ("noon", "11:00", "13:00")),
        grace="8h",
        quantity=2,
    )
    noon = MORNING + 3 * HOUR
    between = MORNING + 2 * HOUR
    world.record(weighed("anna", "1", noon), at=noon)  # one of two at noon
    world.record_all([weighed("anna", "2", between), weighed("anna", "3", between)], at=noon + HOUR)  # morning, late
    assert world.decided() == [("2026-03-03", "morning", "fulfilled late")]
    assert world.rows() == [("2026-03-03", "noon", 1, 0)]
    world.record(weighed("anna", "4", noon + HOUR))
    assert world.decided()[1:] == [("2026-03-03", "noon", "fulfilled")]


def test_values_are_judged_by_the_version_in_force_when_they_were_taken(
    database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    world = Measured(database, admin, clock.set, above=90)
    clock.set(MORNING + 5 * HOUR)
    world.world.publish(world.protocol_id, weights(above=70), timing=False)
    received = MORNING + DAY
    world.record_all([weighed("anna", "old", MORNING, "80"), weighed("anna", "new", received, "75")], at=received)
    assert world.decided() == [("2026-03-03", "morning", "fulfilled"), ("2026-03-04", "morning", "fulfilled")]
    assert world.ask("select version_number, occurrences from alert where kind = 'limit'") == [(2, 1)]
    sample = world.ask("select m.value from alert_sample join measurement m using (measurement_id)")
    assert sample == [(Decimal(75),)]


def test_matched_across_a_switch_of_the_schedule(database: Database, clock: "Clock", admin: psycopg.Connection) -> None:
    world = Measured(database, admin, clock.set)
    switched_at = MORNING + 5 * HOUR
    clock.set(switched_at)
    world.world.publish(world.protocol_id, weights(times=(("evening", "18:00", "20:00"),)))
    evening = datetime.fromisoformat("2026-03-03T18:30:00+01:00")
    # Taken in the old version's window before E, received after it; and one in the new version's first window.
    items = [weighed("anna", "old", MORNING), weighed("anna", "new", evening)]
    world.record_all(list(items), at=evening)
    assert world.ask("select slot, version_number, state from occurrence order by opens_at") == [
        ("morning", 1, "fulfilled"),
        ("evening", 2, "fulfilled"),
    ]
    assert world.rows() == [("2026-03-04", "evening", 0, 0)]
    assert world.ask("select version_number from agenda_head") == [(2,)]


def test_a_limit_changed_for_one_patient_judges_only_that_one(
    database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    world = Measured(database, admin, clock.set, patients=("anna", "bram"))
    anna = world.world.enrolment_of["anna"]
    world.admin.execute(
        "insert into personal_change (organisation_id, enrolment_id, number, activity_key, field, value, replaced,"
        " reason, from_at, recorded_by) values (%s, %s, 1, 'weight', 'rules.heavy',"
        """ '{"key": "heavy", "kind": "limit", "above": 70, "unit": "kg", "severity": "orange"}',"""
        """ '{"key": "heavy", "kind": "limit", "above": 90, "unit": "kg", "severity": "red"}',"""
        " 'test', lockstep_now(), 'dr')",
        [world.organisation_id, anna],
    )
    bring_all_in_step(world)
    items = [weighed(patient, patient, MORNING, "80") for patient in ("anna", "bram")]
    world.record_all(list(items), at=MORNING)
    assert world.ask("select enrolment_id, severity from alert") == [(anna, "orange")]
    assert len(world.decided()) == 2


def test_judged_by_the_last_limits_in_a_pause_and_after_discharge(
    database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    world = Measured(database, admin, clock.set, patients=("anna", "bram"))
    anna, bram = (world.world.enrolment_of[each] for each in ("anna", "bram"))
    clock.set(ENROLLED + HOUR)
    values = {"organisation_id": world.organisation_id, "anna": anna, "bram": bram}
    world.admin.execute(
        "insert into pause (organisation_id, enrolment_id, number, from_at, review_on, reason, recorded_by)"
        " values (%(organisation_id)s, %(anna)s, 1, lockstep_now(), '2026-04-01', 'in hospital', 'dr')",
        values,
    )
    world.admin.execute(
        "insert into discharge (organisation_id, enrolment_id, discharged_at, reason, recorded_by)"
        " values (%(organisation_id)s, %(bram)s, lockstep_now(), 'well', 'dr')",
        values,
    )
    bring_all_in_step(world)
    world.record_all([weighed(each, each, MORNING, "95") for each in ("anna", "bram")], at=MORNING)
    assert world.decided() == []
    assert world.ask("select enrolment_id, rule_key from alert order by 1") == [(anna, "heavy"), (bram, "heavy")]


def test_a_meter_beyond_its_range_breaks_the_limit_on_that_side(
    database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    world = Measured(database, admin, clock.set, rules=[{"key": "light", "below": 40, "severity": "orange"}])
    items = [weighed("anna", each, MORNING, None, finding=each) for each in ("above range", "unreadable")]
    world.record_all(list(items), at=MORNING)
    assert world.ask("select rule_key from alert") == [("heavy",)]
    assert len(world.decided()) == 1
