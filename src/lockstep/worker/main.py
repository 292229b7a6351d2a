"""A worker: one process with a thread per duty, that ends within two seconds when told to."""

import os
import secrets
import signal
import socket
import threading
from collections.abc import Sequence
from types import FrameType

import structlog

from lockstep.store.database import Database
from lockstep.worker import duties
from lockstep.worker.duty import Duty, follow
from lockstep.worker.log import configure_log
from lockstep.worker.wake_up import WakeUps

PATIENCE_SECONDS = 1.5

_log = structlog.get_logger("lockstep.worker")


def run(url: str, *, pool_max: int = 16, lock_timeout_ms: int = 200, beats: bool = True) -> None:
    """Works until SIGTERM or SIGINT; then ends the chunk at hand and returns. Call it in the main thread.

    With `beats` this worker says of every organisation that measurements can come in; see `duties.Beating`.
    """
    configure_log()
    stop = threading.Event()
    worker_id = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"

    def tell_to_stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    signal.signal(signal.SIGTERM, tell_to_stop)
    signal.signal(signal.SIGINT, tell_to_stop)
    database = Database(url, pool_max=pool_max, lock_timeout_ms=lock_timeout_ms, name="lockstep worker")
    everything = duties.all_duties(database, worker_id=worker_id, beats=beats)
    wake_ups = WakeUps(url, name=worker_id, wake=lambda _: duties.wake(everything))
    threads = start(everything, stop)
    wake_ups.start()
    _log.info("worker started", worker=worker_id, duties=[duty.name for duty in everything])
    # In rounds: on some systems a wait without an end is not interrupted by a signal.
    while not stop.wait(3600):
        pass
    end(everything, threads)
    wake_ups.stop(patience_seconds=0.3)
    duties.say_good_bye(database, worker_id)
    database.close()
    _log.info("worker ended", worker=worker_id)


def start(everything: Sequence[Duty], stop: threading.Event) -> list[threading.Thread]:
    """Every duty is followed by a thread of its own."""
    # Daemons: a thread that hangs in a dead network does not keep the process alive; a transaction cut off rolls back.
    threads = [threading.Thread(target=follow, args=(duty, stop), name=duty.name, daemon=True) for duty in everything]
    for thread in threads:
        thread.start()
    return threads


def end(everything: Sequence[Duty], threads: Sequence[threading.Thread]) -> None:
    """The duties have come to the end of what they were at, or the patience has."""
    for duty in everything:
        duty.wake.set()
    share = PATIENCE_SECONDS / max(1, len(threads))
    for thread in threads:
        thread.join(share)
