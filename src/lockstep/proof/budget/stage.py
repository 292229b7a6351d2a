"""What every measurement shares: the database, the world, the processes that work on it, the options."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lockstep.domain.acceptance import Accepted
from lockstep.domain.protocol import parse
from lockstep.proof.budget.load import Load
from lockstep.proof.budget.load import Order as LoadOrder
from lockstep.proof.bulk_world import BulkWorld, Group
from lockstep.proof.crew import Crew
from lockstep.proof.ingestion import meeting_pool
from lockstep.proof.world import accept, preview_publication
from lockstep.store.database import Database

ZONES = ("Europe/Amsterdam", "Europe/London", "America/New_York", "Asia/Tokyo", "Australia/Sydney")
CHANGED = "weight"
"""The activity that the switches of these measurements change: every row of it moves."""
WORKERS = 2
SENDERS = 2


@dataclass(frozen=True, slots=True)
class Options:
    """How much is measured; `patients` is N of the budgets."""

    patients: int = 1_000_000
    rounds: int = 3
    probes: int = 100_000
    acceptances: int = 300
    per_second: float = 400.0
    settle_seconds: float = 10.0


@dataclass(slots=True)
class Stage:
    """A world on a database of its own; groups are made when first wanted."""

    database: Database
    world: BulkWorld
    options: Options
    say: Callable[[str], None]
    pool: ProcessPoolExecutor = field(default_factory=lambda: meeting_pool(WORKERS))
    groups: dict[str, Group] = field(default_factory=dict)
    turns: dict[str, int] = field(default_factory=dict)
    worker_mb: list[float] = field(default_factory=list)
    zones: Sequence[str] = ZONES

    def group(self, key: str, count: int) -> Group:
        """The group of this name, on a protocol of its own."""
        if key not in self.groups:
            self.say(f"makes {count:,} enrolments ({key})")
            self.groups[key] = self.world.add(protocol(key), count=count, zones=self.zones)
        return self.groups[key]

    def everybody(self) -> Group:
        """The N enrolments."""
        return self.group("everybody", self.options.patients)

    def switch(self, group: Group) -> Accepted:
        """The group's protocol asks its changed activity an hour later, or earlier again, in force now."""
        return self.prepare(group)()

    def prepare(self, group: Group) -> Callable[[], Accepted]:
        """The same as a preview; calling what is returned accepts it."""
        key = group.prefix.removesuffix("-")
        turn = self.turns.get(key, 0)
        preview = preview_publication(
            self.database,
            organisation_id=group.organisation_id,
            protocol_id=group.protocol_id,
            content=parse(protocol(key, later=turn % 2 == 0)),
            reason="Measured",
        )

        def accept_it() -> Accepted:
            accepted = accept(self.database, organisation_id=group.organisation_id, preview=preview)
            self.turns[key] = turn + 1
            return accepted

        return accept_it

    @contextmanager
    def load(self, group: Group) -> Iterator[Load]:
        """Meanwhile the group's patients send measurements at the steady rate."""
        load = Load(
            [
                LoadOrder(
                    self.database.url, group.organisation_id, group.prefix, group.count,
                    self.options.per_second / SENDERS, number,
                )
                for number in range(SENDERS)
            ]
        )  # fmt: skip
        try:
            load.wait_until_sending()
            yield load
            load.stop()
        finally:
            load.kill()

    @contextmanager
    def workers(self) -> Iterator[Crew]:
        """Meanwhile two `lockstep worker` run; the most memory that each took is noted."""
        with tempfile.TemporaryDirectory(prefix="lockstep-budget-") as folder:
            crew = Crew(self.database.url, WORKERS, Path(folder) / "workers.log")
            try:
                yield crew
                self.worker_mb += [peak_mb(pid) for pid in crew.pids()]
            finally:
                crew.end()


def peak_mb(pid: int) -> float:
    """The most memory that a process ever took, in MB (Linux; NaN elsewhere)."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), float("nan"))


def protocol(key: str, *, later: bool = False) -> dict[str, Any]:
    """A weight in the morning and a blood pressure in the evening; `later` by an hour for the weight."""
    morning = {"opens": "08:00", "closes": "11:00"} if later else {"opens": "07:00", "closes": "10:00"}
    return {
        "key": key,
        "title": key,
        "activities": [
            {
                "key": CHANGED, "title": "Weight", "code": "29463-7", "unit": "kg", "grace": "2h",
                "schedule": {"every": "1 day", "times": [{"label": "morning", **morning}]},
                "rules": [{"key": "heavy", "above": 125, "severity": "red"}],
            },
            {
                "key": "systolic", "title": "Systolic", "code": "8480-6", "unit": "mm[Hg]", "grace": "1h",
                "schedule": {
                    "every": "1 day",
                    "times": [{"label": "evening", "opens": "17:00", "closes": "21:00"}],
                },
                "rules": [{"key": "high", "above": 175, "severity": "red"}],
            },
        ],
    }  # fmt: skip
