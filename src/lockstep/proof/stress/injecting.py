"""Makes the planned faults, in lanes beside each other, and writes down of each whether it hit something that lived."""

import queue
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from lockstep.proof.stress.faults.fault import Kind, Lane, Result
from lockstep.proof.stress.schedule import Planned
from lockstep.store.database import is_transient

LANES = 4
TEND_SECONDS = 0.02


class Soon:
    """What the main thread is asked to do soon: only it may start processes, which die with the thread's."""

    def __init__(self) -> None:
        self._asked: queue.SimpleQueue[tuple[float, Callable[[], None]]] = queue.SimpleQueue()
        self._waiting: list[tuple[float, Callable[[], None]]] = []

    def __call__(self, seconds: float, work: Callable[[], None]) -> None:
        """The work is done so many seconds from now."""
        self._asked.put((time.monotonic() + seconds, work))

    def tend(self, *, all_of_it: bool = False) -> None:
        """What is due was done."""
        while not self._asked.empty():
            self._waiting.append(self._asked.get())
        now = time.monotonic()
        due = [each for each in self._waiting if all_of_it or each[0] <= now]
        self._waiting = [each for each in self._waiting if each not in due]
        for _, work in due:
            work()


class Injecting:
    """All lanes together. Faults that hit nothing are made up for by others, until the time is up."""

    def __init__(self, lanes: Sequence[Lane], planned: Sequence[Planned], more: Iterator[Kind], seconds: float) -> None:
        self._lanes = lanes
        self._planned = iter(planned)
        self._count = len(planned)
        self._more = more
        self._lock = threading.Lock()
        self._begun = time.monotonic()
        self._until = self._begun + seconds
        self.hits: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        self.broken: list[str] = []
        self._threads = [threading.Thread(target=self._follow, args=(lane,), daemon=True) for lane in lanes]

    def run(self, soon: Soon, draw: Callable[[], None]) -> None:
        """Every fault was made, and what they asked of the main thread was done. Call it in the main thread."""
        self._begun = time.monotonic()
        for thread in self._threads:
            thread.start()
        while any(thread.is_alive() for thread in self._threads):
            soon.tend()
            draw()
            time.sleep(TEND_SECONDS)
        soon.tend(all_of_it=True)

    def line(self) -> str:
        """How far it is, for people."""
        hits, missed = self.hits.total(), self.missed.total()
        return f"{hits:,} of {self._count:,} faults hit a live target, {missed:,} did not"

    def _follow(self, lane: Lane) -> None:
        while (kind := self._next()) is not None:
            self._make(lane, kind)

    def _next(self) -> Kind | None:
        with self._lock:
            planned = next(self._planned, None)
            if planned is None:
                enough = self.hits.total() >= self._count or time.monotonic() > self._until
                return None if enough else next(self._more)
        if (due := self._begun + planned.due) > self._until:
            return None
        time.sleep(max(0.0, due - time.monotonic()))
        return None if time.monotonic() > self._until else planned.kind

    def _make(self, lane: Lane, kind: Kind) -> None:
        number = lane.recorder.invoke("fault", None, kind=kind.name)
        try:
            result = kind.act(lane)
        except Exception as error:
            result = Result(False, f"it could not be made: {type(error).__name__}")
            if not is_transient(error):
                with self._lock:
                    self.broken.append(f"{kind.name}: {traceback.format_exc()}")
        lane.recorder.ok(number, hit=result.hit, how=result.how, **result.data)
        with self._lock:
            (self.hits if result.hit else self.missed)[kind.name] += 1
