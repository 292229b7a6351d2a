"""Switches from preview to acceptance, and what comes after: withdrawn, reverted, shown."""

from datetime import datetime

from lockstep.domain.acceptance import Accepted
from lockstep.domain.operation import OperationState
from lockstep.domain.preview import Preview, Shown, SwitchSettings
from lockstep.domain.refusal import MissingReason, NotAccepted
from lockstep.domain.selection import Filter
from lockstep.domain.switch import Effective, Scope, SwitchKind
from lockstep.engine.acceptance import accept_switch, approve_switch, unknown_switch
from lockstep.engine.audit import record_entry
from lockstep.engine.operation import advance
from lockstep.engine.preview import preview_switch
from lockstep.engine.reversal import content_before, moved_ids
from lockstep.engine.withdrawal import require_nobody_left, require_not_in_force
from lockstep.store import switch as store
from lockstep.store import withdrawal as withdrawal_store
from lockstep.store.clock import now
from lockstep.store.database import Connection, Database, run_again

__all__ = [
    "accept_switch", "approve_switch", "list_switches", "preview_switch", "revert_switch", "show_switch",
    "withdraw_switch",
]  # fmt: skip

_ATTEMPTS = 30
MOST_LISTED = 1000


def withdraw_switch(database: Database, *, organisation_id: int, switch_id: int, reason: str, actor: str) -> Shown:
    """The scheduled switch never comes into force; withdrawing it again changes nothing.

    Raises UnknownSwitch, NotAccepted, MissingReason, AlreadyInForce from a second before the first of those concerned
    has it, and NothingInForce when somebody on the protocol, or coming to it, would have no version then.
    Locks: the queue of moves, the protocol's control row, for update, then the operation's row.
    """
    if not 0 < len(reason.strip()) <= 1000:
        raise MissingReason(where="reason")

    def attempt() -> Shown:
        with database.transaction(organisation_id) as connection:
            withdrawal_store.queue_with_moves(connection, organisation_id=organisation_id)
            store.lock_control(connection, organisation_id=organisation_id, switch_id=switch_id)
            shown = _show(connection, organisation_id, switch_id)
            if shown.accepted is None:
                raise NotAccepted(mend="A preview needs no withdrawal: it expires.")
            if shown.withdrawn_at is None:
                at = require_not_in_force(connection, organisation_id, shown, shown.accepted)
                require_nobody_left(connection, organisation_id, shown, shown.accepted, at)
                _withdraw(connection, organisation_id, shown.accepted, at, reason.strip(), actor)
            return _show(connection, organisation_id, switch_id)

    return run_again(attempt, attempts=_ATTEMPTS, cap_ms=500)


def _withdraw(
    connection: Connection, organisation_id: int, accepted: Accepted, at: datetime, reason: str, actor: str
) -> None:
    store.save_withdrawal(
        connection,
        organisation_id=organisation_id,
        switch_id=accepted.switch_id,
        protocol_id=accepted.protocol_id,
        reason=reason,
        actor=actor,
        withdrawn_at=at,
    )
    advance(
        connection,
        organisation_id=organisation_id,
        operation_id=accepted.operation_id,
        to=OperationState.SUPERSEDED,
        actor=actor,
        reason="The switch was withdrawn before it took effect.",
    )
    record_entry(
        connection,
        organisation_id=organisation_id,
        actor=actor,
        action="withdraw switch",
        subject=f"switch {accepted.switch_id}",
        detail={"reason": reason, "number": accepted.number},
    )


def revert_switch(
    database: Database,
    *,
    organisation_id: int,
    switch_id: int,
    reason: str,
    actor: str,
    effective: Effective | str = Effective.NOW,
    effective_local: datetime | None = None,
    effective_at: datetime | None = None,
    settings: SwitchSettings | None = None,
) -> Preview:
    """A preview of the switch forward to what was in force at its E: that content for its scope, or the move back.

    Back move those, and only those, who are where this very move put them. Raises UnknownSwitch, NotAccepted,
    NothingToSwitch when nothing was before, or not the same for all, and what `preview_switch` raises.
    """
    with database.transaction(organisation_id, read_only=True, isolation="repeatable read") as connection:
        shown = _show(connection, organisation_id, switch_id)
        moved = shown.kind is SwitchKind.MOVE
        at = now(connection)
        content = None if moved else content_before(connection, organisation_id, shown, at)
        enrolment_ids = moved_ids(connection, organisation_id, shown, at) if moved else None
    selected = not moved and shown.scope is Scope.SELECTION
    return preview_switch(
        database,
        organisation_id=organisation_id,
        kind=shown.kind,
        protocol_id=shown.target_protocol_id if moved and shown.target_protocol_id else shown.protocol_id,
        content=content,
        target_protocol_id=shown.protocol_id if moved else None,
        scope=Scope.SELECTION if moved else shown.scope,
        enrolment_ids=enrolment_ids,
        chosen=Filter(members_of=shown.selection_id) if selected else None,
        effective=effective,
        effective_local=effective_local,
        effective_at=effective_at,
        reason=reason,
        actor=actor,
        settings=settings or SwitchSettings(),
    )


def show_switch(database: Database, *, organisation_id: int, switch_id: int) -> Shown:
    """The switch with its preview and what became of it, from one snapshot; raises UnknownSwitch."""
    with database.transaction(organisation_id, read_only=True, isolation="repeatable read") as connection:
        return _show(connection, organisation_id, switch_id)


def list_switches(
    database: Database,
    *,
    organisation_id: int,
    protocol_id: int | None = None,
    before_switch_id: int | None = None,
    limit: int = 100,
) -> list[store.Listed]:
    """Switches of a protocol, or of all, newest first; at most 1,000, those before a number to page on."""
    with database.transaction(organisation_id, read_only=True) as connection:
        return store.list_switches(
            connection,
            organisation_id=organisation_id,
            protocol_id=protocol_id,
            before_switch_id=before_switch_id,
            limit=min(limit, MOST_LISTED),
        )


def _show(connection: Connection, organisation_id: int, switch_id: int) -> Shown:
    switch = store.find_switch(connection, organisation_id=organisation_id, switch_id=switch_id)
    if switch is None:
        raise unknown_switch(switch_id)
    figures, content = store.get_figures(connection, organisation_id=organisation_id, switch_id=switch_id)
    withdrawal = store.find_withdrawal(connection, organisation_id=organisation_id, switch_id=switch_id)
    return Shown(
        switch_id=switch_id,
        kind=switch.kind,
        protocol_id=switch.protocol_id,
        target_protocol_id=switch.target_protocol_id,
        scope=switch.scope,
        selection_id=switch.selection_id,
        effective=switch.effective,
        reason=switch.reason,
        close_alerts_of_removed=switch.close_alerts_of_removed,
        figures=figures,
        needs_approval=switch.needs_approval,
        approved_by=switch.approved_by,
        previewed_by=switch.previewed_by,
        previewed_at=switch.previewed_at,
        expires_at=switch.expires_at,
        accepted=store.find_acceptance(connection, organisation_id=organisation_id, switch_id=switch_id),
        withdrawn_by=withdrawal[0] if withdrawal else None,
        withdrawn_at=withdrawal[1] if withdrawal else None,
        content=content,
        effective_local=switch.effective_local,
    )
