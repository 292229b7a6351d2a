"""The processes of a competitor: fresh ones that begin together and tell what they did and the memory they took."""

import math
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

from lockstep.proof.bench.arena import Arena, Change
from lockstep.proof.bench.contender import Done
from lockstep.proof.budget.drain import HEAD_START_SECONDS
from lockstep.proof.budget.stage import peak_mb
from lockstep.proof.ingestion import meeting_pool
from lockstep.proof.watched_database import WatchedDatabase

PATIENCE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Order:
    """What one process is to carry out: the change, for the enrolments above `after` up to `until`."""

    url: str
    organisation_id: int
    protocol_id: int
    after: int
    until: int
    change: Change
    limit_seconds: float


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a process came: enrolments in step and committed, whether that was all, how often it was rolled back."""

    enrolments: int
    finished: bool
    rolled_back: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """What one process tells; instants of the monotonic clock."""

    progress: Progress
    began: float
    ended: float
    lock_time_outs: int = 0
    peak_mb: float = field(default=math.nan)


Work = Callable[[WatchedDatabase, Order, float], Progress]
"""Carries out the order until it is done or the instant (monotonic) has come."""


def orders(arena: Arena, change: Change, count: int) -> list[Order]:
    """So many equal shares of the enrolments."""
    first, last = arena.group.first_id - 1, arena.group.last_id
    edges = [first + (last - first) * number // count for number in range(count + 1)]
    return [
        Order(
            arena.stage.database.url, arena.group.organisation_id, arena.group.protocol_id, edges[number],
            edges[number + 1], change, arena.limit_seconds,
        )
        for number in range(count)
    ]  # fmt: skip


def together(work: Work, given: Sequence[Order]) -> list[Told]:
    """Each order was carried out by a process of its own; all began at one instant."""
    with meeting_pool(len(given)) as pool:
        begins = meet(pool, len(given))
        running = [pool.submit(carry_out, work, order, begins) for order in given]
        return [each.result() for each in running]


def meet(pool: Executor, count: int) -> float:
    """Every process of the pool is warm; returns the instant at which they are to begin."""
    _ = [each.result() for each in [pool.submit(os.getpid) for _ in range(count)]]
    return time.monotonic() + HEAD_START_SECONDS


def carry_out(work: Work, order: Order, begins: float) -> Told:
    """The work of one process, from the instant on, with a connection that was opened before."""
    with WatchedDatabase(order.url, pool_max=1, name="lockstep bench") as database:
        with database.transaction(order.organisation_id):
            pass
        time.sleep(max(0.0, begins - time.monotonic()))
        began = time.monotonic()
        progress = work(database, order, began + order.limit_seconds)
        return Told(progress, began, time.monotonic(), database.lock_time_outs(), peak_mb(os.getpid()))


def run(arena: Arena, change: Change, work: Work, count: int) -> Done:
    """The change was carried out by so many processes; who waits for it is told when all of them have ended."""
    told = together(work, orders(arena, change, count))
    ended = max(each.ended for each in told)
    at = ended if all(each.progress.finished for each in told) else None
    return Done(
        called=min(each.began for each in told),
        acknowledged=at,
        seen=at,
        in_step=at,
        ended=ended,
        enrolments=sum(each.progress.enrolments for each in told),
        lock_time_outs=sum(each.lock_time_outs for each in told),
        peak_mb=max(each.peak_mb for each in told),
        rolled_back=sum(each.progress.rolled_back for each in told),
    )
