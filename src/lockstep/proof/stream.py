"""The stream of measurements: clients that send what patients measure, at a steady rate, and count the answers."""

import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lockstep.domain.civil import local_of
from lockstep.domain.measurement import Measurement, Outcome, read
from lockstep.domain.refusal import InvalidMeasurement
from lockstep.engine.measurement import record_measurements
from lockstep.proof import behaviour, physiology
from lockstep.proof.clients import Clients, Orders
from lockstep.proof.example import example_protocols
from lockstep.proof.plan import PLACES, WARD, Plan, identifier
from lockstep.proof.watched_database import LOCK_TIME_OUT, WatchedDatabase
from lockstep.store.database import is_transient

MOST_AT_ONCE = 12
TELL_SECONDS = 0.25
BEHIND_SECONDS = 1.0
"""A client that fell further behind lets go of the rest: the rate is a bound, not a debt."""
WARD_CODE, WARD_UNIT = "59408-5", "%"
WARD_SHARE = 0.7
"""By then of its minute everybody in the ward who measures has done so."""


@dataclass(frozen=True, slots=True)
class Order:
    """What one of `clients` client processes sends; `run` tells streams of one world apart."""

    url: str
    plan: Plan
    organisation_ids: tuple[int, ...]
    per_second: float
    client: int
    clients: int
    ward_zone: str
    run: str = "a"


@dataclass(slots=True)
class Told:
    """What a client saw since it told last; `took` are (when answered, milliseconds, measurements) of requests."""

    outcomes: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    unanswered: int = 0
    took: list[tuple[float, float, int]] = field(default_factory=list)
    measured: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Sent:
    """An item on its way, and the ward's (patient, slot) that it fulfils."""

    item: Measurement | InvalidMeasurement
    fulfils: tuple[int, str] | None = None


class _Client:
    def __init__(self, order: Order, orders: Orders, tell: Callable[[Told], None]) -> None:
        self.order, self.orders, self.tell = order, orders, tell
        self.chance = random.Random(f"client {order.plan.seed} {order.run} {order.client}")  # noqa: S311
        self.database = WatchedDatabase(order.url, pool_max=1, name="lockstep demo client")
        self.told = Told()
        self.told_at = time.monotonic()
        self.number = 0
        examples = example_protocols()
        self.codes = [
            [(activity.code, activity.unit) for activity in examples[place.protocols[0]].activities] for place in PLACES
        ]
        counts = [len(order.plan.numbers(place)) for place in range(len(PLACES))]
        counts[WARD] = 0
        self.counts = counts
        self.ward = [n for n in order.plan.numbers(WARD) if n % order.clients == order.client]
        self.ward_slot, self.ward_done = "", 0

    def run(self) -> None:
        due_at = time.monotonic()
        while self.orders.go_on():
            due_at = max(due_at, time.monotonic() - BEHIND_SECONDS)
            self.orders.rest(due_at - time.monotonic())
            place, sent = self._ward() or self._anybody()
            self._send(self.order.organisation_ids[place], sent)
            due_at += len(sent) / self.order.per_second
            if time.monotonic() - self.told_at > TELL_SECONDS:
                self._tell()
        self._tell()
        self.database.close()

    def _tell(self) -> None:
        self.told.failures, self.database.failures = self.database.failures, Counter()
        self.tell(self.told)
        self.told, self.told_at = Told(), time.monotonic()

    def _anybody(self) -> tuple[int, list[_Sent]]:
        """Some measurements of patients of one place."""
        place = self.chance.choices(range(len(PLACES)), self.counts)[0]
        numbers = self.order.plan.numbers(place)
        sent: list[_Sent] = []
        for _ in range(self.chance.randint(1, MOST_AT_ONCE)):
            code, unit = self.chance.choice(self.codes[place])
            self.number += 1
            name = f"{self.order.run}{self.order.client}-{self.number}"
            item = _Sent(self._item(self.chance.choice(numbers), place, name, code, unit, datetime.now(UTC)))
            sent += [item, item] if behaviour.is_sent_again(self.chance) else [item]
        return place, sent

    def _ward(self) -> tuple[int, list[_Sent]] | None:
        """The measurements that are due in the ward, whose patients measure once in each minute's window."""
        at = datetime.now(UTC)  # a device has a clock of its own
        local = local_of(at, self.order.ward_zone)
        slot = f"{local:%H:%M}"
        if slot != self.ward_slot:
            self.ward_slot, self.ward_done = slot, 0
        share = min(1.0, local.second / 60 / WARD_SHARE)
        until = min(int(len(self.ward) * share), self.ward_done + MOST_AT_ONCE)
        numbers, self.ward_done = self.ward[self.ward_done : until], max(until, self.ward_done)
        sent = [
            _Sent(
                self._item(n, WARD, f"{self.order.run}-ward-{n}-{slot}", WARD_CODE, WARD_UNIT, at, right=True),
                (n, slot),
            )
            for n in numbers
            if behaviour.measures(self.order.plan.seed, n, slot)
        ]
        return (WARD, sent) if sent else None

    def _item(
        self, number: int, place: int, name: str, code: str, unit: str, at: datetime, *, right: bool = False
    ) -> Measurement | InvalidMeasurement:
        seed = self.order.plan.seed
        person = physiology.person(seed, number, PLACES[place].condition)
        zone = self.order.plan.zone(number)
        made: dict[str, Any]
        if right:
            shown = physiology.value(person, code, at, zone, self.chance)
            made = {
                "source": "ward", "identifier": name, "patient": identifier(number), "code": code, "value": shown,
                "unit": unit, "taken_at": at.isoformat(),
            }  # fmt: skip
        else:
            made = behaviour.document(
                person,
                behaviour.habit(seed, number),
                identifier=name,
                patient=identifier(number),
                code=code,
                unit=unit,
                at=at,
                zone=zone,
                chance=self.chance,
            )
        try:
            return read(made)
        except InvalidMeasurement as refusal:
            return refusal

    def _send(self, organisation_id: int, sent: Sequence[_Sent]) -> None:
        began = time.monotonic()
        while True:
            try:
                outcomes = record_measurements(
                    self.database, organisation_id=organisation_id, items=[each.item for each in sent]
                )
            except Exception as error:
                if not is_transient(error):
                    raise
                if not self.orders.go_on():
                    self.told.unanswered += len(sent)
                    return
            else:
                break
        ended = time.monotonic()
        self.told.took.append((ended, (ended - began) * 1000, len(sent)))
        for each, outcome in zip(sent, outcomes, strict=True):
            self.told.outcomes[outcome.outcome.value] += 1
            if each.fulfils and outcome.outcome in (Outcome.STORED, Outcome.DUPLICATE):
                self.told.measured.append(each.fulfils)


