"""What a measurement found: the goal, the figure, the verdict; and what it was measured on."""

import math
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from lockstep.proof.budget import sql
from lockstep.store import trial
from lockstep.store.database import Database


@dataclass(frozen=True, slots=True)
class Finding:
    """One figure; `held` is None where it is only reported. `numbers` are what the figure was made of."""

    part: str
    what: str
    goal: str
    measured: str
    held: bool | None
    numbers: Mapping[str, float] = field(default_factory=dict)

    def verdict(self) -> str:
        """The verdict in a word."""
        return {True: "held", False: "NOT HELD", None: "reported"}[self.held]


@dataclass(frozen=True, slots=True)
class Machine:
    """What everything ran on, with the load it had already, and the settings of the server that matter."""

    processors: int
    kind: str
    load: tuple[float, float, float]
    at: datetime
    server: str
    settings: dict[str, str]


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found in one run."""

    patients: int
    machine: Machine
    findings: list[Finding]

    def holds(self) -> bool:
        """Whether no goal was missed."""
        return not any(finding.held is False for finding in self.findings)


def machine(database: Database) -> Machine:
    """This machine and the server of the database, now."""
    with database.transaction(None, read_only=True) as connection:
        settings = {row[0]: row[1] for row in connection.execute(sql.SQL["list_settings"])}
        at = connection.execute(sql.SQL["clock"]).fetchone()
    assert at is not None
    return Machine(
        processors=os.cpu_count() or 1,
        kind=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        load=os.getloadavg(),
        at=at[0],
        server=f"PostgreSQL {trial.server_version(database.url)}",
        settings=settings,
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that so large a share of them does not exceed; NaN of none (nearest rank)."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def in_ms(values: Sequence[float]) -> dict[str, float]:
    """The quantiles of durations in milliseconds."""
    return {
        "count": len(values),
        "p50_ms": round(percentile(values, 0.5), 2),
        "p99_ms": round(percentile(values, 0.99), 2),
        "max_ms": round(max(values, default=math.nan), 2),
    }
