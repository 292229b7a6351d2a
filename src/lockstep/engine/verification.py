"""The check after a switch: a recalculation has succeeded only when everybody it concerns was recomputed from facts."""

from lockstep.domain.drift import Drift, DriftKind
from lockstep.domain.operation import OperationState
from lockstep.domain.switch import SwitchKind
from lockstep.engine.check import CheckRun, Memory, check_slice, finish, get_check, list_drifts, start_check
from lockstep.engine.recalculation import conclude
from lockstep.engine.repair import repair, waits_for_judging
from lockstep.store import check as store
from lockstep.store import timeline as facts_store
from lockstep.store.database import Database, is_taken
from lockstep.store.recalculation import Recalculation

ACTOR = "verification"


def verify_further(
    database: Database, *, organisation_id: int, operation: Recalculation, size: int, memory: Memory
) -> OperationState:
    """The verifying operation's check is a slice further, or the operation has ended; returns its state.

    Drift that the check finds is repaired and kept as evidence, and the operation ends with exceptions. Idempotent;
    several workers may call it at once. Locks: as the check's slices, its repair, the operation's row.
    """
    check = _check_of(database, organisation_id, operation)
    if check.ended_at is None:
        if not check.walked:
            check_slice(database, organisation_id=organisation_id, check_id=check.check_id, size=size, memory=memory)
            return OperationState.VERIFYING
        finish(database, organisation_id=organisation_id, check_id=check.check_id, actor=ACTOR)
        check = get_check(database, organisation_id=organisation_id, check_id=check.check_id)
    drifted = 0
    if check.drifted:
        found = list_drifts(database, organisation_id=organisation_id, check_id=check.check_id)
        # Judging that is late, after a time in which nothing ran, is no fault of the switch.
        drifted = len({each.drift.enrolment_id for each in found if not _is_late_judging(each.drift)})
        repair(database, organisation_id=organisation_id, check_id=check.check_id, actor=ACTOR)
    return conclude(
        database, organisation_id=organisation_id, operation=operation, checked=check.checked, drifted=drifted
    )


def _is_late_judging(drift: Drift) -> bool:
    """Whether judging will set it right by itself: what was missed is decided, what an outage met is made longer."""
    if waits_for_judging(drift):
        return True
    expected, found = drift.expected, drift.found
    if drift.kind is not DriftKind.STALE_AGENDA or expected is None or found is None:
        return False
    same = all(expected.get(name) == found.get(name) for name in ("on", "slot", "opens_at"))
    return same and str(expected.get("closes_at")) > str(found.get("closes_at"))


def _check_of(database: Database, organisation_id: int, operation: Recalculation) -> CheckRun:
    check_id = _find(database, organisation_id, operation)
    if check_id is None:
        scope, scope_id = _scope(database, organisation_id, operation)
        try:
            check_id = start_check(
                database,
                organisation_id=organisation_id,
                scope=scope,
                scope_id=scope_id,
                actor=ACTOR,
                verifies_operation_id=operation.operation_id,
            )
        except Exception as error:
            # Another worker began the same check: there is one for each operation.
            if not is_taken(error):
                raise
            check_id = _find(database, organisation_id, operation)
    assert check_id is not None
    return get_check(database, organisation_id=organisation_id, check_id=check_id)


def _find(database: Database, organisation_id: int, operation: Recalculation) -> int | None:
    with database.transaction(organisation_id, read_only=True) as connection:
        return store.find_verifying(connection, organisation_id=organisation_id, operation_id=operation.operation_id)


def _scope(database: Database, organisation_id: int, operation: Recalculation) -> tuple[str, int]:
    """Whom the switch concerned: a selection's members, or everybody on the protocol where they stand now."""
    if operation.selection_id is not None:
        return "selection", operation.selection_id
    with database.transaction(organisation_id, read_only=True) as connection:
        world = facts_store.load_world(
            connection, organisation_id=organisation_id, protocol_ids=[operation.protocol_id]
        )
    for switch in world[operation.protocol_id].switches:
        moved = switch.kind is SwitchKind.MOVE and switch.generation == operation.generation
        if moved and switch.target_protocol_id is not None:
            return "protocol", switch.target_protocol_id
    return "protocol", operation.protocol_id
