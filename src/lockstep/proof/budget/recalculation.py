"""How fast enrolments are recalculated, against the bare update of the same rows, and how the cost grows."""

from statistics import median

from lockstep.proof.budget.drain import Run, recalculate, restore_heads, shift
from lockstep.proof.budget.finding import Finding
from lockstep.proof.budget.stage import Stage
from lockstep.proof.bulk_world import Group
from lockstep.store import trial

PART = "recalculation"
RATIO, LINEAR = 0.7, 11.0


def measure(stage: Stage) -> list[Finding]:
    """Two processes, the same chunks, by turns: bare, ours, bare, ours; the rows of the changed activity all move."""
    group = stage.everybody()
    bare, ours = [], []
    for number in range(stage.options.rounds):
        _settle(stage)
        bare.append(shift(stage, group, days=1))
        # The way back restores the rows, and is a bare update as good as the way there.
        _settle(stage)
        bare.append(shift(stage, group, days=-1))
        restore_heads(stage, group, times=2)
        _settle(stage)
        stage.switch(group)
        ours.append(recalculate(stage, group))
        stage.say(
            f"round {number + 1}: bare {bare[-2].per_second():,.0f} and {bare[-1].per_second():,.0f} enrolments/s,"
            f" ours {ours[-1].per_second():,.0f}"
        )
    return [_compared(group, bare, ours), _grown(stage, group, ours)]


def _compared(group: Group, bare: list[Run], ours: list[Run]) -> Finding:
    speeds = [median(run.per_second() for run in runs) for runs in (bare, ours)]
    cpu = [median(run.cpu_seconds / max(1, run.enrolments) for run in runs) for runs in (bare, ours)]
    ratio = speeds[1] / speeds[0]
    return Finding(
        PART,
        f"{group.count:,} enrolments, one activity changed, two workers, against the bare update",
        f"at least {RATIO} of its speed",
        f"{ratio:.2f} ({speeds[1]:,.0f} against {speeds[0]:,.0f}/s; by CPU {cpu[0] / cpu[1] if cpu[1] else 0:.2f})",
        ratio >= RATIO,
        {
            "ratio": ratio, "ours_per_second": speeds[1], "bare_per_second": speeds[0],
            "ours_cpu_us": cpu[1] * 1e6, "bare_cpu_us": cpu[0] * 1e6,
            "ours_seconds": median(run.seconds for run in ours),
            "bare_seconds": median(run.seconds for run in bare),
            "ours_chunk_p50_ms": median(run.chunk_p50_ms for run in ours),
            "ours_chunk_p99_ms": median(run.chunk_p99_ms for run in ours),
            "bare_chunk_p50_ms": median(run.chunk_p50_ms for run in bare),
            "lock_time_outs": sum(run.lock_time_outs for run in ours),
        },
    )  # fmt: skip


def _grown(stage: Stage, group: Group, ours: list[Run]) -> Finding:
    tenth = stage.group("tenth", max(1, group.count // 10))
    runs = []
    for _ in range(stage.options.rounds):
        _settle(stage)
        stage.switch(tenth)
        runs.append(recalculate(stage, tenth))
    whole, part = median(run.seconds for run in ours), median(run.seconds for run in runs)
    return Finding(
        PART,
        f"{group.count:,} against {tenth.count:,}",
        f"at most {LINEAR:.0f} x the time",
        f"{whole / part:.1f} x ({whole:.2f} s, {part:.2f} s)",
        whole / part <= LINEAR,
        {"ratio": whole / part, "whole_seconds": whole, "tenth_seconds": part},
    )


def _settle(stage: Stage) -> None:
    trial.settle(stage.database.url)
    trial.checkpoint(stage.database.url)
