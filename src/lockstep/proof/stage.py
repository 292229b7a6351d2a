"""The stage of the story: the database, the workers, and the clients that go on in the background meanwhile."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from lockstep.proof import probe, stream
from lockstep.proof.crew import Crew
from lockstep.proof.narrator import Narrator
from lockstep.proof.plan import PLACES, SWITCHED, Plan
from lockstep.proof.probe import Probes
from lockstep.proof.stream import Stream
from lockstep.proof.watched_database import WatchedDatabase
from lockstep.proof.world import World
from lockstep.store import trial

SENDERS, READERS = 2, 2
READS_PER_SECOND = 60
MOST_PROBED = 5_000
FIRST_ANSWER_SECONDS = 60.0


class StoryFailed(RuntimeError):
    """Something that had to happen did not, so that nothing can be proven."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Where the story takes place."""

    url: str
    plan: Plan
    database: WatchedDatabase
    crew: Crew
    server_log: trial.ServerLog | None
    per_second: float
    tamper: bool
    narrator: Narrator


class Stage:
    """The scene with its clients; as a context it ends every client that was started."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._stream: Stream | None = None
        self._probes: Probes | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for clients in (self._stream, self._probes):
            if clients is not None:
                clients.kill()

    @property
    def stream(self) -> Stream:
        """The senders, which must have been started."""
        assert self._stream is not None
        return self._stream

    @property
    def probes(self) -> Probes:
        """The readers, which must have been started."""
        assert self._probes is not None
        return self._probes

    def start_stream(self, world: World, run: str) -> None:
        """Senders send from now on; `run` tells their identifiers from those of another stream."""
        organisation_ids = tuple(world.organisation_id(place) for place in range(len(PLACES)))
        each = self.scene.per_second / SENDERS
        zone = world.ward.zone
        orders = [
            stream.Order(self.scene.url, self.scene.plan, organisation_ids, each, n, SENDERS, zone, run)
            for n in range(SENDERS)
        ]
        self._stream = Stream(orders)

    def start_probes(self, world: World) -> None:
        """Readers read patients of the protocol to be switched from now on."""
        chosen = world.switched[:: max(1, len(world.switched) // MOST_PROBED)]
        organisation_id = world.organisation_id(SWITCHED)
        seed = self.scene.plan.seed * 10
        orders = [
            probe.Order(self.scene.url, organisation_id, chosen, READS_PER_SECOND, seed + n) for n in range(READERS)
        ]
        self._probes = Probes(orders)

    def wait_for_clients(self) -> None:
        """Every kind of client has had an answer. Raises StoryFailed after a minute."""
        until = time.monotonic() + FIRST_ANSWER_SECONDS
        while not self.stream.sent() or not self.probes.answers():
            if time.monotonic() > until:
                raise StoryFailed("The clients had no answer within a minute.")
            time.sleep(0.05)

    def load_line(self) -> str:
        """What the senders do at present, for people."""
        if self._stream is None:
            return ""
        now = time.monotonic()
        return (
            f"{self._stream.sent():,} measurements sent, {self._stream.per_second(now - 2.5, now - 0.5):.0f} a second, "
            f"lock time-outs {self._stream.lock_time_outs()}"
        )

    def watch_for(self, seconds: float, over: Callable[[], bool] = lambda: False) -> None:
        """So much time has passed, or it is over, and somebody who looks saw the load meanwhile."""
        until = time.monotonic() + seconds
        with self.scene.narrator.watch(lambda: f"  [dim]{self.load_line()}[/]", self.load_line) as draw:
            while time.monotonic() < until and not over():
                draw()
                time.sleep(0.1)
