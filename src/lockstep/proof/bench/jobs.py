"""One job per patient: two processes of a job library's workers, until every patient's job was done."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from lockstep.proof.bench.arena import Arena, Change
from lockstep.proof.bench.contender import Done
from lockstep.proof.budget.stage import CHANGED, WORKERS
from lockstep.proof.clients import Clients, Orders

LOOK_SECONDS, LOOK_SHARE = 0.02, 0.05
"""A look whether all is done is repeated so soon, but takes no more than this share of the time."""
START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Order:
    """What one worker serves: jobs that move an enrolment each, so many at once."""

    url: str
    organisation_id: int
    change: Change
    at_once: int

    def values(self, enrolment_id: int) -> dict[str, object]:
        """The parameters of `move_one`."""
        return {
            "organisation_id": self.organisation_id, "enrolment_id": enrolment_id, "activity_key": CHANGED,
            "generation": self.change.generation, "days": self.change.days,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Word:
    """What a worker tells: that it waits for jobs (None), then the most memory it took."""

    peak_mb: float | None = None


@dataclass(slots=True)
class Crew:
    """What the workers told so far."""

    words: list[Word] = field(default_factory=list)

    def ready(self) -> int:
        """How many wait for jobs."""
        return sum(word.peak_mb is None for word in self.words)

    def peak_mb(self) -> float:
        """The most memory that one took."""
        return max((word.peak_mb for word in self.words if word.peak_mb is not None), default=float("nan"))


Serve = Callable[[Order, Orders, Callable[[Word], None]], None]


def run(arena: Arena, serve: Serve, *, at_once: int, enqueue: Callable[[Change], None]) -> Done:
    """Every patient's job was enqueued and done, or the time was over. The workers were there before the clock ran."""
    change = arena.change()
    order = Order(arena.stage.database.url, arena.group.organisation_id, change, at_once)
    crew = Crew()
    clients: Clients[Order, Word] = Clients(serve, [order] * WORKERS, crew.words.append)
    try:
        started = time.monotonic()
        while crew.ready() < WORKERS:
            if time.monotonic() - started > START_SECONDS:
                raise RuntimeError("the workers of the job library did not start")
            time.sleep(LOOK_SECONDS)
        called = time.monotonic()
        enqueue(change)
        acknowledged = time.monotonic()
        finished = wait_until_moved(arena, change, called + arena.limit_seconds)
        ended = time.monotonic()
        clients.stop()
    finally:
        clients.kill()
    at = ended if finished else None
    return Done(
        called=called,
        acknowledged=acknowledged,
        seen=at,
        in_step=at,
        ended=ended,
        enrolments=int(arena.value("count_moved", change)),
        lock_time_outs=0,
        peak_mb=crew.peak_mb(),
    )


def wait_until_moved(arena: Arena, change: Change, until: float) -> bool:
    """Whether every head carried the change before the instant came."""
    while True:
        began = time.monotonic()
        if int(arena.value("count_moved", change)) == arena.group.count:
            return True
        looked = time.monotonic()
        if looked > until:
            return False
        time.sleep(max(LOOK_SECONDS, (looked - began) / LOOK_SHARE))
