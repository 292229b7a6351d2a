"""Judges a run: how many times faster Lockstep was than each competitor, and whether that is enough."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lockstep.proof.bench.cell import Cell
from lockstep.proof.bench.run import Report
from lockstep.proof.budget.finding import Finding

PART = "ratio"
OURS, FULL = "lockstep", "full speed"
Time = Callable[[Cell], float | None]


def in_step(cell: Cell) -> float | None:
    """Seconds until every row was in step."""
    return cell.in_step_seconds


def seen(cell: Cell) -> float | None:
    """Seconds until every reader saw the change; where that never came, as long as it would have taken."""
    return cell.seen_seconds if cell.seen_seconds is not None else cell.in_step_seconds


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times as long as `ours` the `other` takes, which is to be `least` or more."""

    other: str
    of: Time
    least: float
    ours: str = OURS


@dataclass(frozen=True, slots=True)
class Growth:
    """How many times as long it takes for the most enrolments as for `times` fewer, which is to be `most` or less."""

    of: Time
    what: str
    times: int
    most: float


@dataclass(frozen=True, slots=True)
class Goals:
    """What a run is judged by; `p99_ms` and `times_idle` are of measurements, None where a run is too short for it."""

    ratios: Sequence[Ratio]
    growths: Sequence[Growth] = ()
    p99_ms: float | None = None
    times_idle: float | None = None


FULL_GOALS = Goals(
    ratios=(
        Ratio("incident", in_step, 30, FULL),
        Ratio("incident", in_step, 30),
        Ratio("set-based", in_step, 1, FULL),
        Ratio("set-based", in_step, 1),
        Ratio("procrastinate", in_step, 100),
        Ratio("pgqueuer", in_step, 100),
        Ratio("regenerate", in_step, 10),
        Ratio("bare", in_step, 0.7, FULL),
    ),
    growths=(
        Growth(lambda cell: cell.acknowledged_seconds, "acknowledgement", 1_000, 1.5),
        Growth(in_step, "in step", 10, 11),
    ),
    p99_ms=20,
    times_idle=3,
)
"""The goals of the design, for a run with a million."""


def judge(report: Report, goals: Goals) -> list[Finding]:
    """A finding for each goal, at the most enrolments that were measured."""
    size = max((each.patients for each in report.cells), default=0)
    if not size:
        return [Finding(PART, "nothing was measured", "", "", False)]
    cells = {(each.contender, each.patients): each for each in report.cells}
    findings = [_ratio(cells[each.ours, size], cells[each.other, size], each) for each in goals.ratios]
    for growth in goals.growths:
        if (fewer := cells.get((OURS, size // growth.times))) is not None:
            findings.append(_growth(fewer, cells[OURS, size], growth))
    findings += [_time_outs(cells[each, size]) for each in (FULL, OURS)]
    idle = next(each for each in report.idles if each.patients == size)
    if goals.p99_ms is not None:
        findings.append(_p99(cells[FULL, size], goals.p99_ms, f"{goals.p99_ms:.0f} ms"))
    if goals.times_idle is not None:
        goal = f"{goals.times_idle:.0f} x idle ({idle.p99_ms:.1f} ms)"
        findings.append(_p99(cells[OURS, size], goals.times_idle * idle.p99_ms, goal))
    return findings


def _ratio(ours: Cell, other: Cell, goal: Ratio) -> Finding:
    times = _over(goal.of(other), goal.of(ours))
    about = "about " if other.extrapolated or ours.extrapolated else ""
    return Finding(
        PART,
        f"{ours.patients:,}: {goal.other} takes, against {goal.ours} ({_what(goal.of)})",
        f"at least {goal.least:g} x as long",
        f"{about}{times:.2f} x" if times < 10 else f"{about}{times:.0f} x",
        times >= goal.least,
        {"ratio": times},
    )


def _growth(fewer: Cell, most: Cell, goal: Growth) -> Finding:
    times = _over(goal.of(most), goal.of(fewer))
    return Finding(
        PART,
        f"{goal.what}: {most.patients:,} against {fewer.patients:,}",
        f"at most {goal.most:g} x",
        # In proportion is what was assumed: an extrapolated time says nothing about growth.
        "not measured: extrapolated" if most.extrapolated and goal.of is in_step else f"{times:.2f} x",
        None if most.extrapolated and goal.of is in_step else times <= goal.most,
        {"ratio": times},
    )


def _time_outs(cell: Cell) -> Finding:
    count = cell.measurement_time_outs + cell.recalculation_time_outs
    return Finding(
        PART, f"{cell.patients:,}: lock time-outs beside {cell.contender}", "0", str(count), count == 0
    )  # fmt: skip


def _p99(cell: Cell, most_ms: float, goal: str) -> Finding:
    return Finding(
        PART,
        f"{cell.patients:,}: measurements beside {cell.contender}, p99",
        f"at most {goal}",
        f"{cell.p99_ms:.1f} ms",
        cell.p99_ms <= most_ms,
        {"p99_ms": cell.p99_ms},
    )


def _over(above: float | None, below: float | None) -> float:
    """NaN, which holds no goal, where one of them never came."""
    return math.nan if above is None or below is None or below <= 0 else above / below


def _what(of: Time) -> str:
    return "seen" if of is seen else "in step"