def send(order: Order, orders: Orders, tell: Callable[[Told], None]) -> None:
    """Sends until told to stop; the work of a client process."""
    _Client(order, orders, tell).run()


class Stream:
    """All client processes together, and the sums of what they tell."""

    def __init__(self, orders: Sequence[Order]) -> None:
        self._lock = threading.Lock()
        self.outcomes: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.unanswered = 0
        self.measured: set[tuple[int, str]] = set()
        self._took: deque[tuple[float, float, int]] = deque(maxlen=500_000)
        self._clients: Clients[Order, Told] = Clients(send, orders, self._hear)

    def _hear(self, told: Told) -> None:
        with self._lock:
            self.outcomes += told.outcomes
            self.failures += told.failures
            self.unanswered += told.unanswered
            self.measured.update(told.measured)
            self._took.extend(told.took)

    def sent(self) -> int:
        """How many measurements were sent."""
        with self._lock:
            return self.outcomes.total() + self.unanswered

    def heard(self) -> set[tuple[int, str]]:
        """The ward's (patient, slot) that were measured and acknowledged."""
        with self._lock:
            return set(self.measured)

    def lock_time_outs(self) -> int:
        """How often a client's transaction did not have a lock in time."""
        return self.failures[LOCK_TIME_OUT]

    def per_second(self, since: float, until: float) -> float:
        """Measurements answered a second in a span of the monotonic clock."""
        return sum(size for _, size in self._between(since, until)) / max(0.001, until - since)

    def percentile_ms(self, share: float, since: float, until: float) -> float:
        """Within which time that share of the requests of the span was answered."""
        took = sorted(ms for ms, _ in self._between(since, until))
        return took[min(len(took) - 1, int(len(took) * share))] if took else 0.0

    def _between(self, since: float, until: float) -> list[tuple[float, int]]:
        with self._lock:
            return [(ms, size) for at, ms, size in self._took if since <= at < until]

    def stop(self) -> None:
        """Nothing is sent any more, and every answer is counted."""
        self._clients.stop()

    def kill(self) -> None:
        """Nothing is sent any more, whatever is not counted."""
        self._clients.kill()
