"""How many enrolments a chunk takes, so that it holds its locks for 10 to 15 ms."""

from dataclasses import dataclass

FIRST = 8
"""Small, because what cohorts share is computed in the first chunk, while its heads are held."""
GROWTH = 8
"""A small recalculation is over after a few chunks, and so waits a few times only behind a huge one."""
LEAST = 1
MOST = 4_000
SHORT_MS = 10.0
LONG_MS = 15.0
LEAST_BY_TIME = 250
"""Slowness alone makes chunks no smaller: below, what every chunk costs anyway outweighs what its rows cost."""


@dataclass(slots=True)
class ChunkSize:
    """The size of the next chunk of one recalculation; failures halve it, successes let it grow again."""

    size: int = FIRST

    def succeeded(self, *, done: int, elapsed_ms: float) -> None:
        """The last chunk did so many enrolments in so long. One that was not full says nothing about the size."""
        if done < self.size:
            return
        if self.size < LEAST_BY_TIME:
            self.size = min(LEAST_BY_TIME, GROWTH * self.size)
        elif elapsed_ms < SHORT_MS:
            self.size = min(MOST, round(self.size * 1.25))
        elif elapsed_ms > LONG_MS:
            self.size = max(LEAST_BY_TIME, round(self.size * 0.8))

    def failed(self) -> bool:
        """The last chunk failed; returns whether it can be made smaller."""
        if self.size == LEAST:
            return False
        self.size = max(LEAST, self.size // 2)
        return True
