"""Brings the agendas of many enrolments in step, in small fenced chunks that wait for no lock."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any

from lockstep.domain.operation import OperationKind, OperationState
from lockstep.domain.refusal import ImpossibleStep
from lockstep.domain.timeline import generation_at
from lockstep.engine.acceptance_overlap import judge_overlap
from lockstep.engine.agenda import bring_in_step
from lockstep.engine.audit import record_entry
from lockstep.engine.chunk import Memory, step_groups, step_heads, with_origins
from lockstep.engine.cohort import settled_since
from lockstep.engine.operation import advance, start
from lockstep.engine.removal import close_alerts_of_removed
from lockstep.store import recalculation as store
from lockstep.store import timeline as facts_store
from lockstep.store.clock import now as clock_now
from lockstep.store.database import Connection, Database, is_transient
from lockstep.store.recalculation import Range, Recalculation

RANGE_SIZE = 20_000
"""Enrolments in a range: many workers find one each, and a walk that starts anew is short."""

_LAST_ID = 2**62
_ACTOR = "recalculation"


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one chunk did: enrolments brought in step, how many of them singly, and whether its range is walked."""

    done: int
    individual: int
    range_finished: bool


def list_work(database: Database, *, organisation_id: int) -> list[Recalculation]:
    """The recalculations in force that have not ended, the longest waiting first. Locks: none."""
    with database.transaction(organisation_id, read_only=True) as connection:
        return store.list_unfinished(connection, organisation_id=organisation_id, now=clock_now(connection))


def request_recalculation(
    database: Database, *, organisation_id: int, protocol_id: int, selection_id: int | None, actor: str, sentence: str
) -> int:
    """An operation exists that computes every agenda of the protocol (or selection) anew; returns its number.

    Asked for again there is another one, which finds less to write. Locks: the new rows.
    """
    with database.transaction(organisation_id) as connection:
        operation_id = start(
            connection,
            organisation_id=organisation_id,
            kind=OperationKind.RECALCULATION,
            sentence=sentence,
            actor=actor,
            protocol_id=protocol_id,
            selection_id=selection_id,
        )
        record_entry(
            connection,
            organisation_id=organisation_id,
            actor=actor,
            action="request recalculation",
            subject=f"operation {operation_id}",
            detail={"protocol_id": protocol_id, "selection_id": selection_id, "sentence": sentence},
        )
        return operation_id


def recalculate_patient(
    database: Database, *, organisation_id: int, patient_id: int, enrolment_ids: Sequence[int], actor: str
) -> list[int]:
    """The patient's agendas are computed anew, because somebody asked; returns the enrolments set aside instead.

    The decision stands in the audit before, since what fails is rolled back. Locks: as `recalculate_enrolment`.
    """
    with database.transaction(organisation_id) as connection:
        record_entry(
            connection,
            organisation_id=organisation_id,
            actor=actor,
            action="recalculate patient",
            subject=f"patient {patient_id}",
            detail={"enrolment_ids": list(enrolment_ids)},
        )
    return [
        each
        for each in enrolment_ids
        if not recalculate_enrolment(database, organisation_id=organisation_id, enrolment_id=each)
    ]


def list_protocols_of_selection(database: Database, *, organisation_id: int, selection_id: int) -> list[int]:
    """The protocols on which members of the selection stand now; empty where there is no such selection."""
    with database.transaction(organisation_id, read_only=True) as connection:
        return store.list_protocols_of_selection(connection, organisation_id=organisation_id, selection_id=selection_id)


def begin(database: Database, *, organisation_id: int, operation: Recalculation) -> Recalculation:
    """The operation runs: its ranges exist, and it is returned with how many enrolments it concerns. Idempotent.

    Locks: the operation's row, new ranges; a rival that began it first wins.
    """
    scope: dict[str, Any] = {
        "organisation_id": organisation_id,
        "protocol_id": operation.protocol_id,
        "selection_id": operation.selection_id,
    }
    with database.transaction(organisation_id) as connection:
        count, _ = store.count_ranges(connection, organisation_id=organisation_id, operation_id=operation.operation_id)
        if count:
            return _advance_to_running(connection, organisation_id, operation, operation.total or 0)
        total = store.count_enrolments(connection, **scope)
        borders = store.list_borders(connection, **scope, size=RANGE_SIZE)
        store.add_ranges(
            connection,
            organisation_id=organisation_id,
            operation_id=operation.operation_id,
            ranges=_ranges(borders),
        )
        store.note_begun(connection, organisation_id=organisation_id, operation_id=operation.operation_id)
        return _advance_to_running(connection, organisation_id, operation, total)


