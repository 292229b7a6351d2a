"""A duty: something that is looked after again and again, for ever, whatever fails meanwhile."""

import random
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from lockstep.store.database import is_transient

FIRST_BACK_OFF_SECONDS = 0.05
LONGEST_BACK_OFF_SECONDS = 2.0
"""Short enough that work goes on within 5 s after the database came back."""

_log = structlog.get_logger("lockstep.worker")


@dataclass(slots=True)
class Duty:
    """One thing to look after. `run` returns whether there is more to do at once.

    It runs every `interval_seconds` at the latest, and as soon as `wake` is set; then `woken` is called first.
    """

    name: str
    interval_seconds: float
    run: Callable[[], bool]
    wake: threading.Event = field(default_factory=threading.Event)
    woken: Callable[[], None] = lambda: None
    runs: int = 0
    failures: int = 0
    in_a_row: int = 0
    failing: str = ""

    def turn(self) -> float:
        """Runs once; returns for how many seconds to wait at most. Never raises what the duty raised."""
        try:
            more = self.run()
        except Exception as error:
            self.failures += 1
            self.in_a_row += 1
            self.failing = signature(error)
            self._tell(error)
            return back_off_seconds(self.in_a_row)
        if self.in_a_row:
            _log.info("duty goes on", duty=self.name, after_failures=self.in_a_row)
        self.runs += 1
        self.in_a_row, self.failing = 0, ""
        return 0 if more else self.interval_seconds

    def _tell(self, error: Exception) -> None:
        # The first of a row, then every tenth: an absent database is one event, not a thousand.
        if self.in_a_row % 10 == 1:
            tell = _log.warning if is_transient(error) else _log.error
            tell("duty failed", duty=self.name, failure=self.failing, in_a_row=self.in_a_row, at=place_of(error))

    def state(self) -> dict[str, object]:
        """What the worker's sign of life says of the duty."""
        failing = {"failing": self.failing} if self.failing else {}
        return {"runs": self.runs, "failures": self.failures, **failing}


def follow(duty: Duty, stop: threading.Event) -> None:
    """Runs the duty until told to stop, which also sets its `wake`."""
    while not stop.is_set():
        if duty.wake.is_set():
            duty.wake.clear()
            duty.woken()
        wait_seconds = duty.turn()
        if duty.in_a_row:
            stop.wait(wait_seconds)  # a wake-up does not shorten the back-off
        elif wait_seconds:
            duty.wake.wait(wait_seconds)


def back_off_seconds(failures: int, *, longest: float = LONGEST_BACK_OFF_SECONDS) -> float:
    """How long to wait after so many failures in a row: doubled each time, capped, jittered so that rivals part."""
    whole = min(longest, FIRST_BACK_OFF_SECONDS * 2.0 ** min(failures - 1, 30))
    return whole * random.uniform(0.5, 1)  # noqa: S311 (spreads rivals, protects nothing)


def signature(error: BaseException) -> str:
    """The kind of a failure, by which the same ones are recognised; its text may quote a patient's values."""
    state = getattr(error, "sqlstate", None)
    return f"{type(error).__name__} {state}" if state else type(error).__name__


def place_of(error: BaseException) -> str:
    """Where in our code it was raised, such as 'chunk.py:71'."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "lockstep" in frame.filename]
    return f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
