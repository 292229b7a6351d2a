"""Measures how fast measurements are taken in, in batches and one by one, judged, matched and stored."""

import argparse
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from lockstep.domain.measurement import Measurement, Outcome
from lockstep.engine.measurement import record_measurement, record_measurements
from lockstep.proof.small_world import SmallWorld, found
from lockstep.store import server, trial
from lockstep.store.clock import now
from lockstep.store.database import Database
from lockstep.store.migrate import migrate

ZONES = ("Europe/Amsterdam", "America/New_York", "Asia/Kolkata", "Australia/Adelaide", "Pacific/Auckland")
VALUES = (
    ("systolic", "8480-6", "mm[Hg]", 128, 18, 175),
    ("diastolic", "8462-4", "mm[Hg]", 78, 10, 105),
    ("pulse", "8867-4", "/min", 72, 12, 110),
    ("weight", "29463-7", "kg", 81, 14, 125),
    ("saturation", "59408-5", "%", 97, 1, 100),
)


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run measured; rates per second, times in milliseconds, the clients' CPU per measurement."""

    kind: str
    clients: int
    batch: int
    sent: int
    outcomes: dict[str, int]
    fulfilled: int
    alerts: int
    seconds: float
    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float


def protocol() -> dict[str, Any]:
    """Five values a day, each in a window as long as the day, with an upper limit each."""
    activities = [
        {
            "key": key,
            "title": key,
            "code": code,
            "unit": unit,
            "schedule": {"every": "1 day", "times": [{"label": "day", "opens": "00:00", "lasts": "24h"}]},
            "grace": "2h",
            "rules": [
                {"key": "high", "above": limit, "severity": "red"},
                {"key": "low", "below": mean - 3 * spread, "severity": "orange"},
                {"key": "missed", "kind": "missed", "in_a_row": 2, "severity": "grey"},
            ],
        }
        for key, code, unit, mean, spread, limit in VALUES
    ]
    return {"key": "ingestion", "title": "Ingestion", "on_switch": {"ask_at_once": 0}, "activities": activities}


def load(database: Database, patients: int) -> SmallWorld:
    """A world of so many patients in five zones, each asked for five values now."""
    world = found(database, "ingestion")
    protocol_id = world.protocol("ingestion")
    world.publish(protocol_id, protocol())
    for number, zone in enumerate(ZONES):
        world.enrol(protocol_id, [f"p{n}" for n in range(number, patients, len(ZONES))], zone=zone)
    return world


def values(patients: int, taken_at: datetime, *, seed: int = 1) -> list[Measurement]:
    """Every value of every patient once, shuffled."""
    chance = random.Random(seed)  # noqa: S311 (makes plausible values, protects nothing)
    made = [
        Measurement(
            source="stream",
            identifier=f"{key}-{patient}-{seed}",
            patient=f"p{patient}",
            code=code,
            value=Decimal(
                min(100, max(1, round(chance.gauss(mean, spread))))
                if unit == "%"
                else round(chance.gauss(mean, spread))
            ),
            finding=None,
            unit=unit,
            taken_at=taken_at,
        )
        for patient in range(patients)
        for key, code, unit, mean, spread, _ in VALUES
    ]
    chance.shuffle(made)
    return made


@dataclass(frozen=True, slots=True)
class Part:
    """What one client saw: outcomes, seconds of each request, begin and end (system-wide clock), its CPU seconds."""

    outcomes: Counter[str]
    took: list[float]
    began: float
    ended: float
    cpu_seconds: float


def send(url: str, organisation_id: int, items: Sequence[Measurement], batch: int) -> Part:
    """Sends the items in batches, one after another, over one connection that was opened before the clock started."""
    outcomes: Counter[str] = Counter()
    took: list[float] = []
    with Database(url, pool_max=1) as database:
        with database.transaction(organisation_id) as connection:
            now(connection)
        began, cpu = time.monotonic(), time.process_time()
        for begin in range(0, len(items), batch):
            started = time.perf_counter()
            if batch == 1:
                results = [record_measurement(database, organisation_id=organisation_id, measurement=items[begin])]
            else:
                results = record_measurements(
                    database, organisation_id=organisation_id, items=items[begin : begin + batch]
                )
            took.append(time.perf_counter() - started)
            outcomes.update(result.outcome.value for result in results)
        return Part(outcomes, took, began, time.monotonic(), time.process_time() - cpu)


