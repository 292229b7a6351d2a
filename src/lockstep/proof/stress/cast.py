"""The client processes of a run: started, killed, stopped, started again under a new name, and told to finish."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

from lockstep.proof.stress.clients.client import Order

FINISH_SECONDS = 90.0


class Cast:
    """All clients by name. Any thread may kill and stop; start in the main thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._orders: dict[str, Order] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._log = folder / "clients.log"

    def start(self, order: Order) -> None:
        """The client runs."""
        file = self.folder / f"{order.name}.order.json"
        order.save(file)
        with self._log.open("ab") as log:
            process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "lockstep.proof.stress.clients.main", str(file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        with self._lock:
            self._orders[order.name] = order
            self._processes[order.name] = process

    def names(self, *kinds: str) -> list[str]:
        """The clients that run, of these kinds or all."""
        with self._lock:
            return [
                name
                for name, process in self._processes.items()
                if process.poll() is None and (not kinds or self._orders[name].kind in kinds)
            ]

    def history(self, name: str) -> Path:
        """The file into which the client writes."""
        return Path(self._orders[name].folder) / f"{name}.jsonl"

    def pid(self, name: str) -> int:
        """The number of the client's process."""
        return self._processes[name].pid

    def kill(self, name: str) -> bool:
        """The client was killed (SIGKILL); False if it had ended before."""
        process = self._processes[name]
        lived = process.poll() is None
        process.kill()
        process.wait()
        return lived

    def start_again(self, name: str) -> None:
        """In the place of a client that was killed there is a new one, with a history of its own."""
        base, turn = name.rsplit(".", 1)
        with self._lock:
            order = self._orders[name]
        self.start(replace(order, name=f"{base}.{int(turn) + 1}"))

    def ended_badly(self) -> list[str]:
        """Clients that ended by themselves with a failure; the log says why."""
        with self._lock:
            return [
                name for name, process in self._processes.items() if process.poll() not in (None, 0, -signal.SIGKILL)
            ]

    def finish(self, *kinds: str) -> None:
        """Those clients have done what is to be done at the end, and have ended."""
        names = self.names(*kinds)
        for name in names:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid(name), signal.SIGTERM)
        until = time.monotonic() + FINISH_SECONDS
        for name in names:
            try:
                self._processes[name].wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.kill(name)

    def end(self) -> None:
        """None of them runs."""
        for name in self.names():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid(name), signal.SIGCONT)
            self.kill(name)
