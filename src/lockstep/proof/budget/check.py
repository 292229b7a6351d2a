"""How long the independent check of everybody takes."""

import time

from lockstep.engine.check import check_slice, finish, start_check
from lockstep.engine.check_slice import Memory
from lockstep.proof.budget.finding import Finding
from lockstep.proof.budget.stage import WORKERS, Stage
from lockstep.store.database import Database

PART = "check"
GOAL_SECONDS = 300.0
SLICE = 1_000
ACTOR = "budget"


def measure(stage: Stage) -> list[Finding]:
    """Two processes, each with the check of half of the enrolments; a check that finds drift fails the line."""
    group = stage.everybody()
    half = (group.first_id - 1 + group.last_id) // 2
    checks = [
        start_check(
            stage.database,
            organisation_id=group.organisation_id,
            scope="protocol",
            scope_id=group.protocol_id,
            actor=ACTOR,
            after_enrolment_id=after,
            until_enrolment_id=until,
        )
        for after, until in ((group.first_id - 1, half), (half, group.last_id))
    ]
    assert len(checks) == WORKERS
    began = time.monotonic()
    running = [
        stage.pool.submit(walk, stage.database.url, group.organisation_id, check_id) for check_id in checks
    ]  # fmt: skip
    cpu_seconds = sum(each.result() for each in running)
    seconds = time.monotonic() - began
    certificates = [
        finish(stage.database, organisation_id=group.organisation_id, check_id=check_id, actor=ACTOR)
        for check_id in checks
    ]
    checked, drifted = sum(each.checked for each in certificates), sum(each.drifted for each in certificates)
    return [
        Finding(
            PART,
            f"{checked:,} enrolments, two processes",
            f"within {GOAL_SECONDS / 60:.0f} minutes for a million, 0 drift",
            f"{seconds:.1f} s ({checked / seconds:,.0f}/s), {drifted} drifted",
            checked == group.count and drifted == 0 and seconds / checked <= GOAL_SECONDS / 1_000_000,
            {"seconds": seconds, "checked": checked, "drifted": drifted, "client_cpu_seconds": cpu_seconds},
        )
    ]


def walk(url: str, organisation_id: int, check_id: int) -> float:
    """The check is walked to its end; returns the CPU seconds of this process. The work of one process."""
    began = time.process_time()
    memory = Memory()
    with Database(url, pool_max=1) as database:
        while not check_slice(
            database, organisation_id=organisation_id, check_id=check_id, size=SLICE, memory=memory
        ).done:
            pass
    return time.process_time() - began
