"""What measurements meet during a recalculation: at full speed, and by workers that make way."""

import time

from lockstep.proof.budget.drain import recalculate
from lockstep.proof.budget.finding import Finding, in_ms
from lockstep.proof.budget.load import Load, Span
from lockstep.proof.budget.stage import Stage
from lockstep.proof.budget.steps import wait_until_ended

PART = "measurements during it"
KEPT = 0.98
"""A rate counts as kept from this share of it on: the last request of a span is answered after its end."""
P99_MS, TIMES_IDLE = 20.0, 3.0


def measure(stage: Stage) -> list[Finding]:
    """The same load idle, while two processes recalculate at full speed, and while two workers do, making way."""
    group = stage.everybody()
    spans: list[tuple[float, float]] = []
    with stage.load(group) as load:
        began = time.monotonic()
        time.sleep(stage.options.settle_seconds)
        spans.append((began, time.monotonic()))
        stage.switch(group)
        began = time.monotonic()
        recalculate(stage, group)
        spans.append((began, time.monotonic()))
        with stage.workers():
            accepted = stage.switch(group)
            began = time.monotonic()
            wait_until_ended(stage, accepted)
            spans.append((began, time.monotonic()))
    idle, full, yielding = (load.between(*span) for span in spans)
    return [
        _shown("idle", idle, None),
        _shown("at full speed", full, P99_MS),
        _shown("workers make way", yielding, TIMES_IDLE * in_ms(idle.took_ms)["p99_ms"]),
        _rate(stage, full, yielding),
        _time_outs(load),
    ]


def _shown(what: str, span: Span, goal_ms: float | None) -> Finding:
    numbers = in_ms(span.took_ms)
    return Finding(
        PART,
        f"requests, {what}",
        "" if goal_ms is None else f"p99 at most {goal_ms:.1f} ms",
        f"p50 {numbers['p50_ms']:.1f} ms, p99 {numbers['p99_ms']:.1f} ms ({span.seconds:.1f} s)",
        None if goal_ms is None else numbers["p99_ms"] <= goal_ms,
        {**numbers, "per_second": span.per_second(), "seconds": span.seconds},
    )


def _rate(stage: Stage, *spans: Span) -> Finding:
    rates = [span.per_second() for span in spans]
    wanted = stage.options.per_second
    return Finding(
        PART,
        "rate kept (full speed, making way)",
        f"{wanted:.0f}/s",
        ", ".join(f"{rate:.0f}/s" for rate in rates),
        min(rates) >= KEPT * wanted,
        {"full_per_second": rates[0], "yielding_per_second": rates[1]},
    )


def _time_outs(load: Load) -> Finding:
    count = load.lock_time_outs()
    return Finding(PART, "lock time-outs of measurements", "0", str(count), count == 0, {"lock_time_outs": count})