def meeting_pool(count: int) -> ProcessPoolExecutor:
    """So many processes that take their first work when all of them have started: none measures another's start."""
    context = get_context("spawn")
    return ProcessPoolExecutor(count, mp_context=context, initializer=_meet, initargs=(context.Barrier(count),))


def _meet(others: Barrier) -> None:
    others.wait()


def measure(url: str, organisation_id: int, items: Sequence[Measurement], *, clients: int, batch: int) -> Figures:
    """The figures of sending the items from so many processes at once; each patient's come through one of them."""
    before = _counts(url, organisation_id)
    shares = [[item for item in items if int(item.patient[1:]) % clients == number] for number in range(clients)]
    with meeting_pool(clients) as pool:
        parts = list(pool.map(send, [url] * clients, [organisation_id] * clients, shares, [batch] * clients))
    seconds = max(part.ended for part in parts) - min(part.began for part in parts)
    outcomes: Counter[str] = Counter()
    for part in parts:
        outcomes += part.outcomes
    took = sorted(each for part in parts for each in part.took)
    after = _counts(url, organisation_id)
    if sum(outcomes.values()) != len(items) or after[0] - before[0] != outcomes[Outcome.STORED.value]:
        raise AssertionError(f"sent {len(items)}, answered {outcomes}, stored {after[0] - before[0]}")
    return Figures(
        kind="batches" if batch > 1 else "single posts",
        clients=clients,
        batch=batch,
        sent=len(items),
        outcomes=dict(outcomes),
        fulfilled=after[1] - before[1],
        alerts=after[2] - before[2],
        seconds=round(seconds, 2),
        per_second=round(len(items) / seconds),
        p50_ms=round(1000 * took[len(took) // 2], 2),
        p99_ms=round(1000 * took[int(len(took) * 0.99)], 2),
        cpu_us=round(1e6 * sum(part.cpu_seconds for part in parts) / len(items), 1),
    )


def _counts(url: str, organisation_id: int) -> tuple[int, int, int]:
    with Database(url, pool_max=1) as database, database.transaction(organisation_id, read_only=True) as connection:
        row = connection.execute(
            "select (select count(*) from measurement), (select count(*) from occurrence), (select count(*) from alert)"
        ).fetchone()
    assert row is not None
    return row[0], row[1], row[2]


def run(
    url: str,
    *,
    patients: int,
    batch: int,
    clients: int,
    singles: int,
    posters: int,
    say: Callable[[str], object] = print,
) -> list[Figures]:
    """Loads a world and measures both ways; the values for single posts are taken out of the batches."""
    with Database(url) as database:
        started = time.perf_counter()
        world = load(database, patients)
        say(f"loaded {patients} patients in {time.perf_counter() - started:.1f} s")
        with database.transaction(world.organisation_id) as connection:
            taken_at = now(connection).astimezone(UTC)
    trial.settle(url)
    made = values(patients, taken_at)
    one_by_one, rest = made[:singles], made[singles:]
    return [
        measure(url, world.organisation_id, rest, clients=clients, batch=batch),
        *([measure(url, world.organisation_id, one_by_one, clients=posters, batch=1)] if singles else []),
    ]


def main() -> None:
    """Prints the figures, a line of JSON each."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--url", help="a migrated database; default: an embedded server in a temporary folder")
    arguments.add_argument("--patients", type=int, default=20_000)
    arguments.add_argument("--batch", type=int, default=1500)
    arguments.add_argument("--clients", type=int, default=2)
    arguments.add_argument("--singles", type=int, default=3000)
    arguments.add_argument("--posters", type=int, default=6, help="processes that send single posts")
    given = arguments.parse_args()
    options = {
        "posters": given.posters,
        "patients": given.patients,
        "batch": given.batch,
        "clients": given.clients,
        "singles": given.singles,
    }
    if given.url:
        figures = run(given.url, **options)
    else:
        with tempfile.TemporaryDirectory(prefix="lockstep-ingestion-") as folder:
            Path(folder).chmod(0o755)
            url = server.embedded_url(Path(folder))
            try:
                migrate(url)
                figures = run(url, **options)
            finally:
                server.leave(Path(folder))
    for each in figures:
        print(json.dumps(asdict(each)))


if __name__ == "__main__":
    main()
