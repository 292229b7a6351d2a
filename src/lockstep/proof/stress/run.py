"""A stress run: everybody works while faults happen; then all histories and all rows are checked."""

import json
import logging
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lockstep.proof.stress.checkers import CHECKERS
from lockstep.proof.stress.evidence import Evidence
from lockstep.proof.stress.final import read_final
from lockstep.proof.stress.finding import VIOLATED, Finding
from lockstep.proof.stress.history import History, read_histories
from lockstep.proof.stress.injecting import Injecting
from lockstep.proof.stress.schedule import more, plan
from lockstep.proof.stress.settling import settle
from lockstep.proof.stress.stage import Options, Stage, staged

RESERVE = 1.15
"""So much longer than planned faults may go on, to make up for those that hit nothing."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run showed. `broken` are faults that could not be made for a fault of ours, `errors` what clients met."""

    options: Options
    findings: tuple[Finding, ...]
    hits: dict[str, int]
    missed: dict[str, int]
    broken: tuple[str, ...]
    errors: dict[str, int]
    operations: dict[str, dict[str, int]]
    seconds: dict[str, float]
    history: History
    folder: Path

    def holds(self) -> bool:
        """Whether no checker found a violation, and no client or fault of ours broke down."""
        return not self.broken and not any(finding.verdict == VIOLATED for finding in self.findings)

    def to_document(self) -> dict[str, Any]:
        """The figures in plain JSON values."""
        return {
            "options": {**asdict(self.options), "folder": str(self.folder)},
            "holds": self.holds(),
            "findings": [{**asdict(each), "verdict": each.verdict, "bound": each.bound()} for each in self.findings],
            "hits": self.hits,
            "missed": self.missed,
            "broken": list(self.broken),
            "errors": self.errors,
            "operations": self.operations,
            "seconds": self.seconds,
        }


def run(options: Options, told: Callable[[str], None]) -> Outcome:
    """The run is over, and everything it started has ended. Call it in the main thread. Raises StressFailed."""
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="lockstep-stress-run-"))
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with staged(options, folder, told) as stage:
        ready = time.monotonic()
        injecting = _inject(stage, told)
        over = time.monotonic()
        broken = [*injecting.broken, *(f"client {name} ended by itself" for name in stage.shared.cast.ended_badly())]
        judged_at = settle(stage, told)
        calm = time.monotonic()
        told("reads histories and rows")
        evidence = Evidence(read_histories(stage.histories), read_final(stage.shared.url, judged_at=judged_at))
    told("checks")
    findings = tuple(check(evidence) for check in CHECKERS.values())
    seconds = {
        "setting up": ready - began,
        "faults": over - ready,
        "settling": calm - over,
        "checking": time.monotonic() - calm,
    }
    outcome = Outcome(
        options,
        findings,
        dict(injecting.hits),
        dict(injecting.missed),
        tuple(broken),
        _errors(evidence.history),
        _operations(evidence.history),
        {key: round(value, 1) for key, value in seconds.items()},
        evidence.history,
        folder,
    )
    (folder / "outcome.json").write_text(json.dumps(outcome.to_document(), default=str, indent=1), encoding="utf-8")
    return outcome


def _inject(stage: Stage, told: Callable[[str], None]) -> Injecting:
    options = stage.options
    planned = plan(options.seed, options.faults, options.minutes * 60)
    injecting = Injecting(stage.lanes, planned, more(options.seed, options.faults), options.minutes * 60 * RESERVE)
    said = [time.monotonic()]

    def draw() -> None:
        if time.monotonic() - said[0] > 15:
            said[0] = time.monotonic()
            told(injecting.line())

    injecting.run(stage.soon, draw)
    told(injecting.line())
    return injecting


def _operations(history: History) -> dict[str, dict[str, int]]:
    found: dict[str, Counter[str]] = {}
    for each in history.operations:
        found.setdefault(each.do, Counter())[each.outcome] += 1
    return {do: dict(counts) for do, counts in sorted(found.items())}


def _errors(history: History) -> dict[str, int]:
    """What requests met that were not answered, by code; those that no retry would pass are marked."""
    counts: Counter[str] = Counter()
    for each in history.operations:
        if each.outcome == "unknown" and each.answer:
            mark = "" if each.answer.get("transient") else " (not transient)"
            counts[f"{each.answer['error']}{mark}"] += 1
        elif each.outcome == "unknown":
            counts["no answer"] += 1
    return dict(counts.most_common())
