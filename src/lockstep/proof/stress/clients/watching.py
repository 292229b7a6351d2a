"""Watches: counts patients, looks at heads, and notes each missed occurrence when it is first to be seen."""

from datetime import datetime
from typing import Any

from lockstep.proof.stress.clients.client import Client, Order
from lockstep.store.database import Connection
from lockstep.store.queries import load

_SQL = load("watching.sql", package="lockstep.proof.stress.clients")
WATCHED = 150


class Watching(Client):
    """Looks in turn at each organisation."""

    def __init__(self, order: Order) -> None:
        super().__init__(order)
        self.turn = 0
        self.seen: set[tuple[Any, ...]] = set()
        self.since_at: dict[int, datetime] = {}

    def step(self) -> None:
        """One look of each kind at the next organisation."""
        self.turn += 1
        organisations = list(self.world.organisations.values())
        organisation_id = organisations[self.turn % len(organisations)]
        self._look_for_missed(organisation_id)
        self._count(organisation_id)
        self._look_at_heads(organisation_id)

    def finish(self) -> None:
        """A last look at everything."""
        for _ in self.world.organisations:
            self.step()

    def _rows(self, organisation_id: int, name: str, **values: Any) -> list[tuple[Any, ...]]:
        with self.database.transaction(organisation_id, read_only=True, isolation="repeatable read") as connection:
            return _fetch(connection, name, values)

    def _count(self, organisation_id: int) -> None:
        self.ask(
            "count",
            organisation_id,
            lambda: self._rows(organisation_id, "count_patients")[0],
            lambda row: {"on_protocols": row[0], "enrolled": row[1]},
        )

    def _look_at_heads(self, organisation_id: int) -> None:
        ids: list[int] = []
        for group in self.world.groups:
            if group.organisation_id == organisation_id:
                step = max(1, group.count // WATCHED)
                ids += [group.first_id + position for position in range(0, group.count, step)]
        self.ask(
            "heads",
            organisation_id,
            lambda: self._rows(organisation_id, "list_heads", enrolment_ids=ids),
            lambda rows: {"heads": rows},
        )

    def _look_for_missed(self, organisation_id: int) -> None:
        since_at = self.since_at.get(organisation_id)
        outcome, rows = self.ask(
            "missed",
            organisation_id,
            lambda: self._rows(organisation_id, "list_missed", since_at=since_at),
            lambda rows: {"new": [row[:4] for row in rows if row[:4] not in self.seen]},
        )
        if outcome == "ok" and rows:
            self.seen.update(row[:4] for row in rows)
            self.since_at[organisation_id] = max(row[4] for row in rows)


def _fetch(connection: Connection, name: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    return connection.execute(_SQL[name], values).fetchall()
