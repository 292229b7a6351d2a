"""A recalculation that a person asks for computes every agenda from its facts, whatever the rows hold."""

from typing import TYPE_CHECKING

import psycopg
from tests.engine.recalculated_world import EVENING, Recalculated

from lockstep.engine.recalculation import request_recalculation
from lockstep.store.database import Database

if TYPE_CHECKING:
    from tests.conftest import Clock


def asked(patients: Recalculated) -> int:
    return request_recalculation(
        patients.database,
        **patients.of,
        protocol_id=patients.protocol_id,
        selection_id=None,
        actor="m.anager",
        sentence="Rows look wrong.",
    )


def test_corrupted_rows_are_mended(database: Database, clock: "Clock", admin: psycopg.Connection) -> None:
    patients = Recalculated(database, clock)
    right = patients.stored()
    one, two, three = patients.enrolments[:3]
    admin.execute("delete from agenda where enrolment_id = %s", [one])
    admin.execute("update agenda set opens_at = opens_at + interval '1 hour' where enrolment_id = %s", [two])
    admin.execute(
        "update agenda set closes_at = closes_at - interval '1 hour' where activity_key = 'pulse'"
        " and enrolment_id = %s",
        [three],
    )
    clock.set(EVENING.replace(minute=31))
    operation_id = asked(patients)
    patients.finish()
    assert patients.state(operation_id) == "succeeded"
    assert patients.stored() == right


def test_right_rows_are_not_written(database: Database, clock: "Clock") -> None:
    patients = Recalculated(database, clock)
    written = patients.written()
    clock.set(EVENING.replace(minute=31))
    asked(patients)
    patients.finish()
    now = patients.written()
    assert {key for key in now if now[key] != written[key]} == {key for key in now if key[0] == "head"}
