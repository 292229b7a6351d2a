"""A chunk costs the same number of statements however many enrolments are in it."""

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from tests.engine.recalculated_world import Recalculated

from lockstep.store.database import Database

if TYPE_CHECKING:
    from tests.conftest import Clock


def test_statements_do_not_grow_with_enrolments(
    database: Database, clock: "Clock", monkeypatch: pytest.MonkeyPatch
) -> None:
    patients = Recalculated(database, clock, names=[f"patient {number}" for number in range(120)])
    operation = patients.publish("07:00")
    execute, counts = psycopg.Connection.execute, [0]

    def counted(self: psycopg.Connection, *args: Any, **more: Any) -> Any:
        counts[-1] += 1
        return execute(self, *args, **more)

    monkeypatch.setattr(psycopg.Connection, "execute", counted)
    for size in (2, 4, 100):
        chunk = patients.chunk(operation, size=size)
        assert chunk is not None
        assert (chunk.done, chunk.individual) == (size, 0)
        counts.append(0)
    # The first one also reads the contents of versions that this process has not seen.
    _, few, many, _ = counts
    assert few == many
    assert many <= 16
