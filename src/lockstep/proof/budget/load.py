"""A steady load: client processes that send what patients measure, at a given rate, and time every request."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from lockstep.domain.measurement import Measurement
from lockstep.engine.measurement import record_measurements
from lockstep.proof.clients import Clients, Orders
from lockstep.proof.watched_database import LOCK_TIME_OUT, WatchedDatabase
from lockstep.store.database import is_transient

MOST_AT_ONCE = 12
"""A request holds 1 to 12 measurements, as devices and their hubs send them."""
TELL_SECONDS = 0.2
BEHIND_SECONDS = 1.0
"""A client that fell further behind lets go of the rest: then the rate is not kept, and that is seen."""
KINDS = (("29463-7", "kg", 81, 14), ("8480-6", "mm[Hg]", 128, 18))


@dataclass(frozen=True, slots=True)
class Order:
    """What one client process sends: measurements of patients `prefix` with 1 to `count`."""

    url: str
    organisation_id: int
    prefix: str
    count: int
    per_second: float
    seed: int


@dataclass(slots=True)
class Told:
    """What a client saw: (when answered by the monotonic clock, milliseconds, measurements) of each request."""

    took: list[tuple[float, float, int]] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    timed_out: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Span:
    """What the load was between two instants of the monotonic clock."""

    seconds: float
    sent: int
    took_ms: list[float]

    def per_second(self) -> float:
        """Measurements acknowledged in a second."""
        return self.sent / self.seconds


def send(order: Order, orders: Orders, tell: Callable[[Told], None]) -> None:
    """Sends until told to stop; the work of a client process."""
    chance = random.Random(f"load {order.seed}")  # noqa: S311 (makes plausible values, protects nothing)
    database = WatchedDatabase(order.url, pool_max=1, name="lockstep budget load")
    told, told_at, due_at, number = Told(), 0.0, time.monotonic(), 0
    name = f"{order.seed}-{time.time_ns()}"
    with database:
        while orders.go_on():
            due_at = max(due_at, time.monotonic() - BEHIND_SECONDS)
            orders.rest(due_at - time.monotonic())
            items = [_item(order, chance, f"{name}-{number + each}") for each in range(chance.randint(1, MOST_AT_ONCE))]
            number += len(items)
            began = time.monotonic()
            if _is_answered(database, order.organisation_id, items, orders):
                ended = time.monotonic()
                told.took.append((ended, (ended - began) * 1000, len(items)))
            due_at += len(items) / order.per_second
            if time.monotonic() - told_at > TELL_SECONDS:
                told.failures, database.failures = database.failures, Counter()
                told.timed_out, database.timed_out = database.timed_out, []
                tell(told)
                told, told_at = Told(), time.monotonic()
    told.failures, told.timed_out = database.failures, database.timed_out
    tell(told)


def _is_answered(database: WatchedDatabase, organisation_id: int, items: Sequence[Measurement], orders: Orders) -> bool:
    while orders.go_on():
        try:
            record_measurements(database, organisation_id=organisation_id, items=items)
        except Exception as error:
            if not is_transient(error):
                raise
        else:
            return True
    return False


def _item(order: Order, chance: random.Random, name: str) -> Measurement:
    code, unit, mean, spread = chance.choice(KINDS)
    return Measurement(
        source="home",
        identifier=name,
        patient=f"{order.prefix}{chance.randint(1, order.count)}",
        code=code,
        value=Decimal(max(1, round(chance.gauss(mean, spread)))),
        finding=None,
        unit=unit,
        taken_at=datetime.now(UTC),  # a device has a clock of its own
    )


class Load:
    """All client processes together."""

    def __init__(self, orders: Sequence[Order]) -> None:
        self._heard = threading.Condition()
        self._took: list[tuple[float, float, int]] = []
        self._telling = 0
        self._failures: Counter[str] = Counter()
        self._timed_out: list[float] = []
        self._clients: Clients[Order, Told] = Clients(send, orders, self._hear)
        self._count = len(orders)

    def _hear(self, told: Told) -> None:
        with self._heard:
            self._took += told.took
            self._failures += told.failures
            self._timed_out += told.timed_out
            self._telling += 1
            self._heard.notify_all()

    def wait_until_sending(self) -> None:
        """Every client has had time to send its first requests."""
        with self._heard:
            self._heard.wait_for(lambda: self._telling >= 4 * self._count, timeout=30)

    def between(self, from_s: float, until_s: float) -> Span:
        """What was answered between two instants of the monotonic clock; call it after `stop`, when all is heard."""
        with self._heard:
            took = [each for each in self._took if from_s <= each[0] < until_s]
        return Span(until_s - from_s, sum(each[2] for each in took), [each[1] for each in took])

    def meeting(self, from_s: float, until_s: float) -> Span:
        """As `between`, but the durations are of every request that was under way then, answered then or later."""
        with self._heard:
            met = [each[1] for each in self._took if each[0] >= from_s and each[0] - each[1] / 1000 < until_s]
        span = self.between(from_s, until_s)
        return Span(span.seconds, span.sent, met)

    def lock_time_outs_between(self, from_s: float, until_s: float) -> int:
        """As `lock_time_outs`, between two instants of the monotonic clock; call it after `stop`."""
        with self._heard:
            return sum(from_s <= at < until_s for at in self._timed_out)

    def lock_time_outs(self) -> int:
        """How often a request did not get a lock in time, also where it went well when tried again."""
        with self._heard:
            return self._failures[LOCK_TIME_OUT]

    def stop(self) -> None:
        """Nobody sends any more, and everything was heard."""
        self._clients.stop()

    def kill(self) -> None:
        """Nobody sends any more."""
        self._clients.kill()
