"""S4: the answer for (at, known at) never changes, for instants more than a second ago."""

from datetime import timedelta

from lockstep.proof.stress.evidence import Evidence
from lockstep.proof.stress.finding import Finding, Looking
from lockstep.proof.stress.history import Operation, instant

SETTLED = timedelta(seconds=1)


def check_past(evidence: Evidence) -> Finding:
    """Whoever asked the same question about the past again was given the same answer."""
    looking = Looking("past", "S4")
    first: dict[tuple[object, ...], Operation] = {}
    for read in evidence.history.of("past"):
        sent = read.sent
        if not read.ok or read.asked_at - instant(sent["known_at"]) <= SETTLED:
            continue
        question = tuple(sent[name] for name in ("enrolment", "at", "known_at", "from", "until"))
        before = first.setdefault((read.organisation_id, *question), read)
        if before is read:
            continue
        same = before.answer["digest"] == read.answer["digest"]
        looking.look(same, "{}: {} #{} and {} #{}", question, before.client, before.number, read.client, read.number)
    looking.figures = {"questions": len(first)}
    return looking.finding()
