"""L4: the service answers within 5 s after its database comes back."""

from collections.abc import Sequence
from datetime import datetime

from lockstep.proof.stress.evidence import Evidence
from lockstep.proof.stress.finding import Finding, Looking
from lockstep.proof.stress.history import OK, Operation

LIMIT_SECONDS = 5.0
ASKED_SECONDS = 0.5
"""Who asks later than that after the comeback is not waiting for it."""
RESTART = "restart the database"
OTHERS = frozenset({"fault", "preview"})
"""A preview computes figures of everybody and may take seconds by itself."""


def check_comeback(evidence: Evidence) -> Finding:
    """After each restart every client that had asked by then, and went on, was answered within the limit."""
    looking = Looking("comeback", "L4")
    took: list[float] = []
    clients = {
        name: [each for each in operations if each.do not in OTHERS]
        for name, operations in evidence.history.clients().items()
    }
    lapses = _lapses(evidence)
    for fault in evidence.history.of("fault"):
        if fault.sent["kind"] != RESTART or not fault.ok or "back" not in fault.answer:
            continue
        back = float(fault.answer["back"])
        for name, operations in clients.items():
            if any(low <= back + LIMIT_SECONDS and high >= fault.asked for low, high in lapses.get(name, ())):
                continue
            first = _first_answer(operations, fault.asked, fault.asked_at, back)
            if first is not None:
                took.append(first)
                looking.look(first <= LIMIT_SECONDS, f"{name} was answered {first:.1f} s after the database was back")
    took.sort()
    if took:
        looking.figures = {"median seconds": round(took[len(took) // 2], 2), "longest seconds": round(took[-1], 2)}
    return looking.finding()


def _first_answer(operations: Sequence[Operation], down: float, down_at: datetime, back: float) -> float | None:
    """The seconds until a client was answered; None for one that asked nothing by then, or was killed meanwhile."""
    last = max((each for each in operations if each.asked < back + ASKED_SECONDS), key=_asked, default=None)
    if (
        last is None
        or last.told <= down
        or (last.outcome != OK and last.told_at is not None and last.told_at < down_at)
    ):
        return None
    after = min((each.told for each in operations if each.ok and each.told > back), default=None)
    if after is not None:
        return after - back
    goes_on = any(each.asked > back + LIMIT_SECONDS for each in operations)
    return float("inf") if goes_on else None


def _lapses(evidence: Evidence) -> dict[str, list[tuple[float, float]]]:
    """Spans in which a client itself was stopped, or cut off from the database, by another fault."""
    found: dict[str, list[tuple[float, float]]] = {}
    for fault in evidence.history.of("fault"):
        for name in fault.answer.get("clients", ()):
            found.setdefault(name, []).append((fault.asked, fault.told))
    return found


def _asked(operation: Operation) -> float:
    return operation.asked
