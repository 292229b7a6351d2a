"""The end of a run: faults are over, everybody finishes in turn, and what must happen by itself has happened."""

import time
from collections.abc import Callable
from datetime import datetime

from lockstep.engine.clock import current_instant
from lockstep.proof.stress.final import Unfinished, count_unfinished
from lockstep.proof.stress.stage import Stage
from lockstep.store import rival
from lockstep.store.database import Database

CALM_SECONDS = 8.0
ENDED_WITHIN_SECONDS = 180.0
DECIDED_WITHIN_SECONDS = 60.0


def settle(stage: Stage, told: Callable[[str], None]) -> datetime:
    """Nobody works any more, after everything had time to come to its end; the instant until which workers judged."""
    shared = stage.shared
    _heal(stage)
    told("managers and the office finish")
    shared.cast.finish("managing", "office")
    time.sleep(CALM_SECONDS)
    _wait(stage, ENDED_WITHIN_SECONDS, lambda left: left.recalculations == 0)
    told("measuring ends; readers ask everything about the past once more")
    shared.cast.finish("measuring", "intruding")
    shared.cast.finish("reading")
    _wait(stage, DECIDED_WITHIN_SECONDS, lambda left: not left.anything())
    shared.cast.finish("watching")
    with Database(shared.url) as database:
        judged_at = current_instant(database)
    shared.crew.end()
    shared.cast.end()
    for lane in stage.lanes:
        lane.close()
    shared.proxy.close()
    _wait_for_sessions(shared.url)
    return judged_at


def _heal(stage: Stage) -> None:
    shared = stage.shared
    shared.proxy.tell("lose", name="")
    with rival.rival(shared.url, autocommit=True) as connection:
        rival.light_fuse(connection, state="40001", times=0)
    for index in range(shared.workers):
        shared.crew.start_again(index)


def _wait(stage: Stage, seconds: float, enough: Callable[[Unfinished], bool]) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not enough(count_unfinished(stage.shared.url)):
        time.sleep(0.25)


def _wait_for_sessions(url: str) -> None:
    """The server has noticed who has gone."""
    until = time.monotonic() + 10
    with rival.rival(url, autocommit=True) as connection:
        while rival.count_sessions(connection) > 1 and time.monotonic() < until:
            time.sleep(0.1)