def _advance_to_running(
    connection: Connection, organisation_id: int, operation: Recalculation, total: int
) -> Recalculation:
    """The operation runs, if it waited; `operation` may be what it was some time ago, so the state is asked for."""
    for before, to in pairwise((OperationState.ACCEPTED, OperationState.QUEUED, OperationState.RUNNING)):
        with suppress(ImpossibleStep):
            advance(
                connection,
                organisation_id=organisation_id,
                operation_id=operation.operation_id,
                to=to,
                actor=_ACTOR,
                total=total if to is OperationState.RUNNING else None,
                only_from=(before,),
            )
    return replace(operation, state=OperationState.RUNNING, total=total)


def _ranges(borders: Sequence[int]) -> list[Range]:
    edges = [0, *borders, _LAST_ID]
    return [Range(number, edges[number], edges[number + 1], edges[number]) for number in range(len(edges) - 1)]


def recalculate_chunk(
    database: Database, *, organisation_id: int, operation: Recalculation, size: int, memory: Memory
) -> Chunk | None:
    """The next chunk of the operation is in step; None when every unfinished range is being worked on by others.

    One transaction: claim a range, hold the heads behind, compute, write rows and heads, note the progress. A crash
    releases everything; a duplicate, or a worker that lost its claim, changes nothing, because only older heads are
    taken. Locks: a range (skipping locked), heads (skipping locked), their rows.
    """
    with database.transaction(organisation_id) as connection:
        part = store.claim_range(connection, organisation_id=organisation_id, operation_id=operation.operation_id)
        if part is None:
            return None
        now = clock_now(connection)
        world = facts_store.load_world(
            connection, organisation_id=organisation_id, protocol_ids=[operation.protocol_id]
        )
        scope = _scope(organisation_id, operation, generation_at(world, operation.protocol_id, now), now)
        begins = settled_since(world, operation.starts_at)
        groups = store.claim_heads(connection, **scope, part=part, size=size, begins=begins)
        ids = [enrolment_id for group in groups for enrolment_id in group.enrolment_ids]
        if operation.forced_before is not None:
            # Asked for by a person, perhaps because rows are wrong: nothing is taken from where the rows stand.
            individual = bring_in_step(connection, organisation_id=organisation_id, enrolment_ids=ids, now=now)
        else:
            individual = step_groups(
                connection,
                organisation_id=organisation_id,
                groups=groups,
                begins=begins,
                world=with_origins(connection, organisation_id, world, groups),
                now=now,
                memory=memory,
            )
        finished, cursor_id = False, max(ids, default=part.until_id)
        if len(ids) < size:
            # Walked to the end. Whoever was skipped because somebody held it is met on the next walk.
            finished = not store.is_range_behind(connection, **scope, part=part)
            cursor_id = part.until_id if finished else part.after_id
        store.note_progress(
            connection,
            organisation_id=organisation_id,
            operation_id=operation.operation_id,
            number=part.number,
            cursor_id=cursor_id,
            done=len(ids),
            finished=finished,
        )
        return Chunk(len(ids), individual, finished)


