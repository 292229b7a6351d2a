"""What the tests of recalculations share: patients on one protocol, a worker without a loop, and what is stored."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
from tests.engine.facts_world import dump
from tests.engine.switch_world import World, activity, content, found

from lockstep.domain.operation import OperationState
from lockstep.engine.chunk import Memory
from lockstep.engine.recalculation import (
    Chunk,
    begin,
    conclude,
    list_work,
    recalculate_chunk,
    verify,
)
from lockstep.store.database import Database
from lockstep.store.recalculation import Recalculation

if TYPE_CHECKING:
    from tests.conftest import Clock

EVENING = datetime(2026, 3, 2, 20, 30, tzinfo=UTC)  # a Monday; 21:30 in Amsterdam, no window is open
NAMES = tuple(f"patient {number}" for number in range(12))


class Recalculated:
    """Twelve patients in Amsterdam on a protocol of weights from 08:00 to 10:00, in step in the evening."""

    def __init__(
        self, database: Database, clock: "Clock", *, names: Sequence[str] = NAMES, zone: str = "Europe/Amsterdam"
    ) -> None:
        self.database, self.clock = database, clock
        clock.set(EVENING)
        self.world: World = found(database)
        self.of = {"organisation_id": self.world.organisation_id}
        self.protocol_id = self.world.protocol("p")
        self.world.publish(self.protocol_id, activity(), activity("pulse"))
        self.enrolments = self.world.enrol(self.protocol_id, names, zone=zone)
        self.finish()

    def publish(self, opens: str, **more: Any) -> Recalculation:
        """Weights are asked from that time on, pulses as before; returns the recalculation if it is in force."""
        changed = content(activity(opens=opens), activity("pulse"))
        accepted = self.world.accept(self.world.preview("publish", self.protocol_id, content=changed, **more))
        return self.work(accepted.operation_id)

    def work(self, operation_id: int) -> Recalculation:
        """The recalculation as a worker lists it, begun."""
        begin(self.database, **self.of, operation=self.listed(operation_id))
        return self.listed(operation_id)

    def listed(self, operation_id: int) -> Recalculation:
        """The recalculation as a worker lists it."""
        (listed,) = [each for each in list_work(self.database, **self.of) if each.operation_id == operation_id]
        return listed

    def chunk(self, operation: Recalculation, size: int = 100, memory: Memory | None = None) -> Chunk | None:
        """One chunk by a worker that remembers nothing unless told."""
        return recalculate_chunk(self.database, **self.of, operation=operation, size=size, memory=memory or Memory())

    def finish(self) -> None:
        """Every recalculation has ended."""
        for _ in range(20):
            work = list_work(self.database, **self.of)
            if not work:
                return
            for operation in work:
                self._finish(operation)
        raise AssertionError("a recalculation does not end")

    def _finish(self, operation: Recalculation) -> None:
        begin(self.database, **self.of, operation=operation)
        while self.chunk(operation) is not None:
            pass
        operation = self.listed(operation.operation_id)
        if verify(self.database, **self.of, operation=operation) and operation.state == OperationState.VERIFYING:
            conclude(self.database, **self.of, operation=operation)

    def state(self, operation_id: int) -> str:
        """The operation's state as stored."""
        found = self.clock.connection.execute("select state from operation where operation_id = %s", [operation_id])
        (state,) = found.fetchone() or ("",)
        return str(state)

    def opens(self, key: str = "weight") -> list[str]:
        """When each enrolment's row of the activity opens, UTC, in order of enrolment."""
        found = self.clock.connection.execute(
            "select to_char(opens_at at time zone 'UTC', 'DD HH24:MI') from agenda"
            " where activity_key = %s order by enrolment_id",
            [key],
        )
        return [opens for (opens,) in found]

    def stored(self) -> list[tuple[object, ...]]:
        """Every head and row."""
        return dump(self.clock.connection)

    def written(self) -> dict[tuple[str, int, str], str]:
        """Which transaction wrote each head and row last."""
        found = self.clock.connection.execute(
            "select 'row', enrolment_id, activity_key, xmin::text from agenda"
            " union all select 'head', enrolment_id, '', xmin::text from agenda_head"
        )
        return {(kind, enrolment_id, key): xmin for kind, enrolment_id, key, xmin in found}


def rival(database: Database) -> psycopg.Connection:
    """Another process's connection, in a transaction that is open until the test ends it."""
    return psycopg.connect(database.url)
