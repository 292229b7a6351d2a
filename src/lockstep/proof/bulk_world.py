"""A world of many enrolments, made by a few statements instead of one call for each thousand, in the same state."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lockstep.domain.cohort import NEVER
from lockstep.domain.content import Content
from lockstep.domain.protocol import parse
from lockstep.engine.chunk import Memory
from lockstep.engine.organisation import create_organisation
from lockstep.engine.program import open_program
from lockstep.engine.recalculation import begin, conclude, list_work, recalculate_chunk, verify
from lockstep.proof.world import introduce
from lockstep.store import trial
from lockstep.store.clock import now
from lockstep.store.database import Connection, Database
from lockstep.store.queries import load

_SQL = load("bulk_world.sql", package="lockstep.proof")
ACTOR = "world"
ANCHOR_DAYS, JOIN_A_DAY = 200, 1_000
"""First days are spread over at most so many days: each day so many people joined, or more."""
CHUNK = 2_000


@dataclass(frozen=True, slots=True)
class Group:
    """Enrolments on one protocol, whose patients are `prefix` with 1 to `count`; numbers run without a gap."""

    organisation_id: int
    protocol_id: int
    prefix: str
    count: int
    first_id: int
    last_id: int

    def patient(self, position: int) -> str:
        """The identifier of the patient at a position, counted from 0."""
        return f"{self.prefix}{position + 1}"


@dataclass(frozen=True, slots=True)
class BulkWorld:
    """One organisation with one program, to which groups are added."""

    database: Database
    organisation_id: int
    program_id: int

    def add(self, document: dict[str, Any] | Content, *, count: int, zones: Sequence[str]) -> Group:
        """So many new patients are enrolled on a new protocol and asked what it asks. Raises on numbers with a gap."""
        content = document if isinstance(document, Content) else parse(document)
        protocol_id = introduce(
            self.database, organisation_id=self.organisation_id, program_id=self.program_id, content=content
        )
        with self.database.transaction(self.organisation_id) as connection:
            group = self._enrol(connection, protocol_id, content.key, count, list(zones))
        trial.settle(self.database.url)
        bring_all_in_step(self.database, self.organisation_id)
        return group

    def _enrol(self, connection: Connection, protocol_id: int, key: str, count: int, zones: list[str]) -> Group:
        at: datetime = now(connection)
        values: dict[str, Any] = {
            "organisation_id": self.organisation_id, "program_id": self.program_id, "protocol_id": protocol_id,
            "prefix": f"{key}-", "count": count, "zones": zones, "at": at, "never": NEVER,
            "anchor_days": min(ANCHOR_DAYS, max(1, count // JOIN_A_DAY)),
        }  # fmt: skip
        patients = _span(connection, "insert_patients", values, count)
        connection.execute(_SQL["insert_zones"], {**values, "first": patients[0], "last": patients[1]})
        first_id, last_id = _span(
            connection, "insert_enrolments", {**values, "first": patients[0], "last": patients[1]}, count
        )
        for name in ("insert_assignments", "insert_cohorts", "insert_heads"):
            connection.execute(_SQL[name], {**values, "first": first_id, "last": last_id})
        return Group(self.organisation_id, protocol_id, f"{key}-", count, first_id, last_id)


def found(database: Database, key: str) -> BulkWorld:
    """A new organisation with one program."""
    organisation_id = create_organisation(database, key=key, title=key, actor=ACTOR).organisation_id
    program = open_program(database, organisation_id=organisation_id, key=key, title=key, actor=ACTOR)
    return BulkWorld(database, organisation_id, program.program_id)


def bring_all_in_step(database: Database, organisation_id: int) -> None:
    """Every recalculation of the organisation has ended; nobody else works on one."""
    memory = Memory()
    for operation in list_work(database, organisation_id=organisation_id):
        begin(database, organisation_id=organisation_id, operation=operation)
        while recalculate_chunk(
            database, organisation_id=organisation_id, operation=operation, size=CHUNK, memory=memory
        ):
            pass
    for operation in list_work(database, organisation_id=organisation_id):
        if verify(database, organisation_id=organisation_id, operation=operation):
            conclude(database, organisation_id=organisation_id, operation=operation)


def _span(connection: Connection, name: str, values: dict[str, Any], count: int) -> tuple[int, int]:
    row = connection.execute(_SQL[name], values).fetchone()
    assert row is not None
    first, last = int(row[0]), int(row[1])
    assert last - first + 1 == count, "somebody else makes a world in this database at the same time"
    return first, last
