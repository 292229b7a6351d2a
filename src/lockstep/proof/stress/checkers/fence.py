"""S12: a worker that lost its claim cannot commit: no agenda ever goes back to an older generation or instant."""

from datetime import datetime

from lockstep.proof.stress.evidence import Evidence
from lockstep.proof.stress.finding import Finding, Looking
from lockstep.proof.stress.history import instant


def check_fence(evidence: Evidence) -> Finding:
    """Between two looks at a head on the same protocol neither its generation nor its instant went back."""
    looking = Looking("fence", "S12")
    seen: dict[int, tuple[int, int, datetime, float]] = {}
    for operation in evidence.history.of("heads"):
        if not operation.ok:
            continue
        for enrolment_id, protocol_id, generation, computed_at in operation.answer["heads"]:
            now = (protocol_id, generation, instant(computed_at), operation.told)
            before = seen.get(enrolment_id)
            # Of two looks at once nobody knows which came first.
            if before is not None and before[3] > operation.asked:
                continue
            seen[enrolment_id] = now
            if before is None or before[0] != protocol_id:
                continue
            sentence = f"enrolment {enrolment_id} went from {before[1:3]} to {now[1:3]}"
            looking.look(generation >= before[1] and now[2] >= before[2], sentence)
    for head in evidence.final.heads:
        before = seen.get(head.enrolment_id)
        if before is not None and before[0] == head.protocol_id:
            sentence = f"enrolment {head.enrolment_id} ended at {head.generation}, and was at {before[1]}"
            looking.look(head.generation >= before[1], sentence)
    return looking.finding()
