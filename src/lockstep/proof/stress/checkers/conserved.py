"""S14: patients are conserved: the sum over protocols equals the enrolled, in every snapshot."""

from collections import Counter

from lockstep.proof.stress.evidence import Evidence
from lockstep.proof.stress.finding import Finding, Looking


def check_conserved(evidence: Evidence) -> Finding:
    """Every count taken in one snapshot agrees, and at the end each enrolment that goes on has one head."""
    looking = Looking("conserved", "S14")
    for each in evidence.history.of("count"):
        if each.ok:
            on_protocols, enrolled = each.answer["on_protocols"], each.answer["enrolled"]
            looking.look(on_protocols == enrolled, f"{each.client} #{each.number}: {on_protocols} of {enrolled}")
    heads = Counter(each.enrolment_id for each in evidence.final.heads)
    for row in evidence.final.enrolments:
        wanted = 0 if row.discharged_at is not None else 1
        count = heads.pop(row.enrolment_id, 0)
        looking.look(count == wanted, "enrolment {} has {} heads", row.enrolment_id, count)
    for enrolment_id in heads:
        looking.look(False, f"a head of no enrolment: {enrolment_id}")
    _look_at_acknowledged(evidence, looking)
    return looking.finding()


def _look_at_acknowledged(evidence: Evidence, looking: Looking) -> None:
    rows = {row.enrolment_id: row for row in evidence.final.enrolments}
    for each in evidence.history.of("enrol"):
        for enrolment_id in each.answer.get("enrolments", ()) if each.ok else ():
            looking.look(enrolment_id in rows, f"enrolment {enrolment_id} was acknowledged and is lost")
    for each in evidence.history.of("discharge"):
        if each.ok:
            row = rows.get(each.sent["enrolment"])
            ended = row is not None and row.discharged_at is not None
            looking.look(ended, f"the discharge of {each.sent['enrolment']} was acknowledged and is lost")
