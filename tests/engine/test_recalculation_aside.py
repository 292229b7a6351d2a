"""An enrolment that fails by itself stands aside and is tried again; the others do not wait for it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from tests.engine.recalculated_world import EVENING, Recalculated

from lockstep.engine.agenda import bring_in_step
from lockstep.engine.recalculation import retry_exceptions, step_singly
from lockstep.store.database import Database

if TYPE_CHECKING:
    from tests.conftest import Clock


def test_it_stands_aside_and_recovers(
    database: Database, clock: "Clock", admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    patients = Recalculated(database, clock)
    operation = patients.publish("07:00")
    bad = patients.enrolments[0]

    def failing(connection: psycopg.Connection, *, enrolment_ids: Sequence[int], **more: Any) -> int:
        if bad in enrolment_ids:
            raise ZeroDivisionError("patient values")
        return bring_in_step(connection, enrolment_ids=enrolment_ids, **more)

    with monkeypatch.context() as patch:
        patch.setattr("lockstep.engine.recalculation.bring_in_step", failing)
        assert step_singly(database, **patients.of, operation=operation) is False
        assert step_singly(database, **patients.of, operation=operation) is True
        aside = admin.execute("select enrolment_id, reason, attempts from recalculation_exception").fetchall()
        # The kind of failure only: its text may hold a patient's values.
        assert aside == [(bad, "ZeroDivisionError", 1)]
        clock.set(EVENING + timedelta(seconds=29))
        assert retry_exceptions(database, **patients.of) == 0
        assert admin.execute("select attempts from recalculation_exception").fetchone() == (1,)
        clock.set(EVENING + timedelta(seconds=31))
        assert retry_exceptions(database, **patients.of) == 0
        assert admin.execute("select attempts from recalculation_exception").fetchone() == (2,)
    patients.finish()
    assert patients.state(operation.operation_id) == "succeeded with exceptions"
    assert patients.opens() == ["03 07:00"] + ["03 06:00"] * 11
    clock.set(EVENING + timedelta(hours=1))
    assert retry_exceptions(database, **patients.of) == 1
    assert patients.opens() == ["03 06:00"] * 12
    assert admin.execute("select count(*) from recalculation_exception").fetchone() == (0,)
