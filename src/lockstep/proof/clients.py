"""Processes that act like clients from outside, and tell what they saw until they are told to stop."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.synchronize import Event
from typing import Any, Generic, TypeVar

Order = TypeVar("Order")
Told = TypeVar("Told")

PATIENCE_SECONDS = 20.0


class ClientFailed(RuntimeError):
    """A client process ended before it was told to."""


class Orders:
    """What a client process hears: whether to go on. It stops by itself when its parent has died."""

    def __init__(self, stop: Event) -> None:
        self._stop = stop
        self._parent = os.getppid()

    def go_on(self) -> bool:
        """Whether nobody told to stop."""
        return not self._stop.is_set() and os.getppid() == self._parent

    def rest(self, seconds: float) -> None:
        """Some time has passed, or it was told to stop."""
        if seconds > 0:
            self._stop.wait(seconds)


class Clients(Generic[Order, Told]):
    """A process for each order; what they tell goes to `hear`, called in a thread, one at a time."""

    def __init__(
        self,
        work: Callable[[Order, Orders, Callable[[Told], None]], None],
        orders: Sequence[Order],
        hear: Callable[[Told], None],
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._stop = context.Event()
        self._hear = hear
        self._pipes: list[Connection] = []
        self._processes: list[Any] = []
        for order in orders:
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_run, args=(work, order, self._stop, theirs), daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)
        self._thread = threading.Thread(target=self._listen, name="clients", daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        open_pipes = list(self._pipes)
        while open_pipes:
            for pipe in wait(open_pipes):
                assert isinstance(pipe, Connection)
                try:
                    told = pipe.recv()
                except EOFError:
                    open_pipes.remove(pipe)
                else:
                    self._hear(told)

    def stop(self) -> None:
        """All of them have ended, and all they told was heard. Raises ClientFailed if one had broken down."""
        self._stop.set()
        self._thread.join(PATIENCE_SECONDS)
        for process in self._processes:
            process.join(PATIENCE_SECONDS)
        broken = [process.exitcode for process in self._processes if process.exitcode != 0]
        self.kill()
        if broken:
            raise ClientFailed(f"{len(broken)} of {len(self._processes)} client processes ended with {broken}")

    def kill(self) -> None:
        """None of them runs."""
        for process in self._processes:
            if process.is_alive():
                process.kill()
                process.join()


def _run(
    work: Callable[[Order, Orders, Callable[[Told], None]], None], order: Order, stop: Event, pipe: Connection
) -> None:
    # Ctrl-C reaches every process of a terminal; only the one that leads decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        work(order, Orders(stop), pipe.send)
    except BrokenPipeError:
        return
    finally:
        pipe.close()
