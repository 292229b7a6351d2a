"""The sweep needs nothing that a recalculation left: ranges and operations may be lost."""

from typing import TYPE_CHECKING

import psycopg
from tests.engine.recalculated_world import Recalculated

from lockstep.engine.chunk import Memory
from lockstep.engine.recalculation import sweep
from lockstep.store.database import Database

if TYPE_CHECKING:
    from tests.conftest import Clock


def walk(patients: Recalculated, size: int) -> int:
    """How many a whole walk of the sweep brought in step."""
    cursor: int | None = 0
    total = 0
    while cursor is not None:
        done, cursor = sweep(patients.database, **patients.of, cursor_id=cursor, size=size, memory=Memory())
        total += done
    return total


def test_lost_ranges(database: Database, clock: "Clock", admin: psycopg.Connection) -> None:
    patients = Recalculated(database, clock)
    operation = patients.publish("07:00")
    patients.chunk(operation, size=4)
    admin.execute("delete from recalculation_range")
    assert walk(patients, 5) == 8
    assert patients.opens() == ["03 06:00"] * 12
    patients.finish()
    assert patients.state(operation.operation_id) == "succeeded"


def test_a_lost_operation(database: Database, clock: "Clock", admin: psycopg.Connection) -> None:
    patients = Recalculated(database, clock)
    patients.publish("07:00")
    # Keys stand in the way of losing it in any honest manner.
    admin.execute("set session_replication_role = replica")
    admin.execute("delete from recalculation_range")
    admin.execute("delete from operation_event")
    admin.execute("delete from operation")
    assert walk(patients, 5) == 12
    assert patients.opens() == ["03 06:00"] * 12
    assert walk(patients, 5) == 0


def test_a_sweep_passes_by_who_is_in_step(database: Database, clock: "Clock") -> None:
    patients = Recalculated(database, clock)
    written = patients.written()
    assert walk(patients, 5) == 0
    assert patients.written() == written
