"""Starts, advances, explains and pauses operations, each step with its event, and answers questions about them."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from lockstep.domain.name import require_reason
from lockstep.domain.operation import (
    Event,
    EventType,
    Operation,
    OperationKind,
    OperationState,
    rebuild,
    require_step,
    require_wait,
)
from lockstep.domain.refusal import ImpossibleStep, UnknownOperation
from lockstep.engine.audit import record_entry
from lockstep.store import operation as store
from lockstep.store.clock import now as clock_now
from lockstep.store.database import Connection, Database

MOST_LISTED = 1_000


def start(
    connection: Connection[Any],
    *,
    organisation_id: int,
    kind: OperationKind,
    sentence: str,
    actor: str,
    protocol_id: int | None = None,
    switch_id: int | None = None,
    selection_id: int | None = None,
    generation: int | None = None,
    at: datetime | None = None,
    starts_at: datetime | None = None,
    total: int | None = None,
    data: Mapping[str, object] | None = None,
) -> int:
    """The operation is accepted, with the first event of its log; returns its number. One statement.

    `at` is the instant of the decision it belongs to (the clock's now when left out), `starts_at` that from which it
    may run (`at` when left out). Locks: only what is new.
    """
    return store.insert_operation(
        connection,
        organisation_id=organisation_id,
        kind=kind,
        sentence=sentence,
        actor=actor,
        protocol_id=protocol_id,
        switch_id=switch_id,
        selection_id=selection_id,
        generation=generation,
        at=at,
        starts_at=starts_at,
        total=total,
        data={"kind": kind, "sentence": sentence, **(data or {})},
    )


def advance(
    connection: Connection[Any],
    *,
    organisation_id: int,
    operation_id: int,
    to: OperationState,
    actor: str,
    reason: str | None = None,
    total: int | None = None,
    data: Mapping[str, object] | None = None,
    paused_until: datetime | None = None,
    only_from: Collection[OperationState] | None = None,
) -> bool:
    """The operation is in state `to`; returns whether this call brought it there, False when it was there already.

    With `only_from` other states lead to a refusal although the table allows the step. The reason of the state before
    goes, unless the step fulfils a wish (paused, cancelled). Raises UnknownOperation, ImpossibleStep.
    Locks: the operation's row until the transaction ends.
    """
    while True:
        kind, state = _require_standing(connection, organisation_id, operation_id)
        if state is to:
            return False
        if only_from is not None and state not in only_from:
            raise ImpossibleStep(f"The {kind} is {state}, not {' or '.join(sorted(only_from))}", where="operation_id")
        require_step(kind, state, to)
        if store.advance(
            connection,
            organisation_id=organisation_id,
            operation_id=operation_id,
            before=state,
            after=to,
            actor=actor,
            reason=reason,
            paused_until=paused_until,
            total=total,
            data={**({} if reason is None else {"reason": reason}), **(data or {})},
        ):
            return True
        # Somebody else made a step meanwhile, which has been committed: the decision is taken again.


def _require_standing(
    connection: Connection[Any], organisation_id: int, operation_id: int
) -> tuple[OperationKind, OperationState]:
    standing = store.find_standing(connection, organisation_id=organisation_id, operation_id=operation_id)
    if standing is None:
        raise _unknown(operation_id)
    return standing


def _unknown(operation_id: int) -> UnknownOperation:
    return UnknownOperation(f"There is no operation {operation_id}", where="operation_id")


def record_attempt(
    connection: Connection[Any],
    *,
    organisation_id: int,
    operation_id: int,
    actor: str,
    numbers: Mapping[str, int | float] | None = None,
    reason: str | None = None,
    sqlstate: str | None = None,
) -> None:
    """The log tells of an attempt; the state stays. Raises UnknownOperation. Locks: the new row.

    An attempt that failed is recorded in a transaction of its own, for its own was rolled back.
    """
    data: dict[str, object] = dict(numbers or {})
    if reason is not None:
        data["reason"] = reason
    if sqlstate is not None:
        data["sqlstate"] = sqlstate
    if not store.insert_event(
        connection,
        organisation_id=organisation_id,
        operation_id=operation_id,
        type=EventType.ATTEMPTED,
        actor=actor,
        data=data,
    ):
        raise _unknown(operation_id)


def explain(
    connection: Connection[Any], *, organisation_id: int, operation_id: int, reason: str | None, actor: str
) -> bool:
    """An unfinished operation shows this reason (None: it no longer waits); returns whether it was another before.

    Cheap to repeat: the same reason writes and locks nothing. Locks: else the operation's row.
    """
    return store.explain(
        connection, organisation_id=organisation_id, operation_id=operation_id, reason=reason, actor=actor
    )


def pause(
    database: Database,
    *,
    organisation_id: int,
    operation_id: int,
    until_at: datetime,
    reason: str,
    actor: str,
) -> Operation:
    """The operation is pausing: its workers let go of it soon, and take it up again at `until_at` at the latest.

    Raises UnknownOperation, ImpossibleStep, InvalidWait, MissingReason. Locks: the operation's row.
    """
    reason = require_reason(reason)
    with database.transaction(organisation_id) as connection:
        require_wait(until_at, clock_now(connection))
        if not advance(
            connection,
            organisation_id=organisation_id,
            operation_id=operation_id,
            to=OperationState.PAUSING,
            actor=actor,
            reason=reason,
            data={"until_at": until_at},
            paused_until=until_at,
        ):
            raise ImpossibleStep("The operation is pausing already", where="operation_id")
        record_entry(
            connection,
            organisation_id=organisation_id,
            actor=actor,
            action="pause operation",
            subject=f"operation {operation_id}",
            detail={"reason": reason, "until_at": until_at},
        )
        return _get(connection, organisation_id, operation_id)


def resume(database: Database, *, organisation_id: int, operation_id: int, actor: str) -> Operation:
    """The operation waits for a worker again, whether the pause was a fact already or still a wish.

    Raises UnknownOperation, ImpossibleStep when it was neither. Locks: the operation's row.
    """
    with database.transaction(organisation_id) as connection:
        if _take_up(connection, organisation_id, operation_id, actor):
            record_entry(
                connection,
                organisation_id=organisation_id,
                actor=actor,
                action="resume operation",
                subject=f"operation {operation_id}",
                detail={},
            )
        return _get(connection, organisation_id, operation_id)


def _take_up(connection: Connection[Any], organisation_id: int, operation_id: int, actor: str) -> bool:
    return advance(
        connection,
        organisation_id=organisation_id,
        operation_id=operation_id,
        to=OperationState.QUEUED,
        actor=actor,
        only_from=(OperationState.PAUSING, OperationState.PAUSED),
    )


def resume_rested(database: Database, *, organisation_id: int, actor: str) -> list[int]:
    """No operation is paused beyond its time; returns those that wait for a worker again. The body of a duty.

    Locks: the operations' rows in order.
    """
    resumed = []
    with database.transaction(organisation_id) as connection:
        for operation_id in store.list_rested(connection, organisation_id=organisation_id):
            # Somebody who resumed it since it was listed has done the duty's work.
            with suppress(ImpossibleStep):
                if _take_up(connection, organisation_id, operation_id, actor):
                    resumed.append(operation_id)
    return resumed


def fulfil_pause(database: Database, *, organisation_id: int, operation_id: int, actor: str) -> bool:
    """An operation that was pausing is paused, its worker having let go of it; returns whether it is now.

    False when the wish was taken back meanwhile. Locks: the operation's row.
    """
    with suppress(ImpossibleStep), database.transaction(organisation_id) as connection:
        advance(
            connection,
            organisation_id=organisation_id,
            operation_id=operation_id,
            to=OperationState.PAUSED,
            actor=actor,
            only_from=(OperationState.PAUSING,),
        )
        return True
    return False


def tell_attempt(
    database: Database,
    *,
    organisation_id: int,
    operation_id: int,
    actor: str,
    numbers: Mapping[str, int | float],
    reason: str,
    sqlstate: str | None,
) -> None:
    """The log tells of an attempt that failed and was rolled back; see `record_attempt`. Locks: the new row."""
    with database.transaction(organisation_id) as connection:
        record_attempt(
            connection,
            organisation_id=organisation_id,
            operation_id=operation_id,
            actor=actor,
            numbers=numbers,
            reason=reason,
            sqlstate=sqlstate,
        )


def give_reason(database: Database, *, organisation_id: int, operation_id: int, reason: str | None, actor: str) -> bool:
    """The operation shows why it is slow or waits; see `explain`. Locks: the operation's row when the reason is new."""
    with database.transaction(organisation_id) as connection:
        return explain(
            connection, organisation_id=organisation_id, operation_id=operation_id, reason=reason, actor=actor
        )


def get_operation(database: Database, *, organisation_id: int, operation_id: int) -> Operation:
    """The operation. Raises UnknownOperation."""
    with database.transaction(organisation_id, read_only=True) as connection:
        return _get(connection, organisation_id, operation_id)


def _get(connection: Connection[Any], organisation_id: int, operation_id: int) -> Operation:
    found = store.list_operations(connection, organisation_id=organisation_id, operation_id=operation_id, size=1)
    if not found:
        raise _unknown(operation_id)
    return found[0]


def list_operations(
    database: Database,
    *,
    organisation_id: int,
    unfinished: bool = False,
    before_id: int | None = None,
    limit: int = 50,
) -> list[Operation]:
    """The organisation's operations, the newest first; from another on with `before_id`. At most MOST_LISTED."""
    with database.transaction(organisation_id, read_only=True) as connection:
        return store.list_operations(
            connection,
            organisation_id=organisation_id,
            before_id=before_id,
            unfinished=unfinished,
            size=min(limit, MOST_LISTED),
        )


def list_events(
    database: Database, *, organisation_id: int, operation_id: int, after_id: int = 0, limit: int = MOST_LISTED
) -> list[Event]:
    """The log of the operation in order, from after an event on; at most MOST_LISTED. Raises UnknownOperation."""
    with database.transaction(organisation_id, read_only=True, isolation="repeatable read") as connection:
        _require_standing(connection, organisation_id, operation_id)
        return store.list_events(
            connection,
            organisation_id=organisation_id,
            operation_id=operation_id,
            after_id=after_id,
            size=min(limit, MOST_LISTED),
        )


def rebuild_state(database: Database, *, organisation_id: int, operation_id: int) -> OperationState:
    """The operation's state from its log alone. Raises UnknownOperation, BrokenLog."""
    events: list[Event] = []
    while page := list_events(
        database,
        organisation_id=organisation_id,
        operation_id=operation_id,
        after_id=events[-1].event_id if events else 0,
    ):
        events += page
    return rebuild(events)
