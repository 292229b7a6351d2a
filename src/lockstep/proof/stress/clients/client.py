"""What every client shares: its order, its connection, its history, and asking until told to stop."""

import json
import os
import random
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from lockstep.domain.refusal import Refusal
from lockstep.engine.clock import current_instant
from lockstep.proof.stress.history import DatabaseClock, Recorder
from lockstep.proof.stress.world import World, load
from lockstep.store.database import Database, is_transient

NAME = "lockstep stress"
LAST_TRY_SECONDS = 30.0
PAUSE_SECONDS = 0.05

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Order:
    """What one client process does; `share` of `shares` clients of its kind."""

    kind: str
    name: str
    url: str
    folder: str
    world: str
    seed: int
    per_second: float
    share: int
    shares: int

    def save(self, file: Path) -> None:
        """The order stands in the file."""
        file.write_text(json.dumps(asdict(self)), encoding="utf-8")


class Client:
    """One client; `step` is what it does again and again. It ends on SIGTERM, or when its parent has died."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.world: World = load(Path(order.world))
        self.chance = random.Random(f"{order.seed} {order.name}")  # noqa: S311 (makes plausible load, protects nothing)
        self.database = Database(order.url, pool_max=1, name=f"{NAME} {order.name}")
        self._stop = False
        self._parent = os.getppid()
        self.recorder = Recorder(Path(order.folder), order.name, DatabaseClock(self._ask_clock))

    def _told_to_stop(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._stop = True

    def goes_on(self) -> bool:
        """Whether nobody told to stop."""
        return not self._stop and os.getppid() == self._parent

    def _ask_clock(self) -> datetime:
        while True:
            began = time.monotonic()
            try:
                at = current_instant(self.database)
                # A slow answer would tell the clock badly.
                if time.monotonic() - began < 0.05:
                    return at
            except Exception as error:
                if not is_transient(error):
                    raise
            time.sleep(PAUSE_SECONDS)

    def run(self) -> None:
        """Steps at the order's rate until told to stop, then finishes. Call it in the main thread."""
        signal.signal(signal.SIGTERM, self._told_to_stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        due_at = time.monotonic()
        with self.database:
            while self.goes_on():
                due_at = max(due_at + 1 / self.order.per_second, time.monotonic() - 0.2)
                time.sleep(max(0.0, min(0.5, due_at - time.monotonic())))
                if time.monotonic() >= due_at:
                    self.step()
                else:
                    due_at -= 1 / self.order.per_second
            self.finish()
        self.recorder.close()

    def step(self) -> None:
        """Asks something."""
        raise NotImplementedError

    def finish(self) -> None:
        """What is to be done at the end."""

    # -- asking

    def ask(
        self,
        do: str,
        organisation_id: int | None,
        work: Callable[[], Answer],
        shown: Callable[[Answer], Mapping[str, Any]],
        /,
        **sent: Any,
    ) -> tuple[str, Any]:
        """The request was made once, and both lines are written; returns ok, fail or unknown, and the answer."""
        number = self.recorder.invoke(do, organisation_id, **sent)
        try:
            answer = work()
        except Refusal as refusal:
            self.recorder.fail(number, code=refusal.code, sentence=str(refusal))
            return "fail", None
        except Exception as error:
            state = getattr(error, "sqlstate", None) or type(error).__name__
            self.recorder.unknown(number, error=state, transient=is_transient(error))
            return "unknown", None
        self.recorder.ok(number, **shown(answer))
        return "ok", answer

    def insist(
        self,
        do: str,
        organisation_id: int | None,
        work: Callable[[], Answer],
        shown: Callable[[Answer], Mapping[str, Any]],
        /,
        **sent: Any,
    ) -> Answer | None:
        """The same request was made again until it was answered; None when it was refused, or nobody answers at all."""
        stopped: float | None = None
        while True:
            outcome, answer = self.ask(do, organisation_id, work, shown, **sent)
            if outcome != "unknown":
                return answer  # type: ignore[no-any-return]
            if not self.goes_on():
                stopped = stopped or time.monotonic()
                if time.monotonic() - stopped > LAST_TRY_SECONDS:
                    return None
            time.sleep(PAUSE_SECONDS)
