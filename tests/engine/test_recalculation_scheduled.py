"""A switch for the next day changes the rows of each time zone at its own midnight."""

from datetime import timedelta
from typing import TYPE_CHECKING

from tests.engine.recalculated_world import EVENING, Recalculated
from tests.engine.switch_world import activity, content

from lockstep.engine.chunk import Memory
from lockstep.engine.recalculation import list_work, step_changes, sweep
from lockstep.store.database import Database

if TYPE_CHECKING:
    from tests.conftest import Clock


def test_each_zone_changes_at_its_own_instant(database: Database, clock: "Clock") -> None:
    patients = Recalculated(database, clock, names=["anna"])
    patients.world.enrol(patients.protocol_id, ["taro"], zone="Asia/Tokyo")
    patients.world.enrol(patients.protocol_id, ["john"], zone="America/New_York")
    changed = content(activity(opens="09:00"), activity("pulse"))
    patients.world.accept(
        patients.world.preview("publish", patients.protocol_id, content=changed, effective="next day")
    )
    day = EVENING.replace(hour=0, minute=0)
    #        Amsterdam   Tokyo       New York
    asked = ["03 07:00", "02 23:00", "03 13:00"]

    def until(hours: float) -> list[str]:
        clock.set(day + timedelta(hours=hours))
        for operation in list_work(database, **patients.of):
            patients.work(operation.operation_id)
            patients.chunk(operation)
        step_changes(database, **patients.of, size=100, memory=Memory())
        return patients.opens()

    assert until(22.9) == asked
    asked[0] = "03 08:00"
    assert until(23.1) == asked
    assert until(28.9) == asked
    asked[2] = "03 14:00"
    assert until(29.1) == asked
    # In Tokyo it was the 3rd already: that morning was asked before its midnight, and nobody has judged it yet.
    assert until(39.1) == asked
    assert list_work(database, **patients.of)
    # Only when every zone of the world has had its midnight is it done.
    clock.set(day + timedelta(days=2, hours=12))
    patients.finish()


def test_before_it_is_in_force_it_is_no_work(database: Database, clock: "Clock") -> None:
    patients = Recalculated(database, clock)
    written = patients.written()
    changed = content(activity(opens="09:00"), activity("pulse"))
    accepted = patients.world.accept(
        patients.world.preview(
            "publish",
            patients.protocol_id,
            content=changed,
            effective="instant",
            effective_at=EVENING + timedelta(hours=4),
        )
    )
    assert list_work(database, **patients.of) == []
    assert step_changes(database, **patients.of, size=100, memory=Memory()) == 0
    assert patients.written() == written
    clock.set(EVENING + timedelta(hours=4))
    patients.finish()
    assert patients.state(accepted.operation_id) == "succeeded"
    assert patients.opens() == ["03 08:00"] * 12


def test_who_remembers_a_time_before_it_began_still_comes_to_an_end(database: Database, clock: "Clock") -> None:
    """It has begun for somebody in the world, and changes nothing here yet: heads are in step with it all the same."""
    patients = Recalculated(database, clock)
    running = patients.publish("07:00")
    later = content(activity(opens="09:00"), activity("pulse"))
    accepted = patients.world.accept(
        patients.world.preview("publish", patients.protocol_id, content=later, effective="next day")
    )
    memory = Memory()
    patients.chunk(running, size=4, memory=memory)
    assert accepted.first_at > EVENING
    clock.set(accepted.first_at)
    # The rest of the walk, those of before once more, and nobody.
    done = [chunk.done for chunk in (patients.chunk(running, memory=memory) for _ in range(3)) if chunk is not None]
    assert done == [8, 4]
    assert sweep(database, **patients.of, cursor_id=0, size=100, memory=memory) == (0, None)
