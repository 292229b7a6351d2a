"""Clients that measure: processes that send measurements until told to stop, and write down what they were answered."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from lockstep.domain.measurement import Measurement
from lockstep.domain.refusal import InvalidMeasurement, Refusal
from lockstep.engine.measurement import ItemOutcome, record_measurements
from lockstep.proof.clients import Clients, Orders
from lockstep.store.database import Database, is_transient

MOST_AT_ONCE = 6
LAST_TRY_SECONDS = 30.0
SOURCE = "storm"
STRANGER = "nobody"


@dataclass(frozen=True, slots=True)
class Order:
    """Whose measurements a client sends, at most how many requests a second, and how far its clock is `ahead`."""

    url: str
    organisation_id: int
    patients: tuple[str, ...]
    codes: tuple[str, ...]
    client: int
    per_second: float
    ahead: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class Entry:
    """One item as sent and as answered: `outcome` is None when no answer came; instants are of the monotonic clock."""

    client: int
    identifier: str
    patient: str
    value: str
    taken_at: datetime
    outcome: str | None
    asked: float
    answered: float


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that the database failed although the product had tried it again and again; it is sent once more."""

    client: int
    at: float
    sqlstate: str


Told = list[Entry | Failure]


@dataclass(frozen=True, slots=True)
class _Item:
    identifier: str
    patient: str
    value: str
    taken_at: datetime
    sent: Measurement | Refusal


class _Client:
    def __init__(self, order: Order, orders: Orders, tell: Callable[[Told], None]) -> None:
        self.order, self.orders, self.tell = order, orders, tell
        self.chance = random.Random(f"storm {order.client}")
        self.before: list[_Item] = []
        self.number = 0

    def run(self) -> None:
        due_at = time.monotonic()
        with Database(self.order.url, pool_max=1, name="lockstep storm client") as database:
            while self.orders.go_on():
                due_at = max(due_at + 1 / self.order.per_second, time.monotonic() - 0.2)
                self.orders.rest(due_at - time.monotonic())
                self._send(database, [self._item() for _ in range(self.chance.randint(1, MOST_AT_ONCE))])

    def _item(self) -> _Item:
        if self.before and self.chance.random() < 0.1:
            return self.chance.choice(self.before)
        self.number += 1
        identifier = f"{self.order.client}-{self.number}"
        patient = STRANGER if self.chance.random() < 0.02 else self.chance.choice(self.order.patients)
        value = str(self.chance.randint(600, 1200) / 10)
        taken_at = datetime.now(UTC) + self.order.ahead - timedelta(milliseconds=self.chance.randint(0, 2000))
        sent: Measurement | Refusal
        if self.chance.random() < 0.02:
            sent = InvalidMeasurement("No unit", where="unit", mend="Send the unit.")
        else:
            code = self.chance.choice(self.order.codes)
            sent = Measurement(SOURCE, identifier, patient, code, Decimal(value), None, "kg", taken_at)
        item = _Item(identifier, patient, value, taken_at, sent)
        self.before = [*self.before[-200:], item]
        return item

    def _send(self, database: Database, items: Sequence[_Item]) -> None:
        asked = time.monotonic()
        told_to_stop: float | None = None
        while True:
            try:
                outcomes = record_measurements(
                    database, organisation_id=self.order.organisation_id, items=[each.sent for each in items]
                )
            except Exception as error:
                if not is_transient(error):
                    raise
                self.tell([Failure(self.order.client, time.monotonic(), getattr(error, "sqlstate", None) or "lost")])
            else:
                self.tell([self._entry(each, outcome, asked) for each, outcome in zip(items, outcomes, strict=True)])
                return
            # Whoever was told to stop still wants an answer: only an answered measurement is one less to worry about.
            if not self.orders.go_on():
                told_to_stop = told_to_stop or time.monotonic()
                if time.monotonic() - told_to_stop > LAST_TRY_SECONDS:
                    self.tell([self._entry(each, None, asked) for each in items])
                    return

    def _entry(self, item: _Item, outcome: ItemOutcome | None, asked: float) -> Entry:
        return Entry(
            self.order.client,
            item.identifier,
            item.patient,
            item.value,
            item.taken_at,
            outcome.outcome.value if outcome else None,
            asked,
            time.monotonic(),
        )


def measure(order: Order, orders: Orders, tell: Callable[[Told], None]) -> None:
    """Sends until told to stop; the work of a client process."""
    _Client(order, orders, tell).run()


@dataclass(slots=True)
class _Kept:
    entries: list[Entry] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Measuring:
    """All measuring clients together, with the history of what they sent and were answered."""

    def __init__(self, orders: Sequence[Order]) -> None:
        self._kept = _Kept()
        self.clients = [order.client for order in orders]
        self._processes: Clients[Order, Told] = Clients(measure, orders, self._hear)

    def _hear(self, told: Told) -> None:
        with self._kept.lock:
            for each in told:
                if isinstance(each, Entry):
                    self._kept.entries.append(each)
                else:
                    self._kept.failures.append(each)

    def history(self) -> list[Entry]:
        """Every item answered until now, in order of the answers."""
        with self._kept.lock:
            return sorted(self._kept.entries, key=lambda each: each.answered)

    def failures(self) -> list[Failure]:
        """Every request that failed until now."""
        with self._kept.lock:
            return list(self._kept.failures)

    def answered(self, *, asked_after: float = 0.0, answered_after: float = 0.0) -> Counter[int]:
        """How many items of each client were asked and answered after these instants."""
        found = [each for each in self.history() if each.asked >= asked_after and each.answered >= answered_after]
        return Counter(each.client for each in found)

    def stop(self) -> list[Entry]:
        """Nothing is sent any more; the whole history. Raises ClientFailed when a client broke down."""
        self._processes.stop()
        return self.history()

    def kill(self) -> None:
        """None of the processes runs."""
        self._processes.kill()
