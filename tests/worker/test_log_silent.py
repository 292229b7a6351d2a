"""Logs name kinds of failures, duties and organisations, and never a value, a name or a word of a patient."""

import logging
import signal
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest
from tests.engine.switch_world import activity, every, found
from tests.worker.processes import alive, start_worker, until

from lockstep.domain.measurement import Measurement, Outcome
from lockstep.engine.measurement import record_measurements
from lockstep.store.database import Database

NAME, VALUE, IMPLAUSIBLE, WORD = "zebra-quagga-7319", "81.73191", "73197319", "xylophone7319"


def told_of(text: str) -> list[str]:
    """Which of the secrets the text holds."""
    return [secret for secret in (NAME, VALUE, IMPLAUSIBLE, WORD) if secret in text]


def test_neither_ingestion_nor_a_worker_that_fails_tells_what_a_patient_sent(
    database: Database,
    database_url: str,
    admin: psycopg.Connection,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    world = found(database)
    protocol_id = world.protocol("heart")
    world.publish(protocol_id, activity())
    world.enrol(protocol_id, [NAME])
    taken_at = datetime.now(UTC) - timedelta(minutes=1)
    values = [Decimal(VALUE), Decimal(IMPLAUSIBLE), Decimal("1e140000")]
    items = [
        Measurement(WORD, f"{WORD}-{number}", NAME, "weight", value, None, "kg", taken_at)
        for number, value in enumerate(values)
    ]
    stranger = Measurement(WORD, f"{WORD}-x", WORD, "weight", Decimal(VALUE), None, "kg", taken_at)
    outcomes = record_measurements(database, organisation_id=world.organisation_id, items=[*items, stranger])
    assert outcomes[0].outcome is Outcome.STORED
    assert outcomes[1].outcome is outcomes[3].outcome is Outcome.SET_ASIDE
    world.publish(protocol_id, activity(schedule=every(2)))
    # A version that cannot be read: whatever computes with it fails, with a text that quotes it.
    admin.execute("set session_replication_role = replica")
    admin.execute(
        "update version set content = jsonb_set(content, '{activities,0,schedule}', %s::jsonb)",
        [f'{{"every": "{WORD}"}}'],
    )
    worker = start_worker(database_url)
    try:
        failures = "select coalesce(sum((doing->'duties'->'recalculation'->>'failures')::int), 0) > 0 from worker"
        until(lambda: admin.execute(failures).fetchone() == (True,), what="the recalculation has failed")
        until(lambda: alive(admin) == 1, what="the worker lives")
        worker.send_signal(signal.SIGTERM)
        _, told = worker.communicate(timeout=30)
    finally:
        worker.kill()
    text = told.decode()
    assert "worker started" in text
    assert "InvalidProtocol" in text, "the kind of failure is told"
    assert "worker ended" in text
    assert told_of(text) == []
    assert told_of(str(capfd.readouterr())) == []
    assert told_of(caplog.text) == []
    kept = admin.execute("select coalesce(string_agg(x::text, ' '), '') from recalculation_exception x").fetchone()
    events = admin.execute("select string_agg(e::text, ' ') from operation_event e").fetchone()
    workers = admin.execute("select coalesce(string_agg(w::text, ' '), '') from worker w").fetchone()
    assert told_of(f"{kept} {events} {workers}") == [], "nor does what operators look at"
