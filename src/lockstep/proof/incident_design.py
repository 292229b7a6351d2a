"""The design that led to the incident, as fast as it can be: one transaction, row after row, under the same load."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from lockstep.proof.clients import Clients, Orders
from lockstep.proof.narrator import Narrator, bar, table
from lockstep.proof.plan import PLACES, SWITCHED
from lockstep.proof.watched_database import LOCK_TIME_OUT, WatchedDatabase
from lockstep.store import trial
from lockstep.store.database import is_transient
from lockstep.store.queries import load

_SQL = load("incident_design.sql", package="lockstep.proof")
SCHEMA = "incident"
SENDERS, THREADS = 2, 4
TELL_SECONDS = 0.1
IDLE_SECONDS = 3.0
LATE_SECONDS = 1.0
MOST_ATTEMPTS = 30


@dataclass(frozen=True, slots=True)
class Order:
    """What one client process sends, with some connections at once."""

    url: str
    patients: int
    per_second: float
    seed: int


@dataclass(slots=True)
class Told:
    """When each measurement was stored (monotonic), and when each lock time-out struck."""

    stored: list[float] = field(default_factory=list)
    timed_out: list[float] = field(default_factory=list)

    def add(self, other: "Told") -> None:
        """What another told is told by this one too."""
        self.stored.extend(other.stored)
        self.timed_out.extend(other.timed_out)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the old design did: rolled back how often, how long it took, what it did to measurements."""

    patients: int
    rolled_back: int
    followed: int
    seconds: float
    idle_per_second: float
    meanwhile_per_second: float
    time_outs_of_measurements: int
    time_outs_of_recalculation: int


def show_incident(url: str, narrator: Narrator, patients: int, per_second: float, seed: int) -> Outcome:
    """The old design has been run in a schema of its own, which is gone again; its figures stand on the terminal."""
    count = max(1, patients * PLACES[SWITCHED].percent // 100)
    narrator.step(f"0  The old design: one transaction, {count:,} patients one after the other, under the same load")
    trial.add_schema(url, SCHEMA)
    try:
        outcome = _run(url, narrator, count, per_second, seed)
    finally:
        trial.drop_schema(url, SCHEMA)
    rows = [
        ("recalculated in one transaction in", f"{outcome.seconds:.1f} s"),
        ("patients on the new schedule meanwhile", "0"),
        ("patients on the new schedule afterwards", f"{outcome.followed:,} of {outcome.patients:,}"),
        ("rolled back and begun anew", str(outcome.rolled_back)),
        ("measurements stored a second before", f"{outcome.idle_per_second:.0f}"),
        ("measurements stored a second meanwhile", f"{outcome.meanwhile_per_second:.0f}"),
        ("lock time-outs of measurements", f"[bold red]{outcome.time_outs_of_measurements:,}[/]"),
        ("lock time-outs of the recalculation", f"[bold red]{outcome.time_outs_of_recalculation:,}[/]"),
    ]  # fmt: skip
    narrator.tell(table("", ("The old design", ""), rows, right=(1,)))
    return outcome


def _run(url: str, narrator: Narrator, count: int, per_second: float, seed: int) -> Outcome:
    with WatchedDatabase(url, pool_max=1, name="lockstep demo incident") as database:
        with database.transaction(None) as connection:
            for statement in (_SQL["create_tables"] % {"last": count - 1}).split(";"):
                connection.execute(statement.encode())
        trial.settle(url)
        heard = Told()
        clients: Clients[Order, Told] = Clients(
            send,
            [Order(url, count, per_second / SENDERS, seed * 10 + n) for n in range(SENDERS)],
            heard.add,
        )
        try:
            _wait_until(lambda: bool(heard.stored))
            idle_began = time.monotonic()
            _wait_until(lambda: time.monotonic() - idle_began > IDLE_SECONDS)
            began = time.monotonic()
            rolled_back = _recalculate_until_done(database, narrator, count)
            ended = time.monotonic()
            clients.stop()
        finally:
            clients.kill()
        with database.transaction(None, read_only=True) as connection:
            row = connection.execute(_SQL["count_patients"]).fetchone()
        assert row is not None
        return Outcome(
            patients=count,
            rolled_back=rolled_back,
            followed=row[0],
            seconds=ended - began,
            idle_per_second=_rate(heard.stored, idle_began, began),
            meanwhile_per_second=_rate(heard.stored, began, ended),
            time_outs_of_measurements=sum(began <= at for at in heard.timed_out),
            time_outs_of_recalculation=database.failures[LOCK_TIME_OUT],
        )


def _recalculate_until_done(database: WatchedDatabase, narrator: Narrator, count: int) -> int:
    """The recalculation was committed; returns how often it had been rolled back before."""
    for attempt in range(MOST_ATTEMPTS):
        try:
            _recalculate(database, narrator, count)
        except Exception as error:
            if not is_transient(error):
                raise
        else:
            return attempt
    return MOST_ATTEMPTS


def _recalculate(database: WatchedDatabase, narrator: Narrator, count: int) -> None:
    done = 0
    with (
        narrator.watch(
            lambda: f"  {bar(done, count)} {done:,} of {count:,}  [dim]nothing of it visible to anybody[/]",
            lambda: f"{done:,} of {count:,}, nothing of it visible to anybody",
        ) as draw,
        database.transaction(None) as connection,
    ):
        connection.execute(_SQL["change_protocol"])
        patients = [row[0] for row in connection.execute(_SQL["list_patients"])]
        for patient_id in patients:
            # Prepared once by the driver; a round trip for each, as every object-relational loop makes.
            connection.execute(_SQL["recalculate_patient"], {"patient_id": patient_id}, prepare=True)
            done += 1
            if not done % 100:
                draw()


def send(order: Order, orders: Orders, tell: Callable[[Told], None]) -> None:
    """Sends measurements until told to stop, over several connections; the work of a client process."""
    told, lock = Told(), threading.Lock()

    def work(number: int) -> None:
        chance = random.Random(f"incident {order.seed} {number}")  # noqa: S311 (chooses patients)
        due_at = time.monotonic()
        while orders.go_on():
            due_at = max(due_at + THREADS / order.per_second, time.monotonic() - LATE_SECONDS)
            orders.rest(due_at - time.monotonic())
            patient_id = chance.randrange(order.patients)
            stored = _store(database, patient_id, chance.randint(60, 100))
            with lock:
                (told.stored if stored else told.timed_out).append(time.monotonic())

    with WatchedDatabase(order.url, pool_max=THREADS, name="lockstep demo incident") as database:
        threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            orders.rest(TELL_SECONDS)
            if not orders.go_on():
                for thread in threads:
                    thread.join()
            with lock:
                tell(told)
                told = Told()


def _store(database: WatchedDatabase, patient_id: int, value: int) -> bool:
    """Whether the measurement was stored; a lock time-out is the only failure that is expected."""
    try:
        with database.transaction(None) as connection:
            connection.execute(_SQL["store_measurement"], {"patient_id": patient_id, "value": value})
    except Exception as error:
        if not is_transient(error):
            raise
        return False
    return True


def _rate(stored: list[float], since: float, until: float) -> float:
    return sum(since <= at < until for at in stored) / max(0.001, until - since)


def _wait_until(come: Callable[[], bool], *, seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not come() and time.monotonic() < until:
        time.sleep(0.02)