def verify(database: Database, *, organisation_id: int, operation: Recalculation) -> bool:
    """Whether nothing is left to do: then the operation is verifying, else whatever is left is to be walked again.

    No head of its scope is behind, asked again after every transaction that ran when it began has ended (one of them
    may have enrolled somebody by what it read before the acceptance was visible), and after the last zone's E.
    Idempotent. Locks: the operation's row.
    """
    key = {"organisation_id": organisation_id, "operation_id": operation.operation_id}
    with database.transaction(organisation_id) as connection:
        count, unfinished = store.count_ranges(connection, **key)
        now = clock_now(connection)
        if not count or unfinished or now < operation.last_at or not store.has_barrier_passed(connection, **key):
            return False
        world = facts_store.load_world(
            connection, organisation_id=organisation_id, protocol_ids=[operation.protocol_id]
        )
        scope = _scope(organisation_id, operation, generation_at(world, operation.protocol_id, now), now)
        if store.is_range_behind(connection, **scope, part=Range(0, 0, _LAST_ID, 0)):
            store.reopen_ranges(connection, **key)
            if operation.state == OperationState.VERIFYING:
                _advance(connection, organisation_id, operation, OperationState.RUNNING)
            return False
        if operation.state in (OperationState.RUNNING, OperationState.PAUSING):
            _advance(connection, organisation_id, operation, OperationState.VERIFYING, data={"done": operation.done})
        return True


def conclude(
    database: Database, *, organisation_id: int, operation: Recalculation, checked: int = 0, drifted: int = 0
) -> OperationState:
    """A verifying operation has succeeded, with exceptions if enrolments still stand aside or its check found drift.

    What came in while its switch was being accepted is judged again before, and alerts of activities that the switch
    removed are closed, if it says so; until all are it goes on verifying. Locks: as those two, then its row.
    """
    judge_overlap(database, organisation_id=organisation_id, operation_id=operation.operation_id)
    close_alerts_of_removed(database, organisation_id=organisation_id, operation_id=operation.operation_id)
    with database.transaction(organisation_id) as connection:
        exceptions = store.count_exceptions(
            connection, organisation_id=organisation_id, operation_id=operation.operation_id
        )
        ended = OperationState.SUCCEEDED_WITH_EXCEPTIONS if exceptions or drifted else OperationState.SUCCEEDED
        data = {"done": operation.done, "set_aside": exceptions, "checked": checked, "drifted": drifted}
        _advance(connection, organisation_id, operation, ended, data=data)
        return ended


def step_changes(database: Database, *, organisation_id: int, size: int, memory: Memory) -> int:
    """Enrolments whose known next change has come are in step; returns how many. Locks: heads (skipping), rows."""
    with database.transaction(organisation_id) as connection:
        now = clock_now(connection)
        heads = store.claim_changing_heads(connection, organisation_id=organisation_id, now=now, size=size)
        return _step(connection, organisation_id, heads, now, memory)


def sweep(
    database: Database, *, organisation_id: int, cursor_id: int, size: int, memory: Memory
) -> tuple[int, int | None]:
    """Whoever is behind among the next `size` enrolments is in step; returns how many, and where to go on.

    None as the place to go on means: the walk is at its end. Locks: heads of those behind (skipping locked), rows.
    """
    with database.transaction(organisation_id) as connection:
        now = clock_now(connection)
        behind, next_id = store.list_behind(
            connection, organisation_id=organisation_id, now=now, cursor_id=cursor_id, size=size
        )
        heads = store.claim_heads_of(connection, organisation_id=organisation_id, enrolment_ids=behind)
        return _step(connection, organisation_id, heads, now, memory), next_id


def retry_exceptions(database: Database, *, organisation_id: int) -> int:
    """Enrolments set aside whose next try has come are tried, each by itself; returns how many recovered."""
    with database.transaction(organisation_id, read_only=True) as connection:
        waiting = store.list_exceptions_to_retry(connection, organisation_id=organisation_id, now=clock_now(connection))
    return sum(recalculate_enrolment(database, organisation_id=organisation_id, enrolment_id=each) for each in waiting)


def step_singly(database: Database, *, organisation_id: int, operation: Recalculation | None) -> bool | None:
    """The next enrolment that a chunk would take is computed by itself, and set aside when that fails too.

    Without an operation that is the next one whose known change has come. None when there is none that nobody holds.
    Locks: its head and rows.
    """
    with database.transaction(organisation_id) as connection:
        enrolment_id = _claim_one(connection, organisation_id, operation)
    if enrolment_id is None:
        return None
    operation_id = None if operation is None else operation.operation_id
    return recalculate_enrolment(
        database, organisation_id=organisation_id, enrolment_id=enrolment_id, operation_id=operation_id
    )


