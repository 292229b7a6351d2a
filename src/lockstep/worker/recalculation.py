"""The duty that recalculates: picks a chunk of one of all recalculations, again and again, until none is left."""

import random
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from lockstep.domain.operation import OperationState
from lockstep.domain.refusal import ImpossibleStep
from lockstep.engine import duty, recalculation
from lockstep.engine.chunk import Memory
from lockstep.engine.operation import fulfil_pause, give_reason, tell_attempt
from lockstep.store.database import Database, is_transient
from lockstep.store.recalculation import Recalculation
from lockstep.worker.chunk_size import ChunkSize
from lockstep.worker.duty import back_off_seconds, signature
from lockstep.worker.yielding import CLOSE_SECONDS, Yielding

REFRESH_SECONDS = 0.1
"""How old the list of work may be; longer where listing itself takes long."""
SLICE_SECONDS = 0.012
"""How long one pick works at least: the first chunks are shorter, and a small recalculation need not wait between."""
REST_SECONDS = 0.02
LONGEST_REST_SECONDS = 1.0
REMEMBERED = 64

_log = structlog.get_logger("lockstep.worker")
_TO_BEGIN = frozenset({OperationState.ACCEPTED, OperationState.QUEUED})


@dataclass(slots=True)
class Work:
    """A recalculation as this worker knows it; all of it may be lost."""

    organisation_id: int
    operation: Recalculation
    memory: Memory = field(default_factory=Memory)
    size: ChunkSize = field(default_factory=ChunkSize)
    done: int = 0
    failures: int = 0
    rests: int = 0
    not_before: float = 0.0
    reason: str | None = None

    def left(self) -> float:
        """Enrolments left, as far as known; what nobody counted yet comes first, since it may be small."""
        total = self.operation.total
        return 0 if total is None else max(0, total - self.operation.done - self.done)


