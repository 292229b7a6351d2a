"""What every competitor finds: the same tables, rows and load, and the change it is to carry out."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from lockstep.proof.bench.sql import SQL
from lockstep.proof.budget.stage import CHANGED, WORKERS, Stage
from lockstep.proof.bulk_world import Group
from lockstep.store import trial
from lockstep.store.database import Connection, run_again

SPAN = 2_000
WRITTEN = ("agenda", "agenda_head", "bench.planned", "procrastinate.procrastinate_jobs")


@dataclass(frozen=True, slots=True)
class Change:
    """Every head gets the generation; every row of the changed activity moves by so many days."""

    generation: int
    days: int


@dataclass(slots=True)
class Arena:
    """One group of enrolments; `generation` and `day` say where its heads and rows stand now.

    `planned` are the protocols whose occurrences were stored ahead for the competitor that does.
    """

    stage: Stage
    group: Group
    limit_seconds: float
    base: int = 0
    generation: int = 0
    day: int = 0
    planned: set[int] = field(default_factory=set)

    def look(self) -> None:
        """The group stands as it stands after everybody was in step."""
        self.base = self.generation = int(self.value("newest_generation"))

    def change(self) -> Change:
        """The next change: a day later, or back."""
        return Change(self.generation + 1, -1 if self.day else 1)

    def values(self, change: Change | None = None) -> dict[str, Any]:
        """The parameters of the queries."""
        known = {
            "organisation_id": self.group.organisation_id, "protocol_id": self.group.protocol_id,
            "activity_key": CHANGED, "after": self.group.first_id - 1, "until": self.group.last_id,
        }  # fmt: skip
        return known if change is None else {**known, "generation": change.generation, "days": change.days}

    def value(self, name: str, change: Change | None = None) -> Any:
        """What a query of one value answers."""
        with self.stage.database.transaction(self.group.organisation_id, read_only=True) as connection:
            row = connection.execute(SQL[name], self.values(change)).fetchone()
        assert row is not None
        return row[0]

    def was_carried_out(self, change: Change, *, moves: bool) -> None:
        """The group stands where the change has brought it."""
        self.generation = change.generation
        self.day += change.days if moves else 0

    def undo(self, change: Change, *, moves: bool) -> None:
        """A change that was carried out for some only has not happened."""
        if not self.value("count_moved", change):
            return
        values = {**self.values(change), "former": self.generation}

        def undo(connection: Connection, after: int, until: int) -> None:
            span = {**values, "after": after, "until": until}
            if moves:
                connection.execute(SQL["move_back_rows"], span)
            connection.execute(SQL["move_back_heads"], span)

        self._in_spans(undo)

    def restore(self) -> None:
        """Heads and rows are as they were at first, as Lockstep knows them."""
        values = {**self.values(), "former": self.base, "generation": self.base + 1, "days": self.day}

        def restore(connection: Connection, after: int, until: int) -> None:
            span = {**values, "after": after, "until": until}
            if self.day:
                connection.execute(SQL["move_back_rows"], span)
            connection.execute(SQL["move_back_heads"], span)

        if self.generation != self.base:
            self._in_spans(restore)
        self.generation, self.day = self.base, 0

    def settle(self) -> None:
        """Nobody pays for what was written before: statistics are fresh, all is on disk."""
        trial.settle(self.stage.database.url, *WRITTEN)
        trial.checkpoint(self.stage.database.url)

    def _in_spans(self, work: Callable[[Connection, int, int], None]) -> None:
        database, organisation_id = self.stage.database, self.group.organisation_id

        def one(after: int) -> None:
            with database.transaction(organisation_id) as connection:
                work(connection, after, min(after + SPAN, self.group.last_id))

        starts = range(self.group.first_id - 1, self.group.last_id, SPAN)
        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(lambda after: run_again(lambda: one(after)), starts))
