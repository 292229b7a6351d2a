"""Every checker by its name, with the invariants it looks for violations of."""

from collections.abc import Mapping

from lockstep.proof.stress.checkers.agendas import check_agendas
from lockstep.proof.stress.checkers.audit import check_audit
from lockstep.proof.stress.checkers.canary import check_canary
from lockstep.proof.stress.checkers.civil_time import check_civil_time
from lockstep.proof.stress.checkers.comeback import check_comeback
from lockstep.proof.stress.checkers.conserved import check_conserved
from lockstep.proof.stress.checkers.ended import check_ended
from lockstep.proof.stress.checkers.fence import check_fence
from lockstep.proof.stress.checkers.isolation import check_isolation
from lockstep.proof.stress.checkers.left_behind import check_left_behind
from lockstep.proof.stress.checkers.measurements import check_measurements
from lockstep.proof.stress.checkers.missed import check_evaluated, check_missed
from lockstep.proof.stress.checkers.neighbours import check_neighbours
from lockstep.proof.stress.checkers.past import check_past
from lockstep.proof.stress.checkers.readable import check_readable
from lockstep.proof.stress.checkers.reads import check_reads
from lockstep.proof.stress.checkers.requests import check_requests
from lockstep.proof.stress.checkers.units import check_units
from lockstep.proof.stress.checkers.versions import check_versions
from lockstep.proof.stress.checkers.visible import check_visible
from lockstep.proof.stress.evidence import Evidence
from lockstep.proof.stress.finding import Checker, Finding

CHECKERS: Mapping[str, Checker] = {
    "reads": check_reads,
    "agendas": check_agendas,
    "measurements": check_measurements,
    "past": check_past,
    "missed": check_missed,
    "evaluated": check_evaluated,
    "requests": check_requests,
    "units": check_units,
    "versions": check_versions,
    "civil time": check_civil_time,
    "isolation": check_isolation,
    "fence": check_fence,
    "audit": check_audit,
    "conserved": check_conserved,
    "ended": check_ended,
    "visible": check_visible,
    "readable": check_readable,
    "comeback": check_comeback,
    "canary": check_canary,
    "neighbours": check_neighbours,
    "left behind": check_left_behind,
}


def check_all(evidence: Evidence) -> list[Finding]:
    """What every checker found."""
    return [check(evidence) for check in CHECKERS.values()]
