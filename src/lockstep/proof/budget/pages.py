"""How long what a patient's page shows takes to answer: what is in force, and the agenda of a month."""

import random
import time
from datetime import timedelta

from lockstep.engine.timeline import answer_agenda, answer_in_force
from lockstep.proof.budget.finding import Finding, percentile
from lockstep.proof.budget.stage import Stage
from lockstep.store.clock import now

PART = "pages"
READ = 400
P95_MS = 50.0
BEFORE, AHEAD = timedelta(days=14), timedelta(days=14)


def measure(stage: Stage) -> list[Finding]:
    """One reader, one patient after the other, while measurements come in. There is no answer for a worklist yet."""
    group = stage.everybody()
    chance = random.Random(group.count)  # noqa: S311 (chooses patients, protects nothing)
    took: list[float] = []
    with stage.load(group):
        for _ in range(READ):
            enrolment_id = chance.randint(group.first_id, group.last_id)
            with stage.database.transaction(group.organisation_id, read_only=True) as connection:
                at = now(connection)
            began = time.perf_counter()
            answer_in_force(stage.database, organisation_id=group.organisation_id, enrolment_id=enrolment_id)
            answer_agenda(
                stage.database,
                organisation_id=group.organisation_id,
                enrolment_id=enrolment_id,
                from_at=at - BEFORE,
                until_at=at + AHEAD,
            )
            took.append((time.perf_counter() - began) * 1000)
    p95 = percentile(took, 0.95)
    return [
        Finding(
            PART,
            f"a patient of {group.count:,}: what is in force, and the agenda of four weeks",
            f"p95 at most {P95_MS:.0f} ms",
            f"p50 {percentile(took, 0.5):.1f} ms, p95 {p95:.1f} ms of {len(took)}",
            p95 <= P95_MS,
            {"p50_ms": percentile(took, 0.5), "p95_ms": p95},
        ),
        Finding(PART, "a worklist of open alerts", "p95 at most 100 ms", "no such answer exists yet", None),
    ]
