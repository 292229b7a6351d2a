"""Done means: nobody is behind, not even somebody enrolled by a transaction that began before and ends later."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
from tests.engine.recalculated_world import Recalculated

from lockstep.domain.operation import OperationState
from lockstep.engine.audit import record_entry
from lockstep.engine.recalculation import verify
from lockstep.store.database import Database

if TYPE_CHECKING:
    from tests.conftest import Clock


def test_who_was_enrolled_meanwhile_is_not_left_behind(
    database: Database, clock: "Clock", monkeypatch: pytest.MonkeyPatch
) -> None:
    patients = Recalculated(database, clock)
    written, go_on = Event(), Event()

    def slow(*args: Any, **more: Any) -> None:
        record_entry(*args, **more)
        written.set()
        assert go_on.wait(4)

    monkeypatch.setattr("lockstep.engine.enrolment.record_entry", slow)
    with ThreadPoolExecutor(1) as pool:
        enrolling = pool.submit(patients.world.enrol, patients.protocol_id, ["late"])
        assert written.wait(4)
        operation = patients.publish("07:00")
        while patients.chunk(operation):
            pass
        # Twelve are done, and nobody can see the thirteenth: but somebody may be there.
        assert not verify(database, **patients.of, operation=patients.listed(operation.operation_id))
        go_on.set()
        enrolling.result()
    assert patients.opens()[12] == "03 07:00"
    assert not verify(database, **patients.of, operation=patients.listed(operation.operation_id))
    while patients.chunk(operation):
        pass
    assert patients.opens() == ["03 06:00"] * 13
    assert verify(database, **patients.of, operation=patients.listed(operation.operation_id))
    assert patients.state(operation.operation_id) == OperationState.VERIFYING
    patients.finish()
    assert patients.state(operation.operation_id) == OperationState.SUCCEEDED


def test_it_is_not_done_while_somebody_is_held(database: Database, clock: "Clock") -> None:
    patients = Recalculated(database, clock)
    operation = patients.publish("07:00")
    patients.chunk(operation, size=5)
    assert not verify(database, **patients.of, operation=patients.listed(operation.operation_id))
    assert patients.state(operation.operation_id) == OperationState.RUNNING
