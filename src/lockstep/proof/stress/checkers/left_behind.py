"""L7: nothing is left behind: no stuck claim, idle transaction, orphan lock."""

from lockstep.proof.stress.evidence import Evidence
from lockstep.proof.stress.finding import Finding, Looking


def check_left_behind(evidence: Evidence) -> Finding:
    """After everybody has ended none of the kinds of leftovers is there."""
    looking = Looking("left behind", "L7")
    for kind, count in evidence.final.left.items():
        looking.look(count == 0, f"{count} left: {kind}")
    return looking.finding()
