"""A switch for a selection touches its members and nobody else."""

from typing import TYPE_CHECKING

from tests.engine.recalculated_world import Recalculated

from lockstep.engine.chunk import Memory
from lockstep.engine.recalculation import sweep
from lockstep.store.database import Database

if TYPE_CHECKING:
    from tests.conftest import Clock


def test_only_members_are_recalculated(database: Database, clock: "Clock") -> None:
    patients = Recalculated(database, clock)
    written = patients.written()
    members = patients.enrolments[2:6]
    operation = patients.publish("07:00", scope="selection", enrolment_ids=members)
    assert operation.total == 4
    chunk = patients.chunk(operation)
    assert chunk is not None
    assert (chunk.done, chunk.range_finished) == (4, True)
    assert patients.opens() == ["03 07:00"] * 2 + ["03 06:00"] * 4 + ["03 07:00"] * 6
    changed = {key[1] for key, xmin in patients.written().items() if xmin != written[key]}
    assert changed == set(members)
    done, _ = sweep(database, **patients.of, cursor_id=0, size=100, memory=Memory())
    assert done == 0


def test_then_everyone(database: Database, clock: "Clock") -> None:
    patients = Recalculated(database, clock)
    patients.publish("07:00", scope="selection", enrolment_ids=patients.enrolments[2:6])
    patients.finish()
    patients.publish("07:00")
    patients.finish()
    assert patients.opens() == ["03 06:00"] * 12
