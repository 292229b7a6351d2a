"""L6: one organisation's switches slow another's measurements at most by a stated bound."""

from lockstep.proof.stress.checkers.faults import DISABLING, faults_of
from lockstep.proof.stress.evidence import Evidence
from lockstep.proof.stress.finding import Finding, Looking

BOUND_SECONDS = 1.0


def check_neighbours(evidence: Evidence) -> Finding:
    """While only others were recalculated and no fault was at work, each request was answered within the bound."""
    looking = Looking("neighbours", "L6")
    final = evidence.final
    work = [
        (each.organisation_id, each.started_at, each.ended_at or final.at)
        for each in final.operations
        if each.kind == "recalculation"
    ]
    faults = [each for each in faults_of(evidence.history) if each.kind in DISABLING]
    during: list[float] = []
    for operation in evidence.history.of("measure"):
        if not operation.ok or operation.told_at is None:
            continue
        began_at, ended_at = operation.asked_at, operation.told_at
        own = [each for each in work if each[1] < ended_at and each[2] > began_at]
        if not own or any(each[0] == operation.organisation_id for each in own):
            continue
        if any(each.began < operation.told and each.ended + 1 > operation.asked for each in faults):
            continue
        during.append(operation.told - operation.asked)
        looking.look(during[-1] <= BOUND_SECONDS, f"{operation.client} #{operation.number} took {during[-1]:.2f} s")
    during.sort()
    if during:
        looking.figures = {
            "p50 ms": round(during[len(during) // 2] * 1000, 1),
            "longest ms": round(during[-1] * 1000, 1),
        }
    return looking.finding()
