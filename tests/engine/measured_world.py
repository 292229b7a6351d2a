"""What the tests of measurements share: a small world at a clock that jumps, and questions to it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg

from lockstep.domain.measurement import Outcome
from lockstep.engine import measurement
from lockstep.engine.measurement import Item, ItemOutcome, record_measurement, record_measurements
from lockstep.proof.small_world import SmallWorld, found, weights
from lockstep.store.database import Database

ENROLLED = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # 13:00 in Amsterdam
MORNING = datetime(2026, 3, 3, 7, 30, tzinfo=UTC)  # 08:30 in Amsterdam, in the first window, 08:00 to 10:00

# Signs of life are kept out of these tests: one after a jump of the clock would be the end of an outage.
measurement.BEAT_SECONDS = float("inf")


class Measured:
    """A world with one protocol of weights on which some patients are enrolled."""

    def __init__(
        self,
        database: Database,
        admin: psycopg.Connection,
        set_clock: Callable[[datetime], None],
        *,
        patients: tuple[str, ...] = ("anna",),
        at: datetime = ENROLLED,
        zone: str = "Europe/Amsterdam",
        **protocol: Any,
    ) -> None:
        self.database, self.admin, self.set_clock = database, admin, set_clock
        set_clock(at)
        self.world: SmallWorld = found(database)
        self.organisation_id = self.world.organisation_id
        self.protocol_id = self.world.protocol("weights")
        self.world.publish(self.protocol_id, weights(**protocol))
        self.world.enrol(self.protocol_id, patients, zone=zone)

    def record(self, item: Item, *, at: datetime | None = None) -> ItemOutcome:
        """Records one, received at an instant."""
        if at is not None:
            self.set_clock(at)
        return record_measurement(self.database, organisation_id=self.organisation_id, measurement=item)

    def record_all(
        self, items: list[Item], *, at: datetime | None = None, all_or_nothing: bool = False
    ) -> list[Outcome]:
        """Records many, received at an instant; only the outcomes."""
        if at is not None:
            self.set_clock(at)
        answers = record_measurements(
            self.database, organisation_id=self.organisation_id, items=items, all_or_nothing=all_or_nothing
        )
        return [answer.outcome for answer in answers]

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """What the tables hold."""
        return self.admin.execute(query).fetchall()

    def decided(self) -> list[tuple[str, str, str]]:
        """Decided occurrences as first judged: date, slot, state."""
        return self.ask("select on_date::text, slot, state from occurrence order by opens_at, slot")

    def rows(self) -> list[tuple[str, str, int, int]]:
        """The agenda: date, slot, taken, missed in a row."""
        return self.ask(
            "select on_date::text, slot, taken, missed_in_a_row from agenda order by enrolment_id, activity_key"
        )
