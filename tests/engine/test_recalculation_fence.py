"""A worker that comes late, or does a chunk again, changes nothing."""

from typing import TYPE_CHECKING

import psycopg
from tests.engine.recalculated_world import Recalculated

from lockstep.store.database import Database

if TYPE_CHECKING:
    from tests.conftest import Clock


def test_an_older_worker_changes_nothing(database: Database, clock: "Clock") -> None:
    patients = Recalculated(database, clock)
    older = patients.publish("07:00")
    newer = patients.publish("06:00")
    while patients.chunk(newer):
        pass
    before, written = patients.stored(), patients.written()
    assert patients.opens() == ["03 05:00"] * 12
    while (chunk := patients.chunk(older)) is not None:
        assert chunk.done == 0
    assert patients.stored() == before
    assert patients.written() == written


def test_the_older_of_two_brings_all_up_to_the_newer(database: Database, clock: "Clock") -> None:
    patients = Recalculated(database, clock)
    older = patients.publish("07:00")
    patients.publish("06:00")
    while patients.chunk(older, size=5):
        pass
    assert patients.opens() == ["03 05:00"] * 12


def test_a_chunk_done_again_changes_no_row(database: Database, clock: "Clock", admin: psycopg.Connection) -> None:
    patients = Recalculated(database, clock)
    operation = patients.publish("07:00")
    chunk = patients.chunk(operation, size=5)
    assert chunk is not None
    assert chunk.done == 5
    before, written = patients.stored(), patients.written()
    # The range says that nothing was done yet, as if the worker's progress had been lost.
    admin.execute("update recalculation_range set cursor_enrolment_id = 0, finished = false, done = 0")
    chunk = patients.chunk(operation, size=5)
    assert chunk is not None
    assert chunk.done == 5
    again, last = patients.stored(), patients.written()
    done = set(patients.enrolments[:5])
    assert [row for row in again if row[0] in done] == [row for row in before if row[0] in done]
    assert {key: xmin for key, xmin in last.items() if key[1] in done} == {
        key: xmin for key, xmin in written.items() if key[1] in done
    }
