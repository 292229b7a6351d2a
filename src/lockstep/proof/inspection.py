"""The independent check of every organisation, run as an operator would, and what it certified."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lockstep.engine.check import Memory, check_slice, finish, list_drifts, start_check
from lockstep.store.database import Database

ACTOR = "demonstration"
SLICE = 1_000
MOST_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Inspected:
    """How many were checked, drifted, or being worked on; drifts by kind, some of them, and the hashes certified."""

    checked: int
    drifted: int
    pending: int
    kinds: dict[str, int] = field(default_factory=dict)
    examples: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()


def inspect(database: Database, organisation_ids: Sequence[int], told: Callable[[int], None]) -> Inspected:
    """Every patient of the organisations was checked, each from the enrolment on; `told` hears how many so far."""
    checked = drifted = pending = 0
    kinds: Counter[str] = Counter()
    hashes: list[str] = []
    examples: list[str] = []
    for organisation_id in organisation_ids:
        memory = Memory()
        check_id = start_check(database, organisation_id=organisation_id, scope="organisation", actor=ACTOR)
        done = False
        while not done:
            part = check_slice(database, organisation_id=organisation_id, check_id=check_id, size=SLICE, memory=memory)
            checked, done = checked + part.checked, part.done
            told(checked)
        certificate = finish(database, organisation_id=organisation_id, check_id=check_id, actor=ACTOR)
        drifted, pending = drifted + certificate.drifted, pending + certificate.pending
        hashes.append(certificate.hash)
        found = list_drifts(database, organisation_id=organisation_id, check_id=check_id)
        kinds.update(str(each.drift.kind) for each in found)
        examples += [str(each.drift) for each in found][: MOST_EXAMPLES - len(examples)]
    return Inspected(checked, drifted, pending, dict(kinds), tuple(examples), tuple(hashes))
