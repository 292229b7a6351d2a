"""Up to which instant nothing can come in any more: every transaction that ran then has ended."""

from collections import deque
from datetime import datetime, timedelta

WAIT = timedelta(seconds=2)
"""How long after an instant at least nothing of it is judged."""

_APART = timedelta(milliseconds=100)
_MOST_MARKS = 1000


class Barrier:
    """Marks, each an instant with a number above every transaction that ran then; the passed one that is the latest.

    Numbers of transactions only grow, so a mark is passed when the oldest transaction still running is not below the
    mark's number: whatever ran at its instant has ended. A transaction without a number has written nothing and
    locked nothing.
    """

    def __init__(self) -> None:
        self._marks: deque[tuple[datetime, int]] = deque()
        self._passed_at: datetime | None = None

    def observe(self, at: datetime, *, oldest_running: int, next_to_run: int) -> datetime | None:
        """The greatest marked instant that is passed, at least `WAIT` ago; None before the first. Sets a mark at `at`.

        `at` must have been read before the two numbers, so that whatever ran at it is below `next_to_run`.
        """
        while self._marks and self._marks[0][0] + WAIT <= at and oldest_running >= self._marks[0][1]:
            self._passed_at = self._marks.popleft()[0]
        if not self._marks or at - self._marks[-1][0] >= _APART:
            self._marks.append((at, next_to_run))
        if len(self._marks) > _MOST_MARKS:
            # A transaction has been running for minutes: fewer marks only mean a coarser step afterwards.
            self._marks = deque(list(self._marks)[::2])
        return self._passed_at
