"""L3: the next 24 h of every patient can always be read."""

from lockstep.proof.stress.evidence import Evidence
from lockstep.proof.stress.finding import Finding, Looking


def check_readable(evidence: Evidence) -> Finding:
    """No reading of an enrolled patient's next day was refused, and each told something to come."""
    looking = Looking("readable", "L3")
    rows = {row.enrolment_id: row for row in evidence.final.enrolments}
    for read in evidence.history.of("read"):
        row = rows.get(read.sent["enrolment"])
        if row is None or read.asked_at < row.enrolled_at or read.outcome == "unknown":
            continue
        if row.discharged_at is not None and (read.told_at is None or read.told_at >= row.discharged_at):
            continue
        looking.look(read.ok, "{} #{}: refused: {}", read.client, read.number, read.answer)
        if read.ok:
            governed = read.answer["version"] is not None
            looking.look(governed, "{} #{}: enrolment {} has no version", read.client, read.number, row.enrolment_id)
    return looking.finding()
