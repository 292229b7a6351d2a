"""L2: a missed occurrence is visible within 10 s of being due for judgement."""

from datetime import timedelta

from lockstep.proof.stress.checkers.faults import Excuses, faults_of
from lockstep.proof.stress.evidence import Evidence
from lockstep.proof.stress.finding import Finding, Looking

LIMIT, RESUMES = timedelta(seconds=10), timedelta(seconds=5)


def check_visible(evidence: Evidence) -> Finding:
    """What was missed was seen by somebody who looks every second, in time or within the excuse of a fault."""
    looking = Looking("visible", "L2")
    excuses = Excuses(faults_of(evidence.history))
    due = {
        (row.enrolment_id, row.activity_key, row.on.isoformat(), row.slot): row
        for row in evidence.final.occurrences
        if row.state == "missed"
    }
    outages = [each[1:] for each in evidence.final.outages]
    took: list[float] = []
    excused = 0
    for watch in evidence.history.of("missed"):
        for enrolment_id, activity_key, on, slot in watch.answer.get("new", ()) if watch.ok else ():
            row = due.get((enrolment_id, activity_key, on, slot))
            if row is None or watch.told_at is None:
                continue
            if any(
                from_at <= row.judge_at + LIMIT and row.judge_at <= until_at + LIMIT for from_at, until_at in outages
            ):
                continue
            seconds = (watch.told_at - row.judge_at).total_seconds()
            took.append(seconds)
            until_at = excuses.until(row.judge_at, LIMIT, RESUMES)
            excused += seconds > LIMIT.total_seconds()
            looking.look(watch.told_at <= until_at, "{} was seen {:.1f} s late", row, seconds)
    took.sort()
    if took:
        looking.figures = {
            "median seconds": round(took[len(took) // 2], 1),
            "p99 seconds": round(took[int(len(took) * 0.99)], 1),
            "longest seconds": round(took[-1], 1),
            "later, excused by a fault": excused - looking.violations,
        }
    return looking.finding()
