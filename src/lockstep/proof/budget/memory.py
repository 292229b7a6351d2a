"""How much memory a worker takes at most."""

from lockstep.proof.budget.finding import Finding
from lockstep.proof.budget.stage import Stage
from lockstep.proof.budget.steps import wait_until_ended

PART = "memory"
GOAL_MB = 300.0


def measure(stage: Stage) -> list[Finding]:
    """The peak of every worker of this run, at least of two that brought everybody in step."""
    if not stage.worker_mb:
        with stage.workers():
            wait_until_ended(stage, stage.switch(stage.everybody()))
    peak = max(stage.worker_mb)
    return [
        Finding(
            PART,
            f"peak (VmHWM) of {len(stage.worker_mb)} workers, {stage.options.patients:,} enrolments",
            f"at most {GOAL_MB:.0f} MB",
            f"{peak:.0f} MB",
            peak <= GOAL_MB,
            {"peak_mb": peak},
        )
    ]
