"""A measurement is stored once, fulfils what was asked, and raises the alerts of the limits in force."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import psycopg
import pytest

from lockstep.domain.measurement import Outcome
from lockstep.engine import measurement
from lockstep.engine.measurement import record_measurement, record_measurements
from lockstep.proof.small_world import SmallWorld, found, weighed, weights
from lockstep.store.database import Database

if TYPE_CHECKING:
    from tests.conftest import Clock

ENROLLED = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # 13:00 in Amsterdam
MORNING = datetime(2026, 3, 3, 7, 30, tzinfo=UTC)  # 08:30 in Amsterdam, in the first window


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    # The clock jumps in these tests: a sign of life after a jump would be the end of an outage.
    monkeypatch.setattr(measurement, "BEAT_SECONDS", float("inf"))


def world_of(database: Database, clock: "Clock") -> SmallWorld:
    clock.set(ENROLLED)
    world = found(database)
    protocol = world.protocol("weights")
    world.publish(protocol, weights())
    world.enrol(protocol, ["anna", "bram"])
    return world


def test_it_is_stored_and_fulfils_the_open_occurrence(
    database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    world = world_of(database, clock)
    clock.set(MORNING + timedelta(minutes=1))
    outcome = record_measurement(
        database, organisation_id=world.organisation_id, measurement=weighed("anna", "1", MORNING)
    )
    assert outcome.outcome is Outcome.STORED
    stored = admin.execute("select value, unit, taken_at, judged_for_at, placed_by from measurement").fetchall()
    assert stored == [(Decimal(80), "kg", MORNING, MORNING, "device")]
    decided = admin.execute(
        "select enrolment_id, activity_key, on_date::text, slot, state, measurement_id from occurrence"
    )
    anna = world.enrolment_of["anna"]
    assert decided.fetchall() == [(anna, "weight", "2026-03-03", "morning", "fulfilled", outcome.measurement_id)]
    rows = admin.execute("select enrolment_id, on_date::text, taken from agenda order by 1").fetchall()
    assert rows == [(anna, "2026-03-04", 0), (world.enrolment_of["bram"], "2026-03-03", 0)]
    assert admin.execute("select count(*) from alert").fetchone() == (0,)


def test_a_value_in_grace_fulfils_late(database: Database, clock: "Clock", admin: psycopg.Connection) -> None:
    world = world_of(database, clock)
    taken = MORNING + timedelta(hours=2)  # 10:30, the window closed at 10:00
    clock.set(taken)
    record_measurement(database, organisation_id=world.organisation_id, measurement=weighed("anna", "1", taken))
    assert admin.execute("select state from occurrence").fetchall() == [("fulfilled late",)]


def test_a_second_value_in_the_window_is_stored_and_fulfils_nothing(
    database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    world = world_of(database, clock)
    clock.set(MORNING + timedelta(minutes=30))
    items = [weighed("anna", str(n), MORNING + timedelta(minutes=n)) for n in range(3)]
    for outcome in record_measurements(database, organisation_id=world.organisation_id, items=items[:2]):
        assert outcome.outcome is Outcome.STORED
    record_measurement(database, organisation_id=world.organisation_id, measurement=items[2])
    assert admin.execute("select count(*) from measurement").fetchone() == (3,)
    assert admin.execute("select count(*) from occurrence").fetchone() == (1,)
    assert admin.execute("select on_date::text from agenda order by enrolment_id").fetchall() == [
        ("2026-03-04",),
        ("2026-03-03",),
    ]


def test_a_value_beyond_the_limit_raises_one_alert_that_a_repeat_updates(
    database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    world = world_of(database, clock)
    for n, value in enumerate(["91", "89.9", "200.5", "90"]):
        at = MORNING + timedelta(minutes=n)
        clock.set(at)
        # 200.5 lb is 90.9 kg: compared in the rule's unit.
        unit = "[lb_av]" if value == "200.5" else "kg"
        record_measurement(
            database,
            organisation_id=world.organisation_id,
            measurement=weighed("anna", str(n), at, value, unit=unit),
        )
    alerts = admin.execute(
        "select enrolment_id, activity_key, rule_key, kind, severity, version_number, state, occurrences, late,"
        " about_at, raised_at, updated_at from alert"
    ).fetchall()
    last = MORNING + timedelta(minutes=2)
    assert alerts == [
        (world.enrolment_of["anna"], "weight", "heavy", "limit", "red", 1, "open", 2, False, last, MORNING, last)
    ]
    samples = admin.execute(
        "select m.value from alert_sample s join measurement m using (measurement_id) order by s.at"
    ).fetchall()
    assert samples == [(Decimal(91),), (Decimal("200.5"),)]


def test_values_of_several_patients_in_one_batch(database: Database, clock: "Clock", admin: psycopg.Connection) -> None:
    world = world_of(database, clock)
    days = [MORNING + timedelta(days=n) for n in range(5)]
    clock.set(days[-1] + timedelta(hours=1))
    items = [weighed(patient, f"{patient} {at}", at, "95") for at in reversed(days) for patient in ("anna", "bram")]
    outcomes = record_measurements(database, organisation_id=world.organisation_id, items=items)
    assert {outcome.outcome for outcome in outcomes} == {Outcome.STORED}
    # In order of the instants whatever the order sent: each row went from day to day.
    assert admin.execute("select count(*) from occurrence where state = 'fulfilled'").fetchone() == (10,)
    assert admin.execute("select distinct on_date::text from agenda").fetchall() == [("2026-03-08",)]
    assert admin.execute("select occurrences, late from alert").fetchall() == [(5, False), (5, False)]
