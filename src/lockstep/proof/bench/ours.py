"""Lockstep: two real workers on the real path, and the same chunks by two processes that make way for nobody."""

import os
import random
import time
from collections.abc import Callable

from lockstep.domain.acceptance import Accepted
from lockstep.domain.operation import EventType
from lockstep.engine.operation import list_events
from lockstep.engine.recalculation import begin, list_work
from lockstep.engine.timeline import answer_in_force
from lockstep.engine.worker import list_workers
from lockstep.proof.bench.arena import Arena
from lockstep.proof.bench.contender import Contender, Done
from lockstep.proof.bench.jobs import START_SECONDS
from lockstep.proof.bench.process import meet
from lockstep.proof.budget.drain import Part, chunks, conclude_all
from lockstep.proof.budget.stage import WORKERS, Stage, peak_mb
from lockstep.proof.budget.steps import is_any_behind
from lockstep.proof.ingestion import meeting_pool
from lockstep.proof.watched_database import LOCK_TIME_OUT

READ = 20
"""Patients who are read after the acknowledgement."""
LOOK_SECONDS = 0.01
FEW = 20_000
"""Up to so many enrolments the heads themselves tell at every look whether all are in step; it takes a millisecond."""


def _run_workers(arena: Arena) -> Done:
    stage = arena.stage
    with stage.workers():
        _wait_until(lambda: len(list_workers(stage.database)) >= WORKERS, START_SECONDS)
        accept = stage.prepare(arena.group)
        called = time.monotonic()
        accepted = accept()
        acknowledged = time.monotonic()
        seen = _first_seen(arena, accepted)
        in_step = _wait_until(lambda: _is_in_step(arena, accepted), arena.limit_seconds)
        ended = time.monotonic()
        done = arena.group.count if in_step else _done(arena, accepted)
    conclude_all(stage)
    return Done(
        called=called,
        acknowledged=acknowledged,
        seen=seen,
        in_step=ended if in_step else None,
        ended=ended,
        enrolments=done,
        lock_time_outs=_lock_time_outs(stage, accepted),
        peak_mb=max(stage.worker_mb[-WORKERS:]),
    )


def _run_full(arena: Arena) -> Done:
    stage, group = arena.stage, arena.group
    with meeting_pool(WORKERS) as pool:
        accept = stage.prepare(group)
        meet(pool, WORKERS)
        called = time.monotonic()
        accepted = accept()
        acknowledged = time.monotonic()
        seen = _first_seen(arena, accepted)
        for operation in list_work(stage.database, organisation_id=group.organisation_id):
            if operation.operation_id == accepted.operation_id:
                begin(stage.database, organisation_id=group.organisation_id, operation=operation)
        given = (stage.database.url, time.monotonic(), group.organisation_id, group.protocol_id)
        told = [each.result() for each in [pool.submit(work_chunks, *given) for _ in range(WORKERS)]]
    ended = max(part.ended for part, _ in told)
    conclude_all(stage)
    return Done(
        called=called,
        acknowledged=acknowledged,
        seen=seen,
        in_step=ended,
        ended=ended,
        enrolments=sum(part.done for part, _ in told),
        lock_time_outs=sum(part.lock_time_outs for part, _ in told),
        peak_mb=max(peak for _, peak in told),
    )


def work_chunks(url: str, begins: float, organisation_id: int, protocol_id: int) -> tuple[Part, float]:
    """Recalculates at full speed until nothing is left; the work of one process, and the most memory it took."""
    return chunks(url, begins, organisation_id, protocol_id), peak_mb(os.getpid())


def _first_seen(arena: Arena, accepted: Accepted) -> float:
    """Asked from then on, every one of some patients showed the new version."""
    group = arena.group
    chance = random.Random(accepted.generation)  # noqa: S311 (chooses patients, protects nothing)
    ids = [chance.randint(group.first_id, group.last_id) for _ in range(READ)]
    while True:
        asked = time.monotonic()
        answers = [
            answer_in_force(arena.stage.database, organisation_id=group.organisation_id, enrolment_id=each)
            for each in ids
        ]
        if all(each is not None and each.version_number == accepted.version_number for each in answers):
            return asked


def _is_in_step(arena: Arena, accepted: Accepted) -> bool:
    """Whether every enrolment is; of many only the operation is asked, which is told a little later."""
    if arena.group.count <= FEW:
        return not is_any_behind(arena.stage, arena.group, accepted)
    unfinished = list_work(arena.stage.database, organisation_id=arena.group.organisation_id)
    left = [each for each in unfinished if each.operation_id == accepted.operation_id and each.done < arena.group.count]
    return not left and not is_any_behind(arena.stage, arena.group, accepted)


def _done(arena: Arena, accepted: Accepted) -> int:
    unfinished = list_work(arena.stage.database, organisation_id=arena.group.organisation_id)
    return sum(each.done for each in unfinished if each.operation_id == accepted.operation_id)


def _wait_until(come: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not come():
        if time.monotonic() > until:
            return False
        time.sleep(LOOK_SECONDS)
    return True


def _lock_time_outs(stage: Stage, accepted: Accepted) -> int:
    events = list_events(
        stage.database, organisation_id=stage.world.organisation_id, operation_id=accepted.operation_id
    )
    return sum(each.type == EventType.ATTEMPTED and each.data.get("sqlstate") == LOCK_TIME_OUT for each in events)


WORKERS_PATH = Contender(
    "lockstep",
    "Lockstep, two workers",
    f"{WORKERS} processes of `lockstep worker`; the switch is accepted in one small transaction from which every reader"
    " computes what is in force, and the workers bring rows in step in fenced chunks, making way for measurements.",
    _run_workers,
    is_lockstep=True,
)
FULL_SPEED = Contender(
    "full speed",
    "Lockstep at full speed",
    f"The same chunks by {WORKERS} processes that make way for nobody.",
    _run_full,
    is_lockstep=True,
)
