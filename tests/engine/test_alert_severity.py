"""An open alert becomes as severe as the severest rule that a repeat of it breaks, and names that rule's version."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from tests.conftest import Clock
from tests.engine.switch_world import World, activity, content, found
from tests.engine.test_judgement_version import judge

from lockstep.domain.measurement import Measurement, Outcome
from lockstep.engine import measurement
from lockstep.engine.acceptance import approve_switch
from lockstep.engine.check import check_enrolments, finish, start_check
from lockstep.engine.check import check_slice as slice_of
from lockstep.engine.measurement import record_measurement, record_measurements
from lockstep.engine.personal_change import set_personal_change
from lockstep.engine.repair import repair
from lockstep.store.database import Database

BEGINS = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def high(severity: str, above: int = 100) -> dict[str, Any]:
    return {"key": "high", "above": above, "severity": severity}


def silent(severity: str, in_a_row: int = 1) -> dict[str, Any]:
    return {"key": "silent", "kind": "missed", "in_a_row": in_a_row, "severity": severity}


def kg(identifier: str, value: int, at: datetime) -> Measurement:
    return Measurement("t", identifier, "a", "weight", Decimal(value), None, "kg", at)


class Severities:
    """A patient on a protocol whose one rule changes."""

    def __init__(self, database: Database, clock: Clock, admin: psycopg.Connection, *rules: dict[str, Any]) -> None:
        self.database, self.clock, self.admin = database, clock, admin
        clock.set(BEGINS)
        self.world: World = found(database)
        self.of: dict[str, Any] = {"organisation_id": self.world.organisation_id}
        self.protocol_id = self.world.protocol("p")
        self.world.publish(self.protocol_id, activity(rules=list(rules)))
        (self.enrolment_id,) = self.world.enrol(self.protocol_id, ["a"])

    def publish(self, at: datetime, *rules: dict[str, Any]) -> None:
        self.clock.set(at)
        preview = self.world.preview("publish", self.protocol_id, content=content(activity(rules=list(rules))))
        if preview.needs_approval:
            approve_switch(self.database, **self.of, switch_id=preview.switch_id, actor="second.person")
        self.world.accept(preview)

    def weigh(self, value: int, at: datetime) -> None:
        self.clock.set(at)
        stored = record_measurement(self.database, **self.of, measurement=kg(f"{at}", value, at))
        assert stored.outcome is Outcome.STORED

    def judge(self, at: datetime) -> None:
        self.clock.set(at)
        judge(self.world, self.admin, at)

    def alerts(self) -> list[tuple[Any, ...]]:
        return self.admin.execute(
            "select kind, severity, version_number, occurrences, state from alert order by alert_id"
        ).fetchall()

    def samples(self) -> list[tuple[Any, ...]]:
        return self.admin.execute("select severity, version_number from alert_sample order by at, severity").fetchall()


@pytest.fixture(autouse=True)
def no_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """One after a jump of the clock would be the end of an outage."""
    monkeypatch.setattr(measurement, "BEAT_SECONDS", float("inf"))


@pytest.mark.parametrize(
    ("before", "after", "severity", "version"),
    [("orange", "red", "red", 2), ("red", "orange", "red", 1), ("grey", "orange", "orange", 2)],
)
def test_a_value_beyond_a_limit(
    database: Database,
    clock: Clock,
    admin: psycopg.Connection,
    before: str,
    after: str,
    severity: str,
    version: int,
) -> None:
    made = Severities(database, clock, admin, high(before))
    made.weigh(150, BEGINS)
    made.publish(BEGINS + HOUR, high(after, 90))
    made.weigh(160, BEGINS + 2 * HOUR)
    assert made.alerts() == [("limit", severity, version, 2, "open")]
    assert made.samples() == [(before, 1), (after, 2)]


def test_the_version_that_raised_it_stays_where_it_is_as_severe(
    database: Database, clock: Clock, admin: psycopg.Connection
) -> None:
    made = Severities(database, clock, admin, high("red"))
    made.weigh(150, BEGINS)
    made.publish(BEGINS + HOUR, high("red", 90))
    made.weigh(160, BEGINS + 2 * HOUR)
    assert made.alerts() == [("limit", "red", 1, 2, "open")]


def test_a_personal_change_makes_it_red(database: Database, clock: Clock, admin: psycopg.Connection) -> None:
    made = Severities(database, clock, admin, high("orange"))
    made.weigh(150, BEGINS)
    clock.set(BEGINS + HOUR)
    set_personal_change(
        database,
        **made.of,
        enrolment_id=made.enrolment_id,
        activity_key="weight",
        field="rules.high",
        value=high("red", 90),
        reason="a test",
        actor="d.octor",
    )
    made.weigh(160, BEGINS + 2 * HOUR)
    assert made.alerts() == [("limit", "red", 1, 2, "open")]


@pytest.mark.parametrize("order", [1, -1], ids=["as taken", "the other way round"])
def test_two_values_of_one_batch(database: Database, clock: Clock, admin: psycopg.Connection, order: int) -> None:
    made = Severities(database, clock, admin, high("orange"))
    made.publish(BEGINS + HOUR, high("red", 90))
    clock.set(BEGINS + 2 * HOUR)
    items = [kg("1", 150, BEGINS + HOUR / 2), kg("2", 160, BEGINS + 3 * HOUR / 2)]
    record_measurements(database, **made.of, items=items[::order])
    assert made.alerts() == [("limit", "red", 2, 2, "open")]
    assert made.samples() == [("orange", 1), ("red", 2)]


@pytest.mark.parametrize("in_a_row", [1, 2])
def test_misses(database: Database, clock: Clock, admin: psycopg.Connection, in_a_row: int) -> None:
    made = Severities(database, clock, admin, silent("grey", in_a_row))
    made.judge(BEGINS + in_a_row * DAY)
    assert made.alerts() == [("missed", "grey", 1, in_a_row, "open")]
    made.publish(BEGINS + in_a_row * DAY + HOUR, silent("red", in_a_row))
    made.judge(BEGINS + (in_a_row + 1) * DAY)
    assert made.alerts() == [("missed", "red", 2, in_a_row + 1, "open")]
    assert made.samples() == [("grey", 1)] * in_a_row + [("red", 2)]
    assert check_enrolments(database, **made.of, enrolment_ids=[made.enrolment_id]) == []


def test_an_alert_less_severe_than_its_rule_is_found_and_repaired(
    database: Database, clock: Clock, admin: psycopg.Connection
) -> None:
    made = Severities(database, clock, admin, silent("red"))
    made.judge(BEGINS + DAY)
    admin.execute("update alert set severity = 'grey'")
    clock.set(BEGINS + DAY + HOUR)
    (drift,) = check_enrolments(database, **made.of, enrolment_ids=[made.enrolment_id])
    assert drift.kind == "missing alert"
    assert drift.expected is not None
    assert drift.found is not None
    assert (drift.expected["severity"], drift.found["severity"]) == ("red", "grey")
    check_id = start_check(database, **made.of, scope="organisation", actor="t")
    slice_of(database, **made.of, check_id=check_id)
    finish(database, **made.of, check_id=check_id, actor="t")
    assert repair(database, **made.of, check_id=check_id, actor="t").left == 0
    assert made.alerts() == [("missed", "red", 1, 1, "open")]
    assert made.samples() == [("red", 1)]


def test_a_rule_that_becomes_another_kind_raises_another_alert(
    database: Database, clock: Clock, admin: psycopg.Connection
) -> None:
    """A value beyond a limit and a miss are not one thing, though the rules bear one key."""
    made = Severities(database, clock, admin, {**high("red"), "key": "silent"})
    made.weigh(150, BEGINS)
    made.publish(BEGINS + HOUR, silent("grey"))
    made.judge(BEGINS + DAY)
    assert made.alerts() == [("limit", "red", 1, 1, "open"), ("missed", "grey", 2, 1, "open")]


def test_a_correction_leaves_an_alert_that_the_milder_rule_still_wants(
    database: Database, clock: Clock, admin: psycopg.Connection
) -> None:
    """One rule wanted one miss, the severer one two in a row: with one left, the first is still broken."""
    made = Severities(database, clock, admin, silent("grey"))
    made.judge(BEGINS + DAY)
    made.publish(BEGINS + DAY + HOUR, silent("red", 2))
    made.judge(BEGINS + 2 * DAY)
    assert made.alerts() == [("missed", "red", 2, 2, "open")]
    in_time = datetime(2026, 3, 4, 7, 30, tzinfo=UTC)
    clock.set(BEGINS + 2 * DAY + HOUR)
    late = kg("late", 80, in_time)
    assert record_measurement(database, **made.of, measurement=late).outcome is Outcome.STORED
    assert made.alerts() == [("missed", "red", 2, 1, "open")]
