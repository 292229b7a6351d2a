"""L5: a patient who never measures has an open alert."""

from lockstep.proof.stress.checkers.missed import expected_windows
from lockstep.proof.stress.evidence import Evidence
from lockstep.proof.stress.finding import Finding, Looking


def check_canary(evidence: Evidence) -> Finding:
    """Who was asked, measured nothing at all and was not paused has an open alert about what was missed."""
    looking = Looking("canary", "L5")
    final = evidence.final
    measured = {(row.organisation_id, row.patient) for row in final.measurements}
    alerted = {each.enrolment_id for each in final.samples if each.kind == "missed" and each.state == "open"}
    rules = {
        (protocol_id, activity["key"])
        for (protocol_id, _), content in final.contents.items()
        for activity in content["activities"]
        if any(rule.get("kind") == "missed" and rule["in_a_row"] == 1 for rule in activity.get("rules", ()))
    }
    watched = {key for _, key in rules}
    asked = {key[0] for key, *_ in expected_windows(final) if key[1] in watched}
    for row in final.enrolments:
        if row.enrolment_id in asked and (row.organisation_id, row.patient) not in measured and not row.discharged_at:
            looking.look(
                row.enrolment_id in alerted, f"enrolment {row.enrolment_id} never measured, and no alert is open"
            )
    return looking.finding()
