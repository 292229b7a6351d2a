"""L4: the service answers within 5 s after its database comes back."""

from lockstep.proof.stress.evidence import Evidence
from lockstep.proof.stress.finding import Finding, Looking

LIMIT_SECONDS = 5.0
RESTART = "restart the database"
OTHERS = frozenset({"fault", "note"})


def check_comeback(evidence: Evidence) -> Finding:
    """After each restart every client that went on was answered within the limit."""
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
            before = [each for each in operations if each.asked < fault.asked]
            after = sorted(each.told for each in operations if each.ok and each.told > back)
            later = [each for each in operations if each.asked > back + LIMIT_SECONDS]
            # Whoever was killed or told to end meanwhile is not waited for.
            if not before or not (after or later):
                continue
            first = after[0] - back if after else float("inf")
            took.append(first)
            looking.look(first <= LIMIT_SECONDS, f"{name} was answered {first:.1f} s after the database was back")
    took.sort()
    if took:
        looking.figures = {"median seconds": round(took[len(took) // 2], 2), "longest seconds": round(took[-1], 2)}
    return looking.finding()


def _lapses(evidence: Evidence) -> dict[str, list[tuple[float, float]]]:
    """Spans in which a client itself was stopped, or cut off from the database, by another fault."""
    found: dict[str, list[tuple[float, float]]] = {}
    for fault in evidence.history.of("fault"):
        for name in fault.answer.get("clients", ()):
            found.setdefault(name, []).append((fault.asked, fault.told))
    return found
