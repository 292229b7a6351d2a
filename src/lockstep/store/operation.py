"""Operations and the log of their steps and attempts."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from psycopg import Connection

from lockstep.domain.audit import detail_text
from lockstep.domain.operation import (
    ENDED,
    FULFILLED_WISHES,
    Event,
    EventType,
    Operation,
    OperationKind,
    OperationState,
    type_of,
)
from lockstep.store.queries import load

_SQL = load("operation.sql")


def insert_operation(
    connection: Connection[Any],
    *,
    organisation_id: int,
    kind: OperationKind,
    sentence: str,
    actor: str,
    protocol_id: int | None,
    switch_id: int | None,
    selection_id: int | None,
    generation: int | None,
    at: datetime | None,
    starts_at: datetime | None,
    total: int | None,
    data: Mapping[str, object],
) -> int:
    """The operation is accepted, with the first event of its log; returns its number. Locks: the new rows."""
    values = {
        "organisation_id": organisation_id,
        "kind": kind,
        "state": OperationState.ACCEPTED,
        "type": type_of(OperationState.ACCEPTED),
        "sentence": sentence,
        "actor": actor,
        "protocol_id": protocol_id,
        "switch_id": switch_id,
        "selection_id": selection_id,
        "generation": generation,
        "at": at,
        "starts_at": starts_at,
        "total": total,
        "data": detail_text(data),
    }
    row = connection.execute(_SQL["insert_operation"], values).fetchone()
    assert row is not None
    operation_id: int = row[0]
    return operation_id


def find_standing(
    connection: Connection[Any], *, organisation_id: int, operation_id: int
) -> tuple[OperationKind, OperationState] | None:
    """Kind and state of an operation. Locks: none."""
    values = {"organisation_id": organisation_id, "operation_id": operation_id}
    row = connection.execute(_SQL["get_standing"], values).fetchone()
    return None if row is None else (OperationKind(row[0]), OperationState(row[1]))


def advance(
    connection: Connection[Any],
    *,
    organisation_id: int,
    operation_id: int,
    before: OperationState,
    after: OperationState,
    actor: str,
    reason: str | None,
    paused_until: datetime | None,
    total: int | None,
    data: Mapping[str, object],
) -> bool:
    """Whether the operation made this step, with its event; not when its state was another. Locks: its row."""
    values = {
        "organisation_id": organisation_id,
        "operation_id": operation_id,
        "before": before,
        "after": after,
        "type": type_of(after),
        "actor": actor,
        "reason": reason,
        "paused_until": paused_until,
        "total": total,
        "keeps": after in FULFILLED_WISHES,
        "ends": after in ENDED,
        "data": detail_text(data),
    }
    return connection.execute(_SQL["advance"], values).rowcount == 1


def insert_event(
    connection: Connection[Any],
    *,
    organisation_id: int,
    operation_id: int,
    type: EventType,  # noqa: A002 (the word of CloudEvents)
    actor: str,
    data: Mapping[str, object],
) -> bool:
    """Whether there is such an operation; then its log has one event more. Locks: the new row."""
    values = {
        "organisation_id": organisation_id,
        "operation_id": operation_id,
        "type": type,
        "actor": actor,
        "data": detail_text(data),
    }
    return connection.execute(_SQL["insert_event"], values).rowcount == 1


def explain(
    connection: Connection[Any], *, organisation_id: int, operation_id: int, reason: str | None, actor: str
) -> bool:
    """Whether an unfinished operation has got another reason, with its event. Locks: its row, then only."""
    values = {
        "organisation_id": organisation_id,
        "operation_id": operation_id,
        "reason": reason,
        "type": EventType.EXPLAINED,
        "actor": actor,
        "data": detail_text({"reason": reason}),
    }
    return connection.execute(_SQL["explain"], values).rowcount == 1


def list_operations(
    connection: Connection[Any],
    *,
    organisation_id: int,
    operation_id: int | None = None,
    before_id: int | None = None,
    unfinished: bool = False,
    size: int,
) -> list[Operation]:
    """Operations, the newest first; one, those older than another, or the unfinished ones. Locks: none."""
    values = {
        "organisation_id": organisation_id,
        "operation_id": operation_id,
        "before_id": before_id,
        "unfinished": unfinished,
        "size": size,
    }
    return [_operation(*row) for row in connection.execute(_SQL["list_operations"], values)]


def _operation(operation_id: int, kind: str, state: str, *rest: Any) -> Operation:
    return Operation(operation_id, OperationKind(kind), OperationState(state), *rest)


def list_rested(connection: Connection[Any], *, organisation_id: int) -> list[int]:
    """The operations whose pause is over. Locks: none."""
    found = connection.execute(_SQL["list_rested"], {"organisation_id": organisation_id})
    return [row[0] for row in found]


def list_events(
    connection: Connection[Any], *, organisation_id: int, operation_id: int, after_id: int, size: int
) -> list[Event]:
    """At most `size` events of an operation after a number, in order. Locks: none."""
    values = {
        "organisation_id": organisation_id,
        "operation_id": operation_id,
        "after_id": after_id,
        "size": size,
    }
    found = connection.execute(_SQL["list_events"], values)
    return [Event(row[0], row[1], row[2], OperationState(row[3]), row[4], row[5]) for row in found]
