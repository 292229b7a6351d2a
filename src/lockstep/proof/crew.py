"""The workers of a run: real processes of `lockstep worker`, which are killed and started again."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

PATIENCE_SECONDS = 5.0

# On Linux the kernel tells the worker to stop when whoever started it was killed.
_LAUNCH = (
    "import os, sys\n"
    "try:\n"
    "    import ctypes\n"
    "    ctypes.CDLL(None).prctl(1, 15)\n"
    "except (AttributeError, OSError):\n"
    "    pass\n"
    "os.execv(sys.executable, [sys.executable, '-m', 'lockstep.cli.main', 'worker'])\n"
)


class Crew:
    """So many workers on one database. Start and end it in the main thread."""

    def __init__(self, url: str, count: int, log: Path) -> None:
        self._environment = {**os.environ, "LOCKSTEP_DATABASE_URL": url}
        self._log = log
        self._workers: list[subprocess.Popen[bytes]] = []
        for _ in range(count):
            self._workers.append(self._start())

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603
                [sys.executable, "-c", _LAUNCH],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for the one who leads; the workers are told to stop in their turn.
                start_new_session=True,
            )

    def alive(self) -> int:
        """How many of them run."""
        return sum(worker.poll() is None for worker in self._workers)

    def pids(self) -> list[int]:
        """The numbers of those that run."""
        return [worker.pid for worker in self._workers if worker.poll() is None]

    def kill(self, index: int) -> bool:
        """The worker was killed (SIGKILL) in the middle of whatever it did; False if it had ended before."""
        worker = self._workers[index]
        lived = worker.poll() is None
        worker.kill()
        worker.wait()
        return lived

    def pid(self, index: int) -> int | None:
        """The number of this worker's process; None when it has ended."""
        worker = self._workers[index]
        return worker.pid if worker.poll() is None else None

    def tell_to_end(self, index: int) -> bool:
        """The worker was told to end (SIGTERM) and did, within the patience."""
        worker = self._workers[index]
        worker.send_signal(signal.SIGTERM)
        try:
            worker.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            return False
        return True

    def start_again(self, index: int) -> None:
        """In the place of a worker that ended there is a new one."""
        if self._workers[index].poll() is not None:
            self._workers[index] = self._start()

    def end(self) -> None:
        """None of them runs."""
        for worker in self._workers:
            with contextlib.suppress(ProcessLookupError):
                worker.send_signal(signal.SIGTERM)
        for worker in self._workers:
            try:
                worker.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
