"""Operators see identifiers and counts of every organisation through views, and nothing of a patient."""

import psycopg
import pytest
from tests.engine.switch_world import activity, every, found

from lockstep.store.database import Database


def test_operators_see_how_far_everybody_is(database: Database) -> None:
    for key in ("one", "two"):
        world = found(database, key)
        protocol_id = world.protocol("p")
        world.publish(protocol_id, activity())
        world.enrol(protocol_id, [f"{key}-{number}" for number in range(3)])
        world.publish(protocol_id, activity(schedule=every(2)))
    with database.duty() as connection:
        behind = connection.execute("select enrolments, behind from duty_behind order by organisation_id").fetchall()
        running = connection.execute("select organisation_id, state from duty_recalculation").fetchall()
    assert behind == [(3, 3), (3, 3)]
    assert len({organisation_id for organisation_id, _ in running}) == 2


def test_operators_cannot_read_what_patients_measured(database: Database) -> None:
    for table in ("measurement", "patient", "version"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), database.duty() as connection:
            connection.execute(f"select * from {table}")
