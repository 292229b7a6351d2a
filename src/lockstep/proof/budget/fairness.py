"""How long small switches take behind a huge one, and behind fifty large ones."""

import threading
import time
from collections.abc import Sequence

from lockstep.domain.acceptance import Accepted
from lockstep.engine.recalculation import list_work
from lockstep.proof.budget.finding import Finding
from lockstep.proof.budget.stage import Stage
from lockstep.proof.budget.steps import is_any_behind, wait_until_ended, wait_until_in_step
from lockstep.proof.bulk_world import Group

PART = "fairness"
SMALL, SMALL_COUNT = 5, 1_000
LARGE = 50
BEHIND_ONE_MS, BEHIND_FIFTY_MS = 250.0, 2_000.0
LOOK_SECONDS = 0.002


def measure(stage: Stage) -> list[Finding]:
    """Two workers; the small switches are accepted when the large ones are under way, all about at once."""
    small = [stage.group(f"small-{number}", SMALL_COUNT) for number in range(SMALL)]
    large = [stage.group(f"large-{number}", max(1, stage.options.patients // 100)) for number in range(LARGE)]
    n = stage.options.patients
    with stage.workers():
        behind_one = [_behind(stage, [stage.everybody()], small) for _ in range(stage.options.rounds)]
        behind_fifty = [_behind(stage, large, small) for _ in range(stage.options.rounds)]
    return [
        _finding(f"behind one of {n:,}", behind_one, BEHIND_ONE_MS),
        _finding(f"behind {LARGE} of {large[0].count:,}", behind_fifty, BEHIND_FIFTY_MS),
    ]


def _behind(stage: Stage, large: Sequence[Group], small: Sequence[Group]) -> tuple[list[float], bool]:
    """Milliseconds from each acknowledgement until in step; whether a large one was at work throughout."""
    prepared = [stage.prepare(group) for group in small]
    running = [stage.switch(group) for group in large]
    _wait_until_begun(stage, running)
    took: list[float] = [0.0] * len(small)
    threads = []
    for number, (group, accept) in enumerate(zip(small, prepared, strict=True)):
        accepted, told = accept(), time.monotonic()
        watch = threading.Thread(target=_watch, args=(stage, group, accepted, told, took, number))
        watch.start()
        threads.append(watch)
    for thread in threads:
        thread.join()
    behind = any(is_any_behind(stage, group, accepted) for group, accepted in zip(large, running, strict=True))
    for accepted in running:
        wait_until_ended(stage, accepted)
    return took, behind


def _watch(stage: Stage, group: Group, accepted: Accepted, told: float, took: list[float], number: int) -> None:
    took[number] = (wait_until_in_step(stage, group, accepted, look_seconds=LOOK_SECONDS) - told) * 1000


def _wait_until_begun(stage: Stage, running: Sequence[Accepted]) -> None:
    """A first range of one of them is being walked."""
    ids = {accepted.operation_id for accepted in running}
    while not any(
        operation.operation_id in ids and operation.done
        for operation in list_work(stage.database, organisation_id=stage.world.organisation_id)
    ):
        if not any(
            operation.operation_id in ids
            for operation in list_work(stage.database, organisation_id=stage.world.organisation_id)
        ):
            return
        time.sleep(LOOK_SECONDS)


def _finding(what: str, runs: Sequence[tuple[list[float], bool]], goal_ms: float) -> Finding:
    took = [each for run, _ in runs for each in run]
    throughout = sum(behind for _, behind in runs)
    slowest = max(took)
    return Finding(
        PART,
        f"{SMALL} switches of {SMALL_COUNT:,} {what}",
        f"each within {goal_ms:.0f} ms",
        f"slowest {slowest:.0f} ms of {len(took)} (the large still at work in {throughout} of {len(runs)} runs)",
        slowest <= goal_ms,
        {"slowest_ms": slowest, "mean_ms": sum(took) / len(took), "throughout": throughout, "runs": len(runs)},
    )
