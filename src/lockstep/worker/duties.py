"""All duties of a worker: what each looks after, and how often."""

import os
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

import psutil

from lockstep.engine import audit, duty, operation, outage, recalculation, worker
from lockstep.engine.chunk import Memory
from lockstep.engine.duty import Waiting
from lockstep.store.database import Database, is_transient
from lockstep.worker.duty import Duty
from lockstep.worker.judgement import Judging
from lockstep.worker.recalculation import Recalculating
from lockstep.worker.turns import do_each
from lockstep.worker.verification import Checking, Verifying

WOKEN = frozenset({"recalculation", "changes"})
"""Duties with more to do when a switch was accepted."""

CHANGES_AT_ONCE = 500
SWEPT_AT_ONCE = 1_000
BEAT_SECONDS = 1.0
BEAT_EVERYBODY_SECONDS = 15.0
DAY_SECONDS = 86_400.0


def all_duties(database: Database, *, worker_id: str, beats: bool) -> list[Duty]:
    """Everything that happens by itself; each duty may run in any number of workers at once."""
    recalculating = Recalculating(database, worker_id=worker_id)
    found = [
        Duty("recalculation", 0.25, recalculating.run, woken=recalculating.look_again),
        Duty("changes", 0.5, Changing(database).run),
        Duty("judgement", 0.2, Judging(database).run),
        Duty("verification", 0.2, Verifying(database).run),
        Duty("pauses", 1.0, lambda: _each(database, Waiting.RECALCULATION, resuming(database, worker_id))),
        Duty("check", 5.0, Checking(database).run),
        Duty("seal", 0.5, lambda: _each(database, Waiting.SEAL, sealing(database))),
        Duty("sweep", 5.0, Sweeping(database).run),
        Duty("set aside", 5.0, lambda: _each(database, Waiting.RETRY, retrying(database))),
        Duty("partitions", DAY_SECONDS, lambda: duty.ensure_partitions(database) < 0),
    ]
    if beats:
        found.append(Duty("heartbeat", BEAT_SECONDS, Beating(database, worker_id).run))
    found.append(Duty("rescue", 60.0, lambda: rescue(database, found)))
    found.append(Duty("sign of life", 2.0, lambda: sign(database, worker_id, found)))
    return found


def wake(everything: Iterable[Duty]) -> None:
    """Whoever has more to do after a decision looks at once."""
    for each in everything:
        if each.name in WOKEN:
            each.wake.set()


def rescue(database: Database, everything: Iterable[Duty]) -> bool:
    """Lost wake-ups are made up for, and what is left of dead ones is cleared away."""
    duty.clear_jobs(database)
    wake(everything)
    return False


def sign(database: Database, worker_id: str, everything: Iterable[Duty]) -> bool:
    """The worker was seen alive, with how its duties fare and the memory it takes."""
    doing = {
        "memory_mb": round(psutil.Process().memory_info().rss / 2**20),
        "duties": {each.name: each.state() for each in everything},
    }
    worker.sign(database, worker_id=worker_id, host=socket.gethostname(), pid=os.getpid(), doing=doing)
    return False


def say_good_bye(database: Database, worker_id: str) -> None:
    """Nobody waits for a sign of life of this worker; if the database is away, a day later."""
    with suppress(Exception):
        worker.leave(database, worker_id=worker_id)


def sealing(database: Database) -> Callable[[int], bool]:
    """Seals the audit entries of an organisation."""
    return lambda organisation_id: audit.seal(database, organisation_id) >= audit.SEALED_AT_ONCE


def retrying(database: Database) -> Callable[[int], bool]:
    """Tries those that were set aside in an organisation."""
    return lambda organisation_id: recalculation.retry_exceptions(database, organisation_id=organisation_id) < 0


def resuming(database: Database, worker_id: str) -> Callable[[int], bool]:
    """Takes up an organisation's operations whose pause is over."""

    def resume(organisation_id: int) -> bool:
        operation.resume_rested(database, organisation_id=organisation_id, actor=worker_id)
        return False

    return resume


class Changing:
    """Brings enrolments in step whose known next change has come: a scheduled switch, a pause that ends."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._memories: dict[int, Memory] = {}
        self._size = CHANGES_AT_ONCE

    def run(self) -> bool:
        """Some are in step; returns whether there may be more."""
        organisations = duty.list_waiting(self._database, Waiting.CHANGE)
        self._memories = {key: self._memories.get(key, Memory()) for key in organisations}
        return do_each(organisations, self._step)

    def _step(self, organisation_id: int) -> bool:
        try:
            done = recalculation.step_changes(
                self._database,
                organisation_id=organisation_id,
                size=self._size,
                memory=self._memories[organisation_id],
            )
        except Exception as error:
            if is_transient(error):
                raise
            if self._size == 1:
                recalculation.step_singly(self._database, organisation_id=organisation_id, operation=None)
            self._size = max(1, self._size // 2)
            return True
        self._size = min(CHANGES_AT_ONCE, self._size * 2)
        return done > 0


class Sweeping:
    """Walks through all enrolments for ever and brings in step whoever is behind, whatever was lost."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cursors: dict[int, int] = {}
        self._size = SWEPT_AT_ONCE

    def run(self) -> bool:
        """One slice of each organisation was walked; returns whether one had somebody behind."""
        # Where a recalculation runs, whoever is behind is its work: the sweep goes on without hurry.
        busy = frozenset(duty.list_waiting(self._database, Waiting.RECALCULATION))
        organisations = duty.list_waiting(self._database, Waiting.ANYTHING)
        return do_each(organisations, lambda each: self._step(each) and each not in busy)

    def _step(self, organisation_id: int) -> bool:
        cursor_id = self._cursors.get(organisation_id, 0)
        try:
            found, next_id = recalculation.sweep(
                self._database, organisation_id=organisation_id, cursor_id=cursor_id, size=self._size, memory=Memory()
            )
        except Exception as error:
            if is_transient(error):
                raise
            found, next_id = 1, cursor_id
            if self._size == 1:
                following = recalculation.sweep_singly(
                    self._database, organisation_id=organisation_id, cursor_id=cursor_id
                )
                next_id = following or 0
            self._size = max(1, self._size // 2)
        else:
            self._size = min(SWEPT_AT_ONCE, self._size * 2)
        self._cursors[organisation_id] = next_id or 0
        return found > 0


class Beating:
    """Says that measurements can come in: as long as this worker reaches the database, so can whoever takes them in.

    Often where something is due, seldom elsewhere. Not for installations whose measurements come over a network face,
    which alone knows whether it is reached.
    """

    def __init__(self, database: Database, worker_id: str, *, now: Callable[[], float] = time.monotonic) -> None:
        self._database, self._worker_id, self._now = database, worker_id, now
        self._everybody_at = 0.0

    def run(self) -> bool:
        """The organisations' ingestion was seen alive."""
        everybody = self._now() >= self._everybody_at
        if everybody:
            self._everybody_at = self._now() + BEAT_EVERYBODY_SECONDS
        waiting = Waiting.ANYTHING if everybody else Waiting.JUDGEMENT
        for organisation_id in duty.list_waiting(self._database, waiting):
            outage.beat(self._database, organisation_id=organisation_id, source="worker")
        return False


def _each(database: Database, waiting: Waiting, do: Callable[[int], bool]) -> bool:
    """Does it for each organisation in which it waits; one that fails does not keep the others waiting."""
    return do_each(duty.list_waiting(database, waiting), do)
