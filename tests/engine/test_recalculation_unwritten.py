"""Rows whose window stays are not written, and nobody in step is touched."""

from typing import TYPE_CHECKING

from tests.engine.recalculated_world import Recalculated
from tests.engine.switch_world import activity, content

from lockstep.store.database import Database

if TYPE_CHECKING:
    from tests.conftest import Clock


def test_only_the_changed_activity_is_written(database: Database, clock: "Clock") -> None:
    patients = Recalculated(database, clock)
    written = patients.written()
    patients.publish("07:00")
    patients.finish()
    now = patients.written()
    changed = {
        (kind, key)
        for kind, enrolment_id, key in now
        if now[kind, enrolment_id, key] != written[kind, enrolment_id, key]
    }
    assert changed == {("head", ""), ("row", "weight")}


def test_a_switch_of_rules_alone_is_no_work(database: Database, clock: "Clock") -> None:
    patients = Recalculated(database, clock)
    written = patients.written()
    stricter = activity(rules=[{"key": "high", "above": 90, "severity": "red"}])
    changed = content(stricter, activity("pulse"))
    accepted = patients.world.accept(patients.world.preview("publish", patients.protocol_id, content=changed))
    patients.finish()
    assert patients.written() == written
    assert patients.world.in_force(patients.enrolments[0]) == (patients.protocol_id, accepted.version_number)


def test_patients_of_another_protocol_are_not_touched(database: Database, clock: "Clock") -> None:
    patients = Recalculated(database, clock)
    other = patients.world.protocol("other")
    patients.world.publish(other, activity())
    (stranger,) = patients.world.enrol(other, ["stranger"])
    patients.finish()
    written = patients.written()
    patients.publish("07:00")
    patients.finish()
    assert {xmin for key, xmin in patients.written().items() if key[1] == stranger} == {
        xmin for key, xmin in written.items() if key[1] == stranger
    }
