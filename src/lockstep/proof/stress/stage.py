"""The stage of a stress run: a server of its own, the world, the proxy, workers, and clients."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lockstep.engine.clock import current_instant
from lockstep.proof.crew import Crew
from lockstep.proof.stress import world as worlds
from lockstep.proof.stress.cast import Cast
from lockstep.proof.stress.clients.client import Order
from lockstep.proof.stress.faults.fault import Lane, Shared
from lockstep.proof.stress.history import DatabaseClock
from lockstep.proof.stress.injecting import LANES, Soon
from lockstep.proof.stress.proxy.proxy import Proxy
from lockstep.store import rival, server, trial
from lockstep.store.database import Database
from lockstep.store.migrate import migrate

WORKERS = 2
MEMORY = Path("/dev/shm")  # noqa: S108 (a folder of our own is made in it)
ROOM_BYTES = 3 * 2**30
SETTINGS: Mapping[str, str] = {**server.SETTINGS, "max_connections": "100"}
FIRST_ANSWER_SECONDS = 60.0
CLIENTS: Mapping[str, tuple[int, float]] = {
    "measuring": (2, 12),
    "reading": (2, 15),
    "managing": (2, 0.4),
    "office": (1, 1.5),
    "intruding": (1, 3),
    "watching": (1, 1.5),
}
"""How many processes of each kind, and how often each asks in a second at most."""


class StressFailed(RuntimeError):
    """Something without which nothing can be said did not happen."""


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for."""

    faults: int = 1_000
    patients: int = 3_000
    minutes: float = 11.0
    seed: int = 1
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that takes part."""

    options: Options
    shared: Shared
    soon: Soon
    lanes: list[Lane]
    histories: Path


@contextmanager
def place_of_server() -> Iterator[Path]:
    """A folder for a server of our own, in memory where there is room; gone afterwards, with the server."""
    roomy = os.access(MEMORY, os.W_OK | os.X_OK) and shutil.disk_usage(MEMORY).free > ROOM_BYTES
    base = Path(tempfile.mkdtemp(prefix="lockstep-stress-", dir=MEMORY if roomy else None))
    base.chmod(0o755)
    try:
        yield base / "server"
    finally:
        server.stop(base / "server", mode="immediate")
        shutil.rmtree(base, ignore_errors=True)


@contextmanager
def staged(options: Options, folder: Path, told: Callable[[str], None]) -> Iterator[Stage]:
    """The stage with everybody at work; all processes have ended afterwards. Call it in the main thread."""
    histories = folder / "histories"
    histories.mkdir(parents=True)
    with place_of_server() as place:
        told("starts a server of its own")
        settings = dict(SETTINGS)
        url = server.embedded_url(place, database="stress", settings=settings)
        migrate(url)
        with Database(url) as database:
            world = worlds.build(database, options.patients, options.minutes, told)
            clock = DatabaseClock(lambda: current_instant(database))
        world.save(folder / "world.json")
        rival.lay_fuses(url)
        trial.settle(url)
        with trial.small_disk(url, place / "data") as small, Proxy(url) as proxy:
            soon = Soon()
            crew = Crew(proxy.url, WORKERS, folder / "workers.log")
            cast = Cast(folder)
            shared = Shared(url, place, folder, settings, proxy, crew, cast, world, small, WORKERS, soon)
            lanes = [Lane(shared, number, options.seed, histories, clock) for number in range(LANES)]
            try:
                _start_clients(cast, proxy.url, folder, histories, options.seed)
                told("waits until every client was answered")
                _wait_for_answers(cast)
                yield Stage(options, shared, soon, lanes, histories)
            finally:
                cast.end()
                crew.end()
                for lane in lanes:
                    lane.close()


def _start_clients(cast: Cast, url: str, folder: Path, histories: Path, seed: int) -> None:
    for kind, (count, per_second) in CLIENTS.items():
        for share in range(count):
            world = str(folder / "world.json")
            cast.start(Order(kind, f"{kind}-{share}.0", url, str(histories), world, seed, per_second, share, count))


def _wait_for_answers(cast: Cast) -> None:
    until = time.monotonic() + FIRST_ANSWER_SECONDS
    names = cast.names()
    while not all(_is_answered(cast.history(name)) for name in names):
        if bad := cast.ended_badly():
            raise StressFailed(f"{', '.join(bad)} ended; see clients.log in {cast.folder}.")
        if time.monotonic() > until:
            raise StressFailed("Not every client was answered within a minute.")
        time.sleep(0.1)


def _is_answered(history: Path) -> bool:
    return history.exists() and b'"phase":"ok"' in history.read_bytes()
