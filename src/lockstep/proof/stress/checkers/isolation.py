"""S11: organisations are isolated: rows, counts, errors, existence."""

from lockstep.proof.stress.evidence import Evidence
from lockstep.proof.stress.finding import Finding, Looking

UNKNOWN_PREFIX = "unknown-"


def check_isolation(evidence: Evidence) -> Finding:
    """Nobody was answered about another organisation, nor told that it exists, and its rows are kept from everybody."""
    looking = Looking("isolation", "S11")
    for each in evidence.history.of("foreign"):
        if each.ok:
            looking.look(False, "{} #{}: answered about {}: {}", each.client, each.number, each.sent, each.answer)
        elif each.outcome == "fail":
            code = str(each.answer.get("code"))
            told = str(each.sent["of"]) in str(each.answer.get("sentence", ""))
            looking.look(code.startswith(UNKNOWN_PREFIX), "{} was refused by {}", each.sent, code)
            looking.look(not told, "{}: the refusal names the other organisation", each.sent)
    for each in evidence.history.of("own"):
        if each.ok:
            others = {
                key: count for key, count in each.answer["organisations"].items() if key != str(each.organisation_id)
            }
            looking.look(not others, "{} #{} as {} saw {}", each.client, each.number, each.organisation_id, others)
    for table in evidence.final.tables:
        kept = table.enabled and table.forced
        looking.look(kept, "rows of {} are not kept from its owner", table.name)
    return looking.finding()
