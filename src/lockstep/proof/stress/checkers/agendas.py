"""S1, S9: at the end every agenda is what the facts say: protocol, version, generation, and days by the document."""

from collections import defaultdict

from lockstep.proof.stress.checkers.model import Model
from lockstep.proof.stress.checkers.windows import activities, every_days
from lockstep.proof.stress.evidence import Evidence, SwitchRow
from lockstep.proof.stress.finding import Finding, Looking


def check_agendas(evidence: Evidence) -> Finding:
    """Every head stands where the facts put its enrolment, is not behind, and has a row of each activity."""
    looking = Looking("agendas", "S1", "S9")
    final = evidence.final
    model = Model(final)
    known = frozenset(each.switch_id for each in final.switches if each.withdrawn_at is None)
    publications = [each for each in final.switches if each.generation is not None and each.first_at <= final.at]
    newest: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for each in publications:
        newest[each.protocol_id].append((each.generation or 0, each.switch_id))
    switches = {each.switch_id: each for each in final.switches}
    for head in final.heads:
        if model.is_unclear(model.reachable(head.enrolment_id), [final.at]):
            continue
        standing = model.standing(head.enrolment_id, final.at, known)
        right = (
            standing is not None
            and standing.protocol_id == head.protocol_id
            and head.version_number in model.versions_alike(head.enrolment_id, standing, final.at, known)
        )
        looking.look(right, "{}, right: {}", head, standing)
        owed = max(
            (
                generation
                for generation, switch_id in newest[head.protocol_id]
                if switch_id in known and model.holds(switches[switch_id], head.enrolment_id)
            ),
            default=0,
        )
        looking.look(head.generation >= owed, "{} is behind {}", head, owed)
    _look_at_acknowledged(evidence, looking)
    _look_at_days(evidence, looking)
    return looking.finding()


def _look_at_acknowledged(evidence: Evidence, looking: Looking) -> None:
    stands = {each.switch_id for each in evidence.final.switches}
    for operation in evidence.history.of("accept"):
        if operation.ok:
            switch = operation.sent["switch"]
            looking.look(switch in stands, f"switch {switch} was acknowledged and is lost")


def _look_at_days(evidence: Evidence, looking: Looking) -> None:
    """Rows that open after the last E are on days that the version in force names."""
    final = evidence.final
    last: dict[int, SwitchRow] = {}
    for each in sorted(final.switches, key=lambda each: each.number):
        everyone = each.kind == "publish" and each.selection_id is None and each.withdrawn_at is None
        if everyone and each.last_at <= final.at:
            last[each.protocol_id] = each
    for row in final.rows:
        switch = last.get(row.protocol_id)
        if switch is None or row.opens_at <= switch.last_at:
            continue
        activity = activities(final.contents[row.protocol_id, switch.version_number or 0]).get(row.activity_key)
        days = every_days(activity) if activity else None
        named = activity is not None and (days is None or (row.on - row.anchor_on).days % days == 0)
        looking.look(named, "{} is of no day of version {}", row, switch.version_number)
        if named and days is not None:
            near = (row.on - final.at.date()).days <= days + 2
            looking.look(near, "{} is not the next one", row)
