"""The scene of a decision: a small settled world at a clock that stands still, and who decides in it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
from tests.conftest import Clock, stop_clock
from tests.engine.switch_world import World, activity, content, found
from tests.worker.processes import until

from lockstep.domain.acceptance import Accepted
from lockstep.domain.measurement import Measurement
from lockstep.domain.patient import NewPatient
from lockstep.domain.preview import Preview
from lockstep.domain.refusal import Refusal
from lockstep.engine import check, judgement
from lockstep.engine.acceptance import approve_switch
from lockstep.engine.judgement import judge_due
from lockstep.engine.patient import register_patient
from lockstep.engine.recalculation import begin, conclude, list_work, recalculate_chunk, verify
from lockstep.store.database import Database
from lockstep.store.recalculation import Recalculation

BEGINS = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday; 13:00 in Amsterdam, no window is open
MORNING = datetime(2026, 3, 3, 7, 30, tzinfo=UTC)  # 08:30 in Amsterdam, in the window from 08:00 to 10:00
JUDGED = datetime(2026, 3, 3, 10, 0, 1, tzinfo=UTC)  # the grace of an hour is over
ACTOR = "t.ester"
MISSED = [
    {"key": "high", "above": 100, "severity": "red"},
    {"key": "silent", "kind": "missed", "in_a_row": 1, "severity": "grey"},
]
WEIGHT, PULSE = activity(rules=MISSED), activity("pulse")


@dataclass
class Process:
    """Who decides: a connection to the database, and what a worker remembers."""

    database: Database
    memory: judgement.Memory = field(default_factory=judgement.Memory)
    checking: check.Memory = field(default_factory=check.Memory)


Act = Callable[[Process], Any]


@dataclass
class Scene:
    """Three patients on the first protocol, one on the second, one on none; everybody in step."""

    world: World
    clock: Clock
    admin: psycopg.Connection
    heart: int
    lungs: int
    patients: dict[str, int]

    @property
    def database(self) -> Database:
        return self.world.database

    @property
    def of(self) -> dict[str, Any]:
        """The organisation, as every function of the engine wants it."""
        return {"organisation_id": self.world.organisation_id}

    def enrolment(self, name: str) -> int:
        return self.world.enrolments[name]

    def weighed(self, name: str, identifier: str, taken_at: datetime, value: int = 80) -> Measurement:
        """A weight, in kg."""
        return Measurement("scale", identifier, name, "weight", Decimal(value), None, "kg", taken_at)

    def pass_until(self, at: datetime) -> None:
        """It is later, and ingestion was alive all the time: written directly, since a gap would be an outage."""
        self.clock.set(at)
        self.admin.execute(
            "insert into ingestion_heartbeat values (%s, 'recording', %s)"
            " on conflict (organisation_id, source) do update set seen_at = excluded.seen_at",
            [self.world.organisation_id, at],
        )

    def judge(self, at: datetime) -> None:
        """Everything due at the instant is judged."""
        self.pass_until(at)
        memory = judgement.Memory()
        while judge_due(self.database, **self.of, horizon_at=at, memory=memory).more:
            pass

    def published(self, opens: str = "07:00", **more: Any) -> Recalculation:
        """Weights are asked from that time on; the recalculation has not begun."""
        changed = content(activity(opens=opens, rules=MISSED), PULSE)
        return self.listed(self.accept(self.preview("publish", content=changed, **more)).operation_id)

    def preview(self, kind: str, **more: Any) -> Preview:
        """A switch of the first protocol, approved where that is needed."""
        preview = self.world.preview(kind, self.heart, **more)
        if preview.needs_approval:
            approve_switch(self.database, **self.of, switch_id=preview.switch_id, actor="second.person")
        return preview

    def accept(self, preview: Preview) -> Accepted:
        """The switch is accepted."""
        return self.world.accept(preview)

    def begun(self, operation: Recalculation) -> Recalculation:
        """The same, begun."""
        begin(self.database, **self.of, operation=operation)
        return self.listed(operation.operation_id)

    def walked(self, operation: Recalculation) -> Recalculation:
        """The same, with everybody in step."""
        memory = judgement.Memory().chunk
        while recalculate_chunk(self.database, **self.of, operation=operation, size=100, memory=memory) is not None:
            pass
        return self.listed(operation.operation_id)

    def verified(self, operation: Recalculation) -> Recalculation:
        """The same, verifying."""
        # It waits for whoever ran beside it, and that may be another test on the same server.
        until(lambda: verify(self.database, **self.of, operation=operation), what="nobody is behind")
        return self.listed(operation.operation_id)

    def listed(self, operation_id: int) -> Recalculation:
        """The recalculation as a worker lists it."""
        return next(each for each in list_work(self.database, **self.of) if each.operation_id == operation_id)

    def settle(self) -> None:
        """Every recalculation has ended."""
        for operation in list_work(self.database, **self.of):
            verified = self.verified(self.walked(self.begun(operation)))
            conclude(self.database, **self.of, operation=verified)

    def wrong(self, statement: str, *values: Any) -> None:
        """Something is made wrong, past every trigger that forbids it."""
        with self.admin.transaction():
            self.admin.execute("set local session_replication_role = replica")
            self.admin.execute(statement.encode(), list(values))


@contextmanager
def scenes(url: str) -> Iterator[Scene]:
    """The scene on a migrated, empty database."""
    with psycopg.connect(url, autocommit=True) as admin, Database(url) as database:
        admin.execute("set search_path = public, procrastinate")
        clock = stop_clock(admin)
        clock.set(BEGINS)
        world = found(database)
        heart, lungs = world.protocol("heart"), world.protocol("lungs")
        world.publish(heart, WEIGHT, PULSE)
        world.publish(lungs, activity(opens="09:00"))
        scene = Scene(world, clock, admin, heart, lungs, {})
        world.enrol(heart, ["anna", "bram", "carl"])
        world.enrol(lungs, ["dora"], zone="America/New_York")
        eve = NewPatient("eve", "Europe/Amsterdam")
        scene.patients["eve"] = register_patient(database, **scene.of, patient=eve, actor=ACTOR).patient_id
        for patient_id, identifier in admin.execute("select patient_id, identifier from patient"):
            scene.patients[identifier] = patient_id
        scene.settle()
        scene.pass_until(BEGINS + timedelta(seconds=1))
        yield scene


Again = str | type[Refusal]
THE_SAME, NOTHING_LEFT, ANOTHER, GOES_ON = "the same answer", "nothing is left", "another one", "goes on"


@dataclass(frozen=True)
class Decision:
    """One writing function of the engine, in a situation; what a retry does after the reply was lost."""

    function: str
    case: str
    arrange: Callable[[Scene], Act]
    again: Again
    audited: int
    commits: int
    differing: tuple[str, ...]
    silent: bool

    @property
    def name(self) -> str:
        return f"{self.function} ({self.case})" if self.case else self.function


DECISIONS: list[Decision] = []


def decision(
    function: str,
    *,
    again: Again,
    case: str = "",
    audited: int = 0,
    commits: int = 1,
    differing: tuple[str, ...] = (),
    silent: bool = False,
) -> Callable[[Callable[[Scene], Act]], Callable[[Scene], Act]]:
    """Puts a decision on the list: it writes `audited` entries, and so many of its `commits` change something.

    A retry after it may write the `differing` tables. A `silent` one leaves its failure to its next call.
    """

    def listed(arrange: Callable[[Scene], Act]) -> Callable[[Scene], Act]:
        DECISIONS.append(Decision(function, case, arrange, again, audited, commits, differing, silent))
        return arrange

    return listed
