"""How long the acceptance of a switch takes: idle, under load, during a recalculation, for few and for many."""

import time
from collections.abc import Callable, Iterator
from itertools import cycle

from lockstep.domain.acceptance import Accepted
from lockstep.proof.budget.drain import conclude_all, start_recalculating
from lockstep.proof.budget.finding import Finding, in_ms, percentile
from lockstep.proof.budget.stage import Stage
from lockstep.proof.bulk_world import Group

PART = "acceptance"
OF_MANY = 15
"""Acceptances for N and for a thousand that are compared: a preview for N takes long."""
TURNS = 15
"""Protocols of a thousand that take turns: previews slow down with the switches of one protocol within a day."""
P99_MS, P99_MEANWHILE_MS, RATIO = 10.0, 25.0, 1.5


def measure(stage: Stage) -> list[Finding]:
    """Acceptances are timed from the call to the acknowledgement; the preview is made before."""
    few = cycle([stage.group(f"thousand-{number}", 1_000) for number in range(TURNS)])
    many = stage.everybody()
    count = stage.options.acceptances
    idle = [_timed(stage.prepare(next(few))) for _ in range(count)]
    both = [_pair(stage, next(few), many, many_first=turn % 2 == 0) for turn in range(min(OF_MANY, count))]
    with stage.load(many):
        loaded = [_timed(stage.prepare(next(few))) for _ in range(count)]
        meanwhile = _during(stage, few, many)
    conclude_all(stage)
    thousand, everybody = (percentile([pair[each] for pair in both], 0.5) for each in (0, 1))
    rate, n = stage.options.per_second, stage.options.patients
    return [
        _finding("idle", idle, None),
        _finding(f"under {rate:.0f} measurements/s", loaded, P99_MS),
        _finding(f"under load, during a recalculation of {n:,}", meanwhile, P99_MEANWHILE_MS),
        Finding(
            PART,
            f"for {n:,} against 1,000, medians",
            f"at most {RATIO} x",
            f"{everybody:.2f} ms, {thousand:.2f} ms: {everybody / thousand:.2f} x",
            everybody / thousand <= RATIO,
            {"of_many_ms": everybody, "of_thousand_ms": thousand, "ratio": everybody / thousand},
        ),
    ]


def _pair(stage: Stage, few: Group, many: Group, *, many_first: bool) -> tuple[float, float]:
    """Milliseconds for few and for many. Both previews come first: no acceptance follows upon one alone."""
    accept_few, accept_many = stage.prepare(few), stage.prepare(many)
    if many_first:
        of_many, of_few = _timed(accept_many), _timed(accept_few)
        return of_few, of_many
    return _timed(accept_few), _timed(accept_many)


def _during(stage: Stage, few: Iterator[Group], many: Group) -> list[float]:
    """Acceptances while two processes recalculate everybody at full speed, recalculated anew until there are enough."""
    took: list[float] = []
    while len(took) < stage.options.acceptances:
        stage.switch(many)
        running = start_recalculating(stage, many)
        while not all(each.done() for each in running):
            accept = stage.prepare(next(few))
            if not all(each.done() for each in running):
                took.append(_timed(accept))
    return took


def _timed(accept: Callable[[], Accepted]) -> float:
    began = time.perf_counter()
    accept()
    return (time.perf_counter() - began) * 1000


def _finding(what: str, took: list[float], goal_ms: float | None) -> Finding:
    numbers = in_ms(took)
    return Finding(
        PART,
        what,
        "" if goal_ms is None else f"p99 at most {goal_ms:.0f} ms",
        f"p50 {numbers['p50_ms']:.2f} ms, p99 {numbers['p99_ms']:.2f} ms of {len(took)}",
        None if goal_ms is None else numbers["p99_ms"] <= goal_ms,
        numbers,
    )
