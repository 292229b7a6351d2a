"""A worker that dies anywhere in a chunk leaves nothing behind: the next one takes the same chunk at once."""

from typing import TYPE_CHECKING

import psycopg
from tests.engine.facts_world import made_anew
from tests.engine.recalculated_world import Recalculated
from tests.twin.crash import crash_after

from lockstep.store.database import Database

if TYPE_CHECKING:
    from tests.conftest import Clock


def test_a_crash_after_any_statement_releases_the_claim(
    database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    patients = Recalculated(database, clock)
    before = patients.stored()
    operation = patients.publish("07:00")
    for statements in range(100):
        with crash_after(statements) as crashed:
            patients.chunk(operation)
        if not crashed[0]:
            break
        assert patients.stored() == before
        assert admin.execute("select sum(done) from recalculation_range where not finished").fetchone() == (0,)
    assert statements > 5
    assert patients.opens() == ["03 06:00"] * 12
    assert made_anew(database, admin, patients.of["organisation_id"]) == patients.stored()
