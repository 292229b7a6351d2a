"""Processes that recalculate at full speed, chunk after chunk, and the bare update they are compared with."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

import psutil

from lockstep.engine.chunk import Memory
from lockstep.engine.recalculation import begin, conclude, list_work, recalculate_chunk, verify
from lockstep.proof.budget.finding import percentile
from lockstep.proof.budget.sql import SQL
from lockstep.proof.budget.stage import CHANGED, WORKERS, Stage
from lockstep.proof.bulk_world import Group
from lockstep.proof.watched_database import WatchedDatabase
from lockstep.store.database import is_transient

SIZE = 1_000
HEAD_START_SECONDS = 0.3
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Part:
    """What one process did: enrolments, when it began and ended (monotonic), its chunks and its CPU seconds."""

    done: int
    began: float
    ended: float
    chunks_ms: list[float]
    cpu_seconds: float
    lock_time_outs: int


@dataclass(frozen=True, slots=True)
class Run:
    """What two processes did together; CPU seconds are theirs and their connections' on the server."""

    enrolments: int
    seconds: float
    cpu_seconds: float
    chunk_p50_ms: float
    chunk_p99_ms: float
    lock_time_outs: int

    def per_second(self) -> float:
        """Enrolments in a second."""
        return self.enrolments / self.seconds


def together(parts: Sequence[Part]) -> Run:
    """The parts as one run."""
    chunks = [each for part in parts for each in part.chunks_ms]
    return Run(
        enrolments=sum(part.done for part in parts),
        seconds=max(part.ended for part in parts) - min(part.began for part in parts),
        cpu_seconds=sum(part.cpu_seconds for part in parts),
        chunk_p50_ms=percentile(chunks, 0.5),
        chunk_p99_ms=percentile(chunks, 0.99),
        lock_time_outs=sum(part.lock_time_outs for part in parts),
    )


def recalculate(stage: Stage, group: Group) -> Run:
    """The group's recalculation is done by two processes at full speed, and has ended."""
    started = start_recalculating(stage, group)
    run = together([each.result() for each in started])
    conclude_all(stage)
    return run


def start_recalculating(stage: Stage, group: Group) -> list[Future[Part]]:
    """Two processes recalculate the group at full speed."""
    for operation in list_work(stage.database, organisation_id=group.organisation_id):
        if operation.protocol_id == group.protocol_id:
            begin(stage.database, organisation_id=group.organisation_id, operation=operation)
    return at_once(stage, [(chunks, (group.organisation_id, group.protocol_id))] * WORKERS)


def conclude_all(stage: Stage) -> None:
    """Recalculations in which nothing is left have ended."""
    organisation_id = stage.world.organisation_id
    for operation in list_work(stage.database, organisation_id=organisation_id):
        begin(stage.database, organisation_id=organisation_id, operation=operation)
        memory = Memory()
        while recalculate_chunk(
            stage.database, organisation_id=organisation_id, operation=operation, size=SIZE, memory=memory
        ):
            pass
    for operation in list_work(stage.database, organisation_id=organisation_id):
        if verify(stage.database, organisation_id=organisation_id, operation=operation):
            conclude(stage.database, organisation_id=organisation_id, operation=operation)


def shift(stage: Stage, group: Group, *, days: int) -> Run:
    """The bare update of the same rows, in chunks of the same size, by two processes, half of the enrolments each."""
    half = (group.first_id - 1 + group.last_id) // 2
    parts = [(group.first_id - 1, half), (half, group.last_id)]
    works = [(shifts, (group.organisation_id, after, until, days)) for after, until in parts]
    return together([each.result() for each in at_once(stage, works)])


def restore_heads(stage: Stage, group: Group, *, times: int) -> None:
    """After so many shifts the heads are as they were; the rows are when the days add up to none."""
    values = {"organisation_id": group.organisation_id, "protocol_id": group.protocol_id, "times": times}
    with stage.database.transaction(group.organisation_id) as connection:
        connection.execute(SQL["restore_heads"], values)


def at_once(stage: Stage, works: Sequence[tuple[Callable[..., Part], tuple[int, ...]]]) -> list[Future[Part]]:
    """Each work runs in a process that is warm, and all begin at the same instant."""
    warm = [stage.pool.submit(os.getpid) for _ in works]
    _ = [each.result() for each in warm]
    begins = time.monotonic() + HEAD_START_SECONDS
    return [stage.pool.submit(work, stage.database.url, begins, *given) for work, given in works]


def chunks(url: str, begins: float, organisation_id: int, protocol_id: int) -> Part:
    """Works on the protocol's recalculations until none of their ranges is free; the work of one process."""
    memory = Memory()
    with WatchedDatabase(url, pool_max=1) as database:
        work = [
            operation
            for operation in list_work(database, organisation_id=organisation_id)
            if operation.protocol_id == protocol_id
        ]
        # The newest brings everybody in step with all of them; the others find nothing to do.
        operation = work[-1]

        def one() -> int | None:
            chunk = recalculate_chunk(
                database, organisation_id=organisation_id, operation=operation, size=SIZE, memory=memory
            )
            return None if chunk is None else chunk.done

        return _timed(database, begins, one)


def shifts(url: str, begins: float, organisation_id: int, after: int, until: int, days: int) -> Part:
    """Updates the enrolments in chunks; the work of one process."""
    at = after
    with WatchedDatabase(url, pool_max=1) as database:

        def one() -> int | None:
            nonlocal at
            if at >= until:
                return None
            values = {
                "organisation_id": organisation_id, "after": at, "until": min(until, at + SIZE),
                "activity_key": CHANGED, "days": days,
            }  # fmt: skip
            with database.transaction(organisation_id) as connection:
                done = connection.execute(SQL["shift_heads"], values).rowcount
                connection.execute(SQL["shift_rows"], values)
            at += SIZE
            return done

        return _timed(database, begins, one)


def _timed(database: WatchedDatabase, begins: float, one: Callable[[], int | None]) -> Part:
    cpu = _cpu_seconds(database)
    time.sleep(max(0.0, begins - time.monotonic()))
    began = time.monotonic()
    done, took = 0, []
    while True:
        at = time.monotonic()
        try:
            chunk = one()
        except Exception as error:
            if not is_transient(error):
                raise
            continue
        if chunk is None:
            break
        done += chunk
        took.append((time.monotonic() - at) * 1000)
    ended = time.monotonic()
    return Part(done, began, ended, took, _cpu_seconds(database) - cpu, database.lock_time_outs())


def _cpu_seconds(database: WatchedDatabase) -> float:
    """Of this process and of the one that serves its connection, if that is on this machine."""
    with database.transaction(None, read_only=True) as connection:
        row = connection.execute(SQL["cpu_of_backend"]).fetchone()
    assert row is not None
    try:
        served = psutil.Process(row[0]).cpu_times()
    except psutil.Error:
        return time.process_time()
    return time.process_time() + served.user + served.system
