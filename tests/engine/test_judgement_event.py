"""What an event starts is asked, taken and judged under the version in force when the event happened."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from tests.conftest import Clock
from tests.engine.switch_world import World, activity, content, found
from tests.engine.test_judgement_version import judge
from tests.engine.test_switch_removed import recalculate

from lockstep.domain.measurement import Measurement, Outcome
from lockstep.engine import measurement
from lockstep.engine.acceptance import approve_switch
from lockstep.engine.check import check_enrolments
from lockstep.engine.measurement import record_measurement
from lockstep.engine.patient_event import record_event
from lockstep.engine.personal_change import set_personal_change
from lockstep.store.database import Database

BEGINS = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MEAL = datetime(2026, 3, 3, 11, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
AFTER_MEAL = {"after": {"event": "meal", "delay": "1h", "lasts": "30 min"}}
LATER_AFTER_MEAL = {"after": {"event": "meal", "delay": "2h", "lasts": "30 min"}}
RED = {"key": "missed", "kind": "missed", "in_a_row": 1, "severity": "red"}
PULSE = activity("pulse", rules=[])


def eaten(
    database: Database, clock: Clock, admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> tuple[World, int, int]:
    """Somebody who has just eaten, under a version that asks for the weight an hour later, red if it is missed."""
    # Signs of life are kept out: one after a jump of the clock would be the end of an outage.
    monkeypatch.setattr(measurement, "BEAT_SECONDS", float("inf"))
    clock.set(BEGINS)
    world = found(database)
    protocol_id = world.protocol("p")
    world.publish(protocol_id, activity(schedule=AFTER_MEAL, rules=[RED]), PULSE)
    (enrolment_id,) = world.enrol(protocol_id, ["a"])
    (patient_id,) = admin.execute("select patient_id from enrolment").fetchone() or ()
    clock.set(MEAL)
    record_event(
        database,
        organisation_id=world.organisation_id,
        patient_id=patient_id,
        event="meal",
        at=MEAL,
        source="app",
        identifier="1",
    )
    return world, protocol_id, enrolment_id


def switch(world: World, clock: Clock, protocol_id: int, activities: Sequence[dict[str, Any]]) -> None:
    """Before the window opens another version comes into force."""
    clock.set(MEAL + HOUR / 2)
    preview = world.preview("publish", protocol_id, content=content(*activities))
    if preview.needs_approval:
        approve_switch(
            world.database, organisation_id=world.organisation_id, switch_id=preview.switch_id, actor="second.person"
        )
    world.accept(preview)


AFTERWARDS = {
    "removed": [PULSE],
    "asked later, without a rule": [activity(schedule=LATER_AFTER_MEAL, rules=[]), PULSE],
    "milder": [activity(schedule=AFTER_MEAL, rules=[{**RED, "severity": "grey"}]), PULSE],
    "at clock times": [activity(opens="13:00", closes="15:00", rules=[]), PULSE],
}


@pytest.mark.parametrize("afterwards", AFTERWARDS.values(), ids=list(AFTERWARDS))
def test_missed_under_the_version_of_the_event(
    database: Database,
    clock: Clock,
    admin: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    afterwards: Sequence[dict[str, Any]],
) -> None:
    world, protocol_id, enrolment_id = eaten(database, clock, admin, monkeypatch)
    switch(world, clock, protocol_id, afterwards)
    clock.set(MEAL + 2 * HOUR)
    recalculate(world)
    clock.set(MEAL + 8 * HOUR)
    judge(world, admin, MEAL + 8 * HOUR)
    stored = admin.execute("select version_number, state from occurrence where slot like 'meal %'").fetchall()
    alerts = admin.execute("select rule_key, severity, version_number from alert").fetchall()
    assert stored == [(1, "missed")]
    assert alerts == [("missed", "red", 1)]
    assert check_enrolments(database, organisation_id=world.organisation_id, enrolment_ids=[enrolment_id]) == []


def test_a_lost_alert_of_the_former_version_is_found(
    database: Database, clock: Clock, admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, protocol_id, enrolment_id = eaten(database, clock, admin, monkeypatch)
    switch(world, clock, protocol_id, [PULSE])
    clock.set(MEAL + 2 * HOUR)
    recalculate(world)
    clock.set(MEAL + 8 * HOUR)
    judge(world, admin, MEAL + 8 * HOUR)
    admin.execute("set session_replication_role = replica")
    admin.execute("delete from alert_sample")
    admin.execute("delete from alert")
    admin.execute("set session_replication_role = origin")
    drifts = check_enrolments(database, organisation_id=world.organisation_id, enrolment_ids=[enrolment_id])
    assert [(each.activity_key, each.kind) for each in drifts] == [("weight", "missing alert")]


def test_the_rule_of_one_patient_at_the_event_judges(
    database: Database, clock: Clock, admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event's span carries the personal changes of then, not those of when the window opens."""
    world, _, enrolment_id = eaten(database, clock, admin, monkeypatch)
    clock.set(MEAL + HOUR / 2)
    set_personal_change(
        database,
        organisation_id=world.organisation_id,
        enrolment_id=enrolment_id,
        activity_key="weight",
        field="rules.missed",
        value={**RED, "severity": "grey"},
        reason="a test",
        actor="d.octor",
    )
    clock.set(MEAL + 8 * HOUR)
    judge(world, admin, MEAL + 8 * HOUR)
    assert admin.execute("select severity from alert").fetchall() == [("red",)]


@pytest.mark.parametrize(
    "afterwards",
    [[PULSE], [activity(schedule=AFTER_MEAL, code="other", rules=[]), PULSE]],
    ids=["removed", "another code"],
)
def test_what_was_asked_for_at_the_event_fulfils(
    database: Database,
    clock: Clock,
    admin: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    afterwards: Sequence[dict[str, Any]],
) -> None:
    world, protocol_id, enrolment_id = eaten(database, clock, admin, monkeypatch)
    switch(world, clock, protocol_id, afterwards)
    at = MEAL + 5 * HOUR / 4
    clock.set(at)
    taken = Measurement("t", "1", "a", "weight", Decimal(80), None, "kg", at)
    assert (
        record_measurement(database, organisation_id=world.organisation_id, measurement=taken).outcome is Outcome.STORED
    )
    clock.set(MEAL + 2 * HOUR)
    recalculate(world)
    clock.set(MEAL + 8 * HOUR)
    judge(world, admin, MEAL + 8 * HOUR)
    assert admin.execute("select version_number, state from occurrence where slot like 'meal %'").fetchall() == [
        (1, "fulfilled")
    ]
    assert admin.execute("select count(*) from alert").fetchone() == (0,)
    assert check_enrolments(database, organisation_id=world.organisation_id, enrolment_ids=[enrolment_id]) == []
