"""An enrolment decided while the acceptance was not yet visible is not left behind by "done"."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
from tests.engine.recalculated_world import Recalculated
from tests.engine.switch_world import activity, content

from lockstep.engine.audit import record_entry
from lockstep.engine.recalculation import verify
from lockstep.store.database import Database
from lockstep.store.switch import save_acceptance

if TYPE_CHECKING:
    from tests.conftest import Clock


class Stopped:
    """What a decision does last, after which it stands still before it commits."""

    def __init__(self, last: Callable[..., Any]) -> None:
        self._last, self.reached, self.go_on = last, Event(), Event()

    def __call__(self, *args: Any, **more: Any) -> Any:
        done = self._last(*args, **more)
        self.reached.set()
        assert self.go_on.wait(20)
        return done


def test_who_was_enrolled_by_a_later_transaction_that_knew_of_no_switch(
    database: Database, clock: "Clock", monkeypatch: pytest.MonkeyPatch
) -> None:
    patients = Recalculated(database, clock)
    accepting, enrolling = Stopped(save_acceptance), Stopped(record_entry)
    monkeypatch.setattr("lockstep.store.switch.save_acceptance", accepting)
    monkeypatch.setattr("lockstep.engine.enrolment.record_entry", enrolling)
    changed = content(activity(opens="07:00"), activity("pulse"))
    preview = patients.world.preview("publish", patients.protocol_id, content=changed)
    with ThreadPoolExecutor(2) as pool:
        accepted = pool.submit(patients.world.accept, preview)
        assert accepting.reached.wait(20)
        # Its number is higher than the acceptance's, but it reads before the acceptance has committed.
        enrolled = pool.submit(patients.world.enrol, patients.protocol_id, ["late"])
        assert enrolling.reached.wait(20)
        accepting.go_on.set()
        operation = patients.work(accepted.result().operation_id)
        while patients.chunk(operation):
            pass
        assert not verify(database, **patients.of, operation=patients.listed(operation.operation_id))
        enrolling.go_on.set()
        enrolled.result()
    patients.finish()
    assert patients.opens() == ["03 06:00"] * 13
