"""Real workers as processes, for tests that kill them, and waiting for what must become true."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg


def start_worker(url: str) -> subprocess.Popen[bytes]:
    """A worker process on the database."""
    environment = {**os.environ, "LOCKSTEP_DATABASE_URL": url}
    return subprocess.Popen(
        [sys.executable, "-m", "lockstep.cli.main", "worker"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


@contextmanager
def workers(url: str, count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """So many workers, gone afterwards."""
    started = [start_worker(url) for _ in range(count)]
    try:
        yield started
    finally:
        for process in started:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.communicate()


def until(
    condition: Callable[[], bool],
    *,
    what: str,
    seconds: float = 180,
    pause: float = 0.01,
    transient: tuple[type[Exception], ...] = (),
) -> float:
    """Returns as soon as the condition holds, with the seconds it took; fails with `what` after a generous bound."""
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        try:
            if condition():
                return time.monotonic() - begun
        except transient:
            pass
        time.sleep(pause)
    raise AssertionError(f"not within {seconds} s: {what}")


def alive(admin: psycopg.Connection) -> int:
    """How many workers have given a sign of life."""
    row = admin.execute("select count(*) from worker").fetchone()
    assert row is not None
    return int(row[0])
