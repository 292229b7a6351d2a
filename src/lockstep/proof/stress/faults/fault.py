"""What a fault is, and what those who make faults have at hand."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lockstep.proof.crew import Crew
from lockstep.proof.stress.cast import Cast
from lockstep.proof.stress.clients.client import Order
from lockstep.proof.stress.clients.managing import Managing
from lockstep.proof.stress.clients.measuring import Measuring
from lockstep.proof.stress.clients.office import Office
from lockstep.proof.stress.history import DatabaseClock, Recorder
from lockstep.proof.stress.proxy.proxy import Proxy
from lockstep.proof.stress.world import World

AIM_SECONDS = 1.5
"""How long a fault looks for a live target."""


@dataclass(frozen=True, slots=True)
class Result:
    """Whether a fault hit something that lived, and how that is known."""

    hit: bool
    how: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Shared:
    """What all lanes share. `soon` asks the main thread to do something, because only it may start processes."""

    url: str
    place: Path
    folder: Path
    settings: dict[str, str]
    proxy: Proxy
    crew: Crew
    cast: Cast
    world: World
    small: Path | None
    workers: int
    soon: Callable[[float, Callable[[], None]], None]
    one_fuse: threading.Lock = field(default_factory=threading.Lock)
    one_loss: threading.Lock = field(default_factory=threading.Lock)
    one_restart: threading.Lock = field(default_factory=threading.Lock)
    one_roll: threading.Lock = field(default_factory=threading.Lock)
    rolled: int = 0


class Lane:
    """One thread that makes faults, with hands of its own that act as clients and write histories."""

    def __init__(self, shared: Shared, number: int, seed: int, histories: Path, clock: DatabaseClock) -> None:
        self.shared = shared
        self.chance = random.Random(f"faults {seed} {number}")  # noqa: S311 (draws faults, protects nothing)
        self.recorder = Recorder(histories, f"faults-{number}", clock)

        def order(kind: str) -> Order:
            world = str(shared.folder / "world.json")
            return Order(kind, f"hand-{kind}-{number}.0", shared.proxy.url, str(histories), world, seed, 1, 0, 1)

        self.measuring = Measuring(order("measuring"))
        self.managing = Managing(order("managing"))
        self.rival_managing = Managing(order("rival"))
        self.office = Office(order("office"))

    def close(self) -> None:
        """Nothing of the lane is open."""
        for hand in (self.measuring, self.managing, self.rival_managing, self.office):
            hand.database.close()
            hand.recorder.close()
        self.recorder.close()


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: how often it is drawn among a hundred, and at most how many of a thousand faults."""

    name: str
    weight: float
    act: Callable[[Lane], Result]
    most: int | None = None


def aim(look: Callable[[], Any], seconds: float = AIM_SECONDS) -> Any:
    """What `look` finds first; None if it finds nothing within so many seconds."""
    until = time.monotonic() + seconds
    while True:
        found = look()
        if found or time.monotonic() > until:
            return found or None
        time.sleep(0.01)
