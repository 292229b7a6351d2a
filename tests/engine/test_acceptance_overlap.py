"""What comes in between E and the commit of a switch is judged by the version in force when it was taken."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from tests.engine.recalculated_world import Recalculated
from tests.engine.switch_world import activity, content

from lockstep.domain.measurement import Measurement, Outcome
from lockstep.domain.preview import Preview
from lockstep.engine import measurement
from lockstep.engine.acceptance import accept_switch, approve_switch
from lockstep.engine.acceptance_overlap import ALLOWED, judge_overlap
from lockstep.engine.measurement import record_measurement
from lockstep.store.database import Connection, Database

if TYPE_CHECKING:
    from tests.conftest import Clock

E = datetime(2026, 3, 3, 6, 0, tzinfo=UTC)
MEANWHILE = E + timedelta(milliseconds=100)


class SlowToAccept(Database):
    """A database whose transactions, once they hold the acceptance of a switch, commit when they may."""

    def __init__(self, url: str, switch_id: int) -> None:
        super().__init__(url)
        self.switch_id = switch_id
        self.done, self.may_commit = threading.Event(), threading.Event()

    @contextmanager
    def transaction(self, *args: Any, **more: Any) -> Iterator[Connection]:
        with super().transaction(*args, **more) as connection:
            yield connection
            accepted = "select exists (select from switch_acceptance where switch_id = %s)"
            if connection.execute(accepted, [self.switch_id]).fetchone() == (True,):
                self.done.set()
                assert self.may_commit.wait(20)


def necks(severity: str) -> dict[str, Any]:
    return activity("neck", rules=[{"key": "high", "above": 100, "severity": severity}])


class Overlapping(Recalculated):
    """Weights become limited at 80, waists at 150 instead of 100, necks in red; hips are not asked any more."""

    def __init__(self, database: Database, clock: "Clock", monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(measurement, "BEAT_SECONDS", float("inf"))
        super().__init__(database, clock, names=("anna", "bert"))
        self.world.publish(
            self.protocol_id, activity(), activity("waist"), activity("hip"), activity("pulse"), necks("grey")
        )
        self.finish()
        clock.set(E)
        changed = content(
            activity(rules=[{"key": "high", "above": 80, "severity": "red"}]),
            activity("waist", rules=[{"key": "high", "above": 150, "severity": "red"}]),
            activity("pulse"),
            necks("red"),
        )
        self.preview: Preview = self.world.preview("publish", self.protocol_id, content=changed)
        approve_switch(database, **self.of, switch_id=self.preview.switch_id, actor="second.person")

    def measure(self, code: str, value: int, taken_at: datetime, *, patient: str = "anna") -> None:
        outcome = record_measurement(
            self.database,
            **self.of,
            measurement=Measurement("t", f"{code} {taken_at}", patient, code, Decimal(value), None, "kg", taken_at),
        )
        assert outcome.outcome is Outcome.STORED, outcome

    @contextmanager
    def accepting(self, url: str) -> Iterator[None]:
        """The switch has taken E; it is visible after the block."""
        with SlowToAccept(url, self.preview.switch_id) as slow:
            accepting = threading.Thread(
                target=accept_switch,
                args=(slow,),
                kwargs={**self.of, "switch_id": self.preview.switch_id, "client_key": "one", "actor": "m.anager"},
            )
            accepting.start()
            try:
                assert slow.done.wait(20)
                yield
            finally:
                slow.may_commit.set()
                accepting.join()

    def alerts(self) -> list[tuple[Any, ...]]:
        found = self.clock.connection.execute(
            "select activity_key, version_number, state, occurrences, about_at, resolution from alert"
            " order by activity_key, alert_id"
        )
        return list(found)


def test_what_came_in_meanwhile_is_judged_by_the_new_limits(
    database: Database, database_url: str, clock: "Clock", monkeypatch: pytest.MonkeyPatch
) -> None:
    patients = Overlapping(database, clock, monkeypatch)
    with patients.accepting(database_url):
        clock.set(MEANWHILE)
        for code, value in (("weight", 90), ("waist", 130), ("hip", 130)):
            patients.measure(code, value, MEANWHILE)
    waist = ("waist", 2, "open", 1, MEANWHILE, None)
    hip = ("hip", 2, "open", 1, MEANWHILE, None)
    assert patients.alerts() == [hip, waist]
    clock.set(E + timedelta(minutes=5))
    patients.finish()
    judged = [
        hip,
        ("waist", 2, "resolved", 1, MEANWHILE, ALLOWED),
        ("weight", 3, "open", 1, MEANWHILE, None),
    ]
    assert patients.alerts() == judged
    (operation_id,) = clock.connection.execute("select max(operation_id) from operation").fetchone() or (0,)
    assert judge_overlap(database, **patients.of, operation_id=operation_id) == 0
    assert patients.alerts() == judged


def test_an_alert_becomes_as_severe_as_the_new_rule_and_lists_nothing_twice(
    database: Database, database_url: str, clock: "Clock", monkeypatch: pytest.MonkeyPatch
) -> None:
    patients = Overlapping(database, clock, monkeypatch)
    with patients.accepting(database_url):
        clock.set(MEANWHILE)
        patients.measure("neck", 130, MEANWHILE)
    question = "select severity, version_number, occurrences, state from alert"
    assert clock.connection.execute(question).fetchall() == [("grey", 2, 1, "open")]
    clock.set(E + timedelta(minutes=5))
    patients.finish()
    assert clock.connection.execute(question).fetchall() == [("red", 3, 1, "open")]
    assert clock.connection.execute("select count(*) from alert_sample").fetchone() == (1,)
    (operation_id,) = clock.connection.execute("select max(operation_id) from operation").fetchone() or (0,)
    assert judge_overlap(database, **patients.of, operation_id=operation_id) == 0


def test_what_was_taken_before_keeps_its_judgement(
    database: Database, database_url: str, clock: "Clock", monkeypatch: pytest.MonkeyPatch
) -> None:
    patients = Overlapping(database, clock, monkeypatch)
    patients.measure("waist", 120, E - timedelta(hours=1))
    with patients.accepting(database_url):
        clock.set(MEANWHILE)
        patients.measure("weight", 90, E - timedelta(minutes=1))
        patients.measure("waist", 130, MEANWHILE)
    patients.finish()
    # The open alert still lists what was too much when it was taken.
    assert patients.alerts() == [("waist", 2, "open", 2, MEANWHILE, None)]


def test_the_index_of_receipt_is_of_every_partition(admin: psycopg.Connection) -> None:
    found = admin.execute(
        "select count(*) filter (where i.indexrelid is null) from pg_inherits p"
        " left join pg_index i on i.indrelid = p.inhrelid and i.indexrelid in ("
        "  select c.oid from pg_class c join pg_am a on a.oid = c.relam where a.amname = 'brin')"
        " where p.inhparent = 'measurement'::regclass"
    ).fetchone()
    assert found == (0,)
