"""Faults of the server: it stops as in a crash and starts again, or its disk is full."""

import time

from lockstep.proof.stress.faults.fault import Lane, Result, aim
from lockstep.store import rival, server, trial

NO_SPACE = "53100"
FULL_SECONDS = 4.0


def restart_database(lane: Lane) -> Result:
    """The server stops without a checkpoint, stays away for a moment, and recovers."""
    shared = lane.shared
    with shared.one_restart:
        with rival.rival(shared.url, autocommit=True) as connection:
            sessions = rival.count_sessions(connection)
        server.stop(shared.place, mode="immediate")
        time.sleep(lane.chance.uniform(0, 1.5))
        server.embedded_url(shared.place, database="postgres", settings=shared.settings)
        back = time.monotonic()
    return Result(sessions > 1, "clients were connected when it stopped", {"sessions": sessions - 1, "back": back})


def fill_disk(lane: Lane) -> Result:
    """There is no room for more measurements for a while."""
    shared = lane.shared
    if shared.small is None:
        return Result(False, "skipped: no small disk could be made here (that needs root)", {"skipped": True})
    before = _refused(lane)
    with trial.full(shared.small):
        aim(lambda: _refused(lane) > before, FULL_SECONDS)
    refused = _refused(lane) - before
    return Result(refused > 0, "the server refused to write for want of room", {"refused": refused})


def _refused(lane: Lane) -> int:
    errors: dict[str, int] = lane.shared.proxy.tell("errors")["errors"]
    return errors.get(NO_SPACE, 0)
