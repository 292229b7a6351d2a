"""What one competitor did to one number of enrolments: medians of its runs, with what measurements met meanwhile."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from lockstep.proof.bench.contender import Contender, Done
from lockstep.proof.budget.finding import percentile
from lockstep.proof.budget.load import Load

LEAST_SECONDS = 2.0
"""A rate is taken over at least so long from the call on: in less, it is chance how many requests end."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of a competitor, and the bytes of log that were written meanwhile."""

    done: Done
    wal_bytes: int


@dataclass(frozen=True, slots=True)
class Cell:
    """Medians; seconds from the call. `extrapolated`: not all was done when its time was over, or it was not run.

    None: it did not come to that. Lock time-outs and roll-backs are those of all runs. The measurements are those of
    requests that were under way meanwhile, also where they were answered later.
    """

    contender: str
    patients: int
    runs: int
    acknowledged_seconds: float | None
    seen_seconds: float | None
    in_step_seconds: float | None
    extrapolated: bool
    enrolments_per_second: float
    rolled_back: int
    recalculation_time_outs: int
    measurement_time_outs: int
    measurements_per_second: float
    p50_ms: float
    p99_ms: float
    wal_mb: float
    peak_mb: float


@dataclass(frozen=True, slots=True)
class Idle:
    """What measurements met before anything was changed."""

    patients: int
    measurements_per_second: float
    p50_ms: float
    p99_ms: float


def cell(contender: Contender, patients: int, trials: Sequence[Trial], load: Load) -> Cell:
    """The runs of one competitor; call it after the load has stopped."""
    done = [trial.done for trial in trials]
    spans = [load.meeting(each.called, each.ended) for each in done]
    rates = [load.between(each.called, max(each.ended, each.called + LEAST_SECONDS)).per_second() for each in done]
    took = [each for span in spans for each in span.took_ms]
    finished = [each for each in done if each.in_step is not None]
    speed = median(each.enrolments / (each.ended - each.called) for each in done)
    in_step = _median(done, lambda each: each.in_step)
    return Cell(
        contender=contender.key,
        patients=patients,
        runs=len(done),
        acknowledged_seconds=_median(done, lambda each: each.acknowledged),
        seen_seconds=_median(done, lambda each: each.seen),
        in_step_seconds=in_step if len(finished) == len(done) else _linear(patients, speed),
        extrapolated=len(finished) < len(done),
        enrolments_per_second=speed,
        rolled_back=sum(each.rolled_back for each in done),
        recalculation_time_outs=sum(each.lock_time_outs for each in done),
        measurement_time_outs=sum(load.lock_time_outs_between(each.called, each.ended) for each in done),
        measurements_per_second=median(rates),
        p50_ms=percentile(took, 0.5),
        p99_ms=percentile(took, 0.99),
        wal_mb=median(trial.wal_bytes for trial in trials) / 2**20,
        peak_mb=max(each.peak_mb for each in done),
    )


def larger(smaller: Cell, patients: int) -> Cell:
    """The cell of a competitor that was not run, because its time was over for fewer already."""
    seconds = _linear(patients, smaller.enrolments_per_second)
    nothing = math.nan
    return Cell(
        smaller.contender, patients, 0, None, None, seconds, True, smaller.enrolments_per_second, 0, 0, 0, nothing,
        nothing, nothing, nothing, nothing,
    )  # fmt: skip


def idle(patients: int, load: Load, from_s: float, until_s: float) -> Idle:
    """Call it after the load has stopped."""
    span = load.between(from_s, until_s)
    return Idle(patients, span.per_second(), percentile(span.took_ms, 0.5), percentile(span.took_ms, 0.99))


def _median(done: Sequence[Done], of: Callable[[Done], float | None]) -> float | None:
    known = [at - each.called for each in done if (at := of(each)) is not None]
    return median(known) if len(known) == len(done) else None


def _linear(patients: int, per_second: float) -> float | None:
    return patients / per_second if per_second > 0 else None
