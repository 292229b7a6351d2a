"""The short form of the benchmark: few enrolments, and budgets that hold on a machine that is busy with others."""

from lockstep.proof.bench.run import CONTENDERS as ALL
from lockstep.proof.bench.run import Plan
from lockstep.proof.bench.verdict import FULL, Goals, Ratio, in_step, seen

CONTENDERS = {key: each for key, each in ALL.items() if key not in ("pipelined", "set-based")}
PLAN = Plan(sizes=(20_000,), rounds=1, limit_seconds=8.0, per_second=200.0, idle_seconds=2.0)
GOALS = Goals(
    ratios=(
        Ratio("incident", in_step, 0.3, FULL),
        Ratio("incident", seen, 5),
        Ratio("procrastinate", in_step, 5),
        Ratio("pgqueuer", in_step, 3),
        Ratio("regenerate", in_step, 0.3, FULL),
        Ratio("bare", in_step, 0.02, FULL),
    ),
)
"""A third or less of what was measured for so few; what a cohort costs once weighs more there than what rows cost."""
