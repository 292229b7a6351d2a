"""S13: one audit entry per decision, none without one, and the chain of every organisation verifies."""

from collections import Counter

from lockstep.domain.audit import verify
from lockstep.proof.stress.evidence import Evidence, Final
from lockstep.proof.stress.finding import Finding, Looking
from lockstep.proof.stress.history import Operation


def subject_of(operation: Operation) -> tuple[str, str] | None:
    """The action and the subject of the entry that a decision leaves."""
    sent, answer = operation.sent, operation.answer
    match operation.do:
        case "accept":
            return "accept switch", f"switch {sent['switch']}"
        case "approve":
            return "approve switch", f"switch {sent['switch']}"
        case "discharge" | "pause" | "resume":
            return operation.do, f"enrolment {sent['enrolment']}"
        case "zone":
            return "change zone", f"patient {sent['patient']}"
        case "enrol":
            return "enrol", f"enrolment {min(answer['enrolments'])}"
        case "register":
            return "register patients", f"patient {min(answer['patients'])}"
    return None


ONCE = frozenset({"accept", "approve", "discharge"})
"""Decisions that stand once however often they were sent."""
MAYBE_NOTHING = frozenset({"zone"})
"""Decisions that write nothing where it is so already; the facts say how many entries there must be."""


def check_audit(evidence: Evidence) -> Finding:
    """Each acknowledged decision has its entries, there are as many as there are facts, and the chains hold."""
    looking = Looking("audit", "S13")
    final = evidence.final
    entries: Counter[tuple[int | None, str, str]] = Counter(
        (each.organisation_id, each.action, each.subject) for each in final.entries
    )
    acknowledged: Counter[tuple[int | None, str, str]] = Counter()
    once: set[tuple[int | None, str, str]] = set()
    maybe: set[tuple[int | None, str, str]] = set()
    perhaps: Counter[tuple[int | None, str, str]] = Counter()
    for each in evidence.history.operations:
        named = subject_of(each) if each.ok or each.do not in ("enrol", "register") else None
        if named is None or each.outcome == "fail":
            continue
        place = (each.organisation_id, *named)
        if each.do in ONCE:
            once.add(place)
        if each.do in MAYBE_NOTHING:
            maybe.add(place)
        (acknowledged if each.ok else perhaps)[place] += 1
    for place, count in acknowledged.items():
        least, most = (1, 1) if place in once else (count, count + perhaps[place])
        least = 0 if place in maybe else least
        looking.look(least <= entries[place] <= most, "{}: {} entries, {} decisions", place, entries[place], count)
    _look_at_facts(final, looking)
    for organisation_id, links in final.chains.items():
        verification = verify(organisation_id, links)
        looking.look(verification.holds, "organisation {}: {}", organisation_id, verification.faults[:3])
        looking.look(verification.waiting == 0, f"organisation {organisation_id}: {verification.waiting} not sealed")
    return looking.finding()


def _look_at_facts(final: Final, looking: Looking) -> None:
    counts = Counter(each.action for each in final.entries)
    enrolled = sum(int(each.detail.get("count", 0)) for each in final.entries if each.action == "enrol")
    if not final.entries:
        return
    facts = {
        "accept switch": len(final.switches),
        "withdraw switch": sum(each.withdrawn_at is not None for each in final.switches),
        "discharge": sum(each.discharged_at is not None for each in final.enrolments),
        "pause": len(final.pauses),
        "change zone": sum(each.number > 1 for each in final.zones),
        "find outage": len(final.outages),
    }
    for action, count in facts.items():
        looking.look(counts[action] == count, f"{counts[action]} entries of '{action}', {count} facts")
    made = {(each.organisation_id, f"enrolment {each.enrolment_id}") for each in final.enrolments}
    named = [(each.organisation_id, each.subject) for each in final.entries if each.action == "enrol"]
    looking.look(all(each in made for each in named), "an entry of an enrolment that is not there")
    looking.figures = {"entries": len(final.entries), "enrolled by an entry": enrolled}
