"""A head that somebody else holds is left for the next walk; everybody else proceeds at once."""

import time
from typing import TYPE_CHECKING

from tests.engine.recalculated_world import Recalculated, rival

from lockstep.store.database import Database

if TYPE_CHECKING:
    from tests.conftest import Clock

LOCK_TIMEOUT_SECONDS = 0.2


def test_held_enrolments_are_skipped_and_come_back(database: Database, clock: "Clock") -> None:
    patients = Recalculated(database, clock)
    operation = patients.publish("07:00")
    held = patients.enrolments[3]
    with rival(database) as other:
        other.execute("select 1 from agenda_head where enrolment_id = %s for no key update", [held])
        chunk = patients.chunk(operation)
        assert chunk is not None
        assert (chunk.done, chunk.range_finished) == (11, False)
        assert patients.opens() == ["03 06:00"] * 3 + ["03 07:00"] + ["03 06:00"] * 8
        began = time.monotonic()
        chunk = patients.chunk(operation)
        assert time.monotonic() - began < LOCK_TIMEOUT_SECONDS
        assert chunk is not None
        assert (chunk.done, chunk.range_finished) == (0, False)
        other.rollback()
    chunk = patients.chunk(operation)
    assert chunk is not None
    assert (chunk.done, chunk.range_finished) == (1, True)
    assert patients.opens() == ["03 06:00"] * 12


def test_nobody_waits_for_a_held_range(database: Database, clock: "Clock") -> None:
    patients = Recalculated(database, clock)
    operation = patients.publish("07:00")
    with rival(database) as other:
        other.execute("select 1 from recalculation_range where not finished for update")
        assert patients.chunk(operation) is None
        other.rollback()
    chunk = patients.chunk(operation)
    assert chunk is not None
    assert chunk.done == 12
