"""Making way for measurements: how much of its time a recalculation leaves to them, and why."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

SLOW_MS = 8.0
"""A small transaction that takes longer than this tells that measurements wait: idle it takes a fraction of it."""
FLOOR = 0.25
"""A recalculation always keeps this share of its time."""
PROBE_SECONDS = 0.25
CLOSE_SECONDS = 60.0


@dataclass(slots=True)
class Yielding:
    """The share of time that recalculations of this worker use, from small transactions timed now and then.

    `probe` returns the milliseconds of one, `is_ingesting` whether anybody sends measurements at all.
    """

    probe: Callable[[], float]
    is_ingesting: Callable[[], bool]
    now: Callable[[], float] = time.monotonic
    share: float = 1.0
    reason: str | None = None
    _times_ms: deque[float] = field(default_factory=lambda: deque(maxlen=5))
    _next_at: float = 0.0

    def look(self) -> None:
        """The share fits what a few small transactions took lately; asks at most every PROBE_SECONDS."""
        if self.now() < self._next_at:
            return
        self._times_ms.append(self.probe())
        self._next_at = self.now() + PROBE_SECONDS
        waits_ms = median(self._times_ms)
        if waits_ms > SLOW_MS and self.is_ingesting():
            self.share = max(FLOOR, self.share / 2)
            percent = round(self.share * 100)
            self.reason = f"Makes way for measurements, which wait {waits_ms:.0f} ms: works {percent} % of the time"
        else:
            self.share = min(1.0, self.share * 1.5)
            if self.share == 1.0:
                self.reason = None

    def pause_seconds(self, worked_seconds: float) -> float:
        """How long to rest after having worked so long."""
        return worked_seconds * (1 / self.share - 1)
