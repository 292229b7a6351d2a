"""L6: one organisation's switches slow another's measurements at most by a stated bound."""

from bisect import bisect_left
from datetime import datetime

from lockstep.proof.stress.checkers.faults import Excuses, faults_of
from lockstep.proof.stress.evidence import Evidence
from lockstep.proof.stress.finding import Finding, Looking

BOUND_SECONDS = 1.0
GRACE_SECONDS = 1.0
MOST_AT_ONCE = 100


def check_neighbours(evidence: Evidence) -> Finding:
    """While only others were recalculated and no fault was at work, each request was answered within the bound."""
    looking = Looking("neighbours", "L6")
    final = evidence.final
    work = [
        (each.organisation_id, each.started_at, each.ended_at or final.at)
        for each in final.operations
        if each.kind == "recalculation"
    ]
    work.sort(key=lambda each: each[1])
    starts = [each[1] for each in work]
    excuses = Excuses(faults_of(evidence.history))
    during: list[float] = []
    for operation in evidence.history.of("measure"):
        if not operation.ok or operation.told_at is None:
            continue
        busy = _busy(work, starts, operation.asked_at, operation.told_at)
        if not busy or operation.organisation_id in busy or excuses.met(operation.asked, operation.told, GRACE_SECONDS):
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


def _busy(
    work: list[tuple[int, datetime, datetime]], starts: list[datetime], began_at: datetime, ended_at: datetime
) -> set[int]:
    """The organisations of which something was recalculated meanwhile."""
    last = bisect_left(starts, ended_at)
    return {each[0] for each in work[max(0, last - MOST_AT_ONCE) : last] if each[2] > began_at}
