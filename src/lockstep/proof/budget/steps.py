"""Waiting until enrolments are in step."""

import time

from lockstep.domain.acceptance import Accepted
from lockstep.engine.operation import get_operation
from lockstep.proof.budget.sql import SQL
from lockstep.proof.budget.stage import Stage
from lockstep.proof.bulk_world import Group

LOOK_SECONDS = 0.1
PATIENCE_SECONDS = 1_800.0


class NotInTime(RuntimeError):
    """What was measured did not come to its end."""


def is_any_behind(stage: Stage, group: Group, accepted: Accepted) -> bool:
    """Whether an enrolment of the group is not in step with the switch."""
    values = {
        "organisation_id": group.organisation_id, "protocol_id": group.protocol_id,
        "generation": accepted.generation,
    }  # fmt: skip
    with stage.database.transaction(group.organisation_id, read_only=True) as connection:
        row = connection.execute(SQL["is_any_behind"], values).fetchone()
    assert row is not None
    return bool(row[0])


def wait_until_in_step(stage: Stage, group: Group, accepted: Accepted, *, look_seconds: float = LOOK_SECONDS) -> float:
    """Every enrolment of the group is in step, brought there by others; returns when that was seen (monotonic)."""
    until = time.monotonic() + PATIENCE_SECONDS
    while is_any_behind(stage, group, accepted):
        if time.monotonic() > until:
            raise NotInTime(f"{group.prefix} is not in step after {PATIENCE_SECONDS:.0f} s")
        time.sleep(look_seconds)
    return time.monotonic()


def wait_until_ended(stage: Stage, accepted: Accepted) -> None:
    """The switch's operation has ended, by others."""
    until = time.monotonic() + PATIENCE_SECONDS
    organisation_id = stage.world.organisation_id
    while True:
        operation = get_operation(stage.database, organisation_id=organisation_id, operation_id=accepted.operation_id)
        if operation.ended_at is not None:
            return
        if time.monotonic() > until:
            raise NotInTime(f"operation {accepted.operation_id} is {operation.state.value} for too long")
        time.sleep(LOOK_SECONDS)
