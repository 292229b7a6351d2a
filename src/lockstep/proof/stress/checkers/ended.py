"""L1: every accepted switch ends without a human."""

from lockstep.proof.stress.evidence import Evidence
from lockstep.proof.stress.finding import Finding, Looking


def check_ended(evidence: Evidence) -> Finding:
    """The operation of every accepted switch has ended, and each acknowledged switch has one."""
    looking = Looking("ended", "L1")
    operations = {each.operation_id: each for each in evidence.final.operations}
    took: list[float] = []
    for switch in evidence.final.switches:
        operation = operations.get(switch.operation_id)
        ended = (
            operation is not None and operation.ended_at is not None and operation.state not in ("failed", "cancelled")
        )
        looking.look(ended, "switch {} has not ended: {}", switch.switch_id, operation)
        if operation is not None and operation.ended_at is not None:
            took.append((operation.ended_at - max(switch.accepted_at, operation.started_at)).total_seconds())
    took.sort()
    if took:
        looking.figures = {"median seconds": round(took[len(took) // 2], 1), "longest seconds": round(took[-1], 1)}
    return looking.finding()
