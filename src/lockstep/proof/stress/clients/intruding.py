"""Intrudes: asks one organisation for what belongs to the other, and looks at what its own transactions can see."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from lockstep.engine.enrolment import discharge, get_enrolment
from lockstep.engine.operation import get_operation
from lockstep.engine.switch import show_switch
from lockstep.engine.timeline import answer_agenda
from lockstep.engine.version import get_content
from lockstep.proof.stress.clients.client import Client
from lockstep.proof.stress.world import NORTH, SOUTH
from lockstep.store.database import Database
from lockstep.store.queries import load

_SQL = load("intruding.sql", package="lockstep.proof.stress.clients")


class Intruding(Client):
    """Asks as the wrong organisation, again and again."""

    def step(self) -> None:
        """One question about the other organisation, and a look around in the own one and in none."""
        own, other = self.chance.sample((NORTH, SOUTH), 2)
        self._ask_about(own, other)
        name = self.chance.choice(list(_SQL))
        for organisation_id in (self.world.organisations[own], None):
            self.ask(
                "own",
                organisation_id,
                lambda organisation_id=organisation_id: _seen(self.database, organisation_id, name),  # type: ignore[misc]
                lambda found: {"organisations": found},
                what=name,
            )

    def _ask_about(self, own: str, other: str) -> None:
        group = self.world.group(other, "heart")
        enrolment_id = group.first_id + self.chance.randrange(group.count)
        organisation_id = self.world.organisations[own]
        about, number, work = self.chance.choice(
            self._questions(organisation_id, other, enrolment_id, group.protocol_id)
        )
        self.ask(
            "foreign",
            organisation_id,
            work,
            lambda found: {"found": str(found)[:200]},
            about=about,
            id=number,
            of=other,
        )

    def _questions(
        self, organisation_id: int, other: str, enrolment_id: int, protocol_id: int
    ) -> list[tuple[str, int, Callable[[], Any]]]:
        database = self.database
        from_at = datetime.now(UTC)
        until_at = from_at + timedelta(days=1)
        own: dict[str, Any] = {"organisation_id": organisation_id}
        one: dict[str, Any] = {**own, "enrolment_id": enrolment_id}
        switch_id, operation_id = self.world.switches[other], self.world.operations[other]
        return [
            ("agenda", enrolment_id, lambda: answer_agenda(database, **one, from_at=from_at, until_at=until_at)),
            ("enrolment", enrolment_id, lambda: get_enrolment(database, **one)),
            ("discharge", enrolment_id, lambda: discharge(database, **one, reason="by somebody else", actor="x")),
            ("version", protocol_id, lambda: get_content(database, **own, protocol_id=protocol_id, number=1)),
            ("switch", switch_id, lambda: show_switch(database, **own, switch_id=switch_id)),
            ("operation", operation_id, lambda: get_operation(database, **own, operation_id=operation_id)),
        ]


def _seen(database: Database, organisation_id: int | None, name: str) -> dict[str, int]:
    with database.transaction(organisation_id, read_only=True) as connection:
        return {str(row[0]): row[1] for row in connection.execute(_SQL[name])}
