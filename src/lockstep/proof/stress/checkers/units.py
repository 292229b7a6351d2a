"""S7: a value is held against a limit in the limit's unit: alerts are those of exact arithmetic."""

from collections import Counter
from decimal import Decimal

from lockstep.proof.stress.checkers.measurements import kept_at
from lockstep.proof.stress.checkers.model import Model
from lockstep.proof.stress.checkers.windows import activities
from lockstep.proof.stress.evidence import Evidence, MeasurementRow
from lockstep.proof.stress.finding import Finding, Looking

IN_KG = {"kg": Decimal(1), "g": Decimal("0.001"), "[lb_av]": Decimal("0.45359237")}


def check_units(evidence: Evidence) -> Finding:
    """Each stored weight, in kilograms, grams or pounds, is in an alert if and only if it is above the limit."""
    looking = Looking("units", "S7")
    final = evidence.final
    model = Model(final)
    known = frozenset(each.switch_id for each in final.switches if each.withdrawn_at is None)
    samples = Counter((each.enrolment_id, each.measurement_id) for each in final.samples if each.kind == "limit")
    by_patient: dict[tuple[int, str], list[MeasurementRow]] = {}
    for row in final.measurements:
        if row.unit in IN_KG and row.value is not None:
            by_patient.setdefault((row.organisation_id, row.patient), []).append(row)
    converted = 0
    for enrolment in final.enrolments:
        if (enrolment.organisation_id, enrolment.patient) not in by_patient:
            continue
        instants = [
            at
            for each in model.switches(model.reachable(enrolment.enrolment_id))
            for at in (each.first_at, each.last_at)
        ]
        for row in by_patient.get((enrolment.organisation_id, enrolment.patient), ()):
            at = kept_at(row)
            if at <= enrolment.enrolled_at or (enrolment.discharged_at and at >= enrolment.discharged_at):
                continue
            # Judged by the version in force when taken; just then it may be either.
            if any(abs((at - each).total_seconds()) < 2 for each in instants):
                continue
            standing = model.standing(enrolment.enrolment_id, at, known)
            content = final.contents.get((standing.protocol_id, standing.version_number or 0)) if standing else None
            limit = _limit(content, row.code) if content else None
            if limit is None:
                continue
            assert row.value is not None
            wanted = row.value * IN_KG[row.unit] > limit
            found = samples[enrolment.enrolment_id, row.measurement_id]
            converted += row.unit != "kg"
            looking.look(found == int(wanted), "{} against {} kg is in {} alerts", row, limit, found)
    looking.figures = {"converted": converted}
    return looking.finding()


def _limit(content: object, code: str) -> Decimal | None:
    """The only limit of the activity of this code, if it is one in kilograms."""
    assert isinstance(content, dict)
    found = [each for each in activities(content).values() if each["code"] == code and each.get("unit") == "kg"]
    limits = [rule["above"] for each in found for rule in each.get("rules", ()) if "above" in rule]
    return Decimal(str(limits[0])) if len(found) == 1 and len(limits) == 1 else None