class Recalculating:
    """Keeps the list of work, picks from it fairly, and carries out one chunk per run."""

    def __init__(
        self,
        database: Database,
        *,
        worker_id: str = "worker",
        chance: random.Random | None = None,
        sleep: Callable[[float], object] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._worker_id = worker_id
        self._chance = chance or random.Random()  # noqa: S311 (fairness, not secrecy)
        self._sleep, self._now = sleep, now
        self._known: OrderedDict[tuple[int, int], Work] = OrderedDict()
        self._listed: list[Work] = []
        self._stale_at = 0.0
        self._close_near: dict[int, tuple[float, bool]] = {}
        self._yielding = Yielding(
            probe=lambda: duty.round_trip_ms(database),
            is_ingesting=lambda: duty.is_ingesting(database, seconds=10),
            now=now,
        )

    def run(self) -> bool:
        """One step of one recalculation is done; returns whether another can follow at once."""
        if self._now() >= self._stale_at:
            self._list()
        ready = [work for work in self._listed if work.not_before <= self._now()]
        if not ready:
            if self._listed:
                self._sleep(REST_SECONDS)
            return bool(self._listed)
        self._step(choose(ready, self._chance))
        return True

    def look_again(self) -> None:
        """The list of work is read anew before the next step: there may be something small in it now."""
        self._stale_at = 0.0

    def _list(self) -> None:
        """The list of work is that of the database now."""
        begun = self._now()
        listed = []
        for organisation_id in duty.list_waiting(self._database, duty.Waiting.RECALCULATION):
            for operation in recalculation.list_work(self._database, organisation_id=organisation_id):
                if operation.state != OperationState.VERIFYING and not self._is_paused(organisation_id, operation):
                    listed.append(self._know(organisation_id, operation))
        self._listed = listed
        took = self._now() - begun
        self._stale_at = self._now() + max(REFRESH_SECONDS, 10 * took)

    def _know(self, organisation_id: int, operation: Recalculation) -> Work:
        key = organisation_id, operation.operation_id
        work = self._known.setdefault(key, Work(organisation_id, operation))
        work.operation, work.done = operation, 0
        self._known.move_to_end(key)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return work

    def _is_paused(self, organisation_id: int, operation: Recalculation) -> bool:
        if operation.state == OperationState.PAUSING:
            fulfil_pause(
                self._database,
                organisation_id=organisation_id,
                operation_id=operation.operation_id,
                actor=self._worker_id,
            )
        return operation.state in (OperationState.PAUSING, OperationState.PAUSED)

    def _step(self, work: Work) -> None:
        begun = self._now()
        try:
            if work.operation.state in _TO_BEGIN:
                self._begin(work)
            while self._chunk(work) and self._now() - begun < SLICE_SECONDS:
                pass
        except ImpossibleStep:
            # Another worker made the step first; the database tells where the operation stands now.
            self._rest(work)
            self._stale_at = 0.0
            return
        except Exception as error:
            self._failed(work, error)
            return
        work.failures = 0
        self._make_way(work, self._now() - begun)

    def _begin(self, work: Work) -> None:
        work.operation = recalculation.begin(
            self._database, organisation_id=work.organisation_id, operation=work.operation
        )

    def _chunk(self, work: Work) -> bool:
        """One chunk is done; whether another may follow at once."""
        begun = self._now()
        chunk = recalculation.recalculate_chunk(
            self._database,
            organisation_id=work.organisation_id,
            operation=work.operation,
            size=work.size.size,
            memory=work.memory,
        )
        if chunk is None:
            self._end(work)
            return False
        work.done += chunk.done
        work.rests = 0 if chunk.done or chunk.range_finished else work.rests
        work.size.succeeded(done=chunk.done, elapsed_ms=(self._now() - begun) * 1000)
        if not chunk.done and not chunk.range_finished:
            # Whoever is left is held by somebody: a rival's lock may last long.
            self._rest(work)
            return False
        return True

    def _end(self, work: Work) -> None:
        """No range is free: either it is done, or others are about to finish it."""
        if recalculation.verify(self._database, organisation_id=work.organisation_id, operation=work.operation):
            # Checked by a duty of its own, so that nobody's recalculation waits for it.
            self._listed = [other for other in self._listed if other is not work]
            self._known.pop((work.organisation_id, work.operation.operation_id), None)
        else:
            self._rest(work)
            self._stale_at = min(self._stale_at, work.not_before)

    def _rest(self, work: Work) -> None:
        work.not_before = self._now() + min(LONGEST_REST_SECONDS, REST_SECONDS * 2.0 ** min(work.rests, 10))
        work.rests += 1

    def _failed(self, work: Work, error: Exception) -> None:
        """Again, smaller and later; what fails alone and not by a lock is set aside."""
        work.failures += 1
        smaller = work.size.failed()
        transient = is_transient(error)
        if transient or not smaller:
            work.not_before = self._now() + back_off_seconds(work.failures)
        if work.failures % 10 == 1:
            _log.warning(
                "chunk failed",
                operation=work.operation.operation_id,
                failure=signature(error),
                in_a_row=work.failures,
                size=work.size.size,
            )
            self._record(work, error)
        if not transient and not smaller:
            recalculation.step_singly(self._database, organisation_id=work.organisation_id, operation=work.operation)
            work.not_before = 0.0

    def _record(self, work: Work, error: Exception) -> None:
        try:
            tell_attempt(
                self._database,
                organisation_id=work.organisation_id,
                operation_id=work.operation.operation_id,
                actor=self._worker_id,
                reason=type(error).__name__,
                sqlstate=getattr(error, "sqlstate", None),
                numbers={"size": work.size.size, "in_a_row": work.failures},
            )
        except Exception as failure:
            # The log of an operation must not stand in the way of the work; the duty's own log has it.
            _log.warning("attempt not recorded", failure=signature(failure))

    def _make_way(self, work: Work, worked_seconds: float) -> None:
        self._yielding.look()
        yields = self._yielding.share < 1 and not self._is_close_near(work.organisation_id)
        reason = self._yielding.reason if yields else None
        if reason != work.reason:
            work.reason = reason
            give_reason(
                self._database,
                organisation_id=work.organisation_id,
                operation_id=work.operation.operation_id,
                reason=reason,
                actor=self._worker_id,
            )
        if yields:
            self._sleep(self._yielding.pause_seconds(worked_seconds))

    def _is_close_near(self, organisation_id: int) -> bool:
        asked_at, near = self._close_near.get(organisation_id, (0.0, False))
        if asked_at == 0.0 or self._now() - asked_at > 1:
            near = duty.is_close_near(self._database, organisation_id=organisation_id, seconds=CLOSE_SECONDS)
            self._close_near[organisation_id] = self._now(), near
        return near


def choose(ready: Sequence[Work], chance: random.Random) -> Work:
    """Half of the picks go to the one with the least left, the others to any: a small one waits behind no huge one."""
    if len(ready) > 1 and chance.random() < 0.5:
        return chance.choice(ready)
    return min(ready, key=Work.left)