def sweep_singly(database: Database, *, organisation_id: int, cursor_id: int) -> int | None:
    """As `sweep` for one enrolment, set aside when it fails; returns where to go on. Locks: its head and rows."""
    with database.transaction(organisation_id, read_only=True) as connection:
        now = clock_now(connection)
        behind, next_id = store.list_behind(
            connection, organisation_id=organisation_id, now=now, cursor_id=cursor_id, size=1
        )
    for enrolment_id in behind:
        recalculate_enrolment(database, organisation_id=organisation_id, enrolment_id=enrolment_id)
    return next_id


def recalculate_enrolment(
    database: Database, *, organisation_id: int, enrolment_id: int, operation_id: int | None = None
) -> bool:
    """The enrolment's agenda is computed anew from its facts; if that fails other than transiently it is set aside.

    Returns whether it is in step. Locks: its head and rows.
    """
    try:
        with database.transaction(organisation_id) as connection:
            now = clock_now(connection)
            found = bring_in_step(connection, organisation_id=organisation_id, enrolment_ids=[enrolment_id], now=now)
            store.clear_exception(connection, organisation_id=organisation_id, enrolment_id=enrolment_id)
            return bool(found)
    except Exception as error:
        if is_transient(error):
            raise
        set_aside(
            database,
            organisation_id=organisation_id,
            enrolment_id=enrolment_id,
            operation_id=operation_id,
            error=error,
        )
        return False


def _claim_one(connection: Connection, organisation_id: int, operation: Recalculation | None) -> int | None:
    now = clock_now(connection)
    if operation is None:
        changing = store.claim_changing_heads(connection, organisation_id=organisation_id, now=now, size=1)
        return changing[0].enrolment_id if changing else None
    part = store.claim_range(connection, organisation_id=organisation_id, operation_id=operation.operation_id)
    if part is None:
        return None
    world = facts_store.load_world(connection, organisation_id=organisation_id, protocol_ids=[operation.protocol_id])
    scope = _scope(organisation_id, operation, generation_at(world, operation.protocol_id, now), now)
    groups = store.claim_heads(connection, **scope, part=part, size=1, begins=now)
    return groups[0].enrolment_ids[0] if groups else None


def set_aside(
    database: Database, *, organisation_id: int, enrolment_id: int, operation_id: int | None, error: BaseException
) -> None:
    """The enrolment stands aside with the kind of failure as its reason, to be tried again later. Locks: its row."""
    with database.transaction(organisation_id) as connection:
        store.set_aside(
            connection,
            organisation_id=organisation_id,
            enrolment_id=enrolment_id,
            operation_id=operation_id,
            # The kind only: the text of an error may quote a patient's values.
            reason=type(error).__name__,
            sqlstate=getattr(error, "sqlstate", None),
            now=clock_now(connection),
        )


def _scope(organisation_id: int, operation: Recalculation, generation: int, now: datetime) -> dict[str, Any]:
    return {
        "organisation_id": organisation_id,
        "protocol_id": operation.protocol_id,
        "selection_id": operation.selection_id,
        "generation": generation,
        "now": now,
        "forced_before": operation.forced_before,
    }


def _step(connection: Connection, organisation_id: int, heads: Sequence[Any], now: datetime, memory: Memory) -> int:
    if not heads:
        return 0
    protocol_ids = {head.protocol_id for head in heads} | {head.assigned_protocol_id for head in heads}
    world = facts_store.load_world(connection, organisation_id=organisation_id, protocol_ids=protocol_ids)
    step_heads(connection, organisation_id=organisation_id, heads=heads, world=world, now=now, memory=memory)
    return len(heads)


def _advance(
    connection: Connection,
    organisation_id: int,
    operation: Recalculation,
    to: OperationState,
    *,
    total: int | None = None,
    data: Mapping[str, object] | None = None,
) -> None:
    advance(
        connection,
        organisation_id=organisation_id,
        operation_id=operation.operation_id,
        to=to,
        actor=_ACTOR,
        total=total,
        data=data,
    )
