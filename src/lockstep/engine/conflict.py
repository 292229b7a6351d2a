"""Asks at acceptance whether a switch would take away personal changes that its preview could not show (rule 8)."""

from lockstep.domain.conflict import lost_at
from lockstep.domain.effect import forecast
from lockstep.domain.protocol_document import parse
from lockstep.domain.refusal import StalePreview
from lockstep.domain.switch import AcceptedSwitch
from lockstep.engine.forecast import load_ground, with_origins
from lockstep.store import conflict as store
from lockstep.store import switch as switch_store
from lockstep.store.database import Connection
from lockstep.store.timeline import load_enrolments


def require_no_new_conflicts(connection: Connection, organisation_id: int, claim: switch_store.Claim) -> None:
    """Nothing changed for a patient since the preview would be lost unsigned; raises StalePreview naming enrolments.

    Whoever changes a value holds the control row too, so none is on its way. Costs one look at an index unless
    somebody made a change since. Locks: none.
    """
    switch = claim.switch
    changed = store.list_changed_since(connection, organisation_id=organisation_id, switch_id=switch.switch_id)
    if not changed:
        return
    if len(changed) > store.MOST:
        _refuse(f"more than {store.MOST:,} values were changed for single patients", claim)
    ground = load_ground(
        connection,
        organisation_id=organisation_id,
        protocol_id=switch.protocol_id,
        target_protocol_id=switch.target_protocol_id,
        at=claim.at,
    )
    ids = sorted({enrolment_id for enrolment_id, _, _ in changed})
    known = load_enrolments(connection, organisation_id=organisation_id, enrolment_ids=ids)
    _, document = switch_store.get_figures(connection, organisation_id=organisation_id, switch_id=switch.switch_id)
    content = None if document is None else parse(document)
    seen = forecast(_as_accepted(claim), content, with_origins(connection, ground, known.values()))
    new = set(changed)
    lost = [
        f"{each.change.field} of {each.change.activity_key} for enrolment {enrolment_id} ({each.why})"
        for enrolment_id, facts in known.items()
        for each in lost_at(facts, seen)
        if (enrolment_id, each.change.activity_key, each.change.field) in new
    ]
    if lost:
        more = f" and {len(lost) - 3:,} more" if len(lost) > 3 else ""
        _refuse(f"personal changes were made that this switch would take away: {', '.join(lost[:3])}{more}", claim)


def _refuse(what: str, claim: switch_store.Claim) -> None:
    raise StalePreview(
        f"Since the preview {what}", where="switch_id", mend="Make a new preview.", seen=claim.last_switch_number
    )


def _as_accepted(claim: switch_store.Claim) -> AcceptedSwitch:
    switch = claim.switch
    return AcceptedSwitch(
        protocol_id=switch.protocol_id,
        number=claim.last_switch_number + 1,
        kind=switch.kind,
        version_number=None if switch.content_hash is None else claim.last_version_number + 1,
        target_protocol_id=switch.target_protocol_id,
        scope=switch.scope,
        selection_id=switch.selection_id,
        effective=switch.effective,
        effective_local=switch.effective_local,
        effective_at=switch.effective_at,
        accepted_at=claim.at,
        generation=None,
        first_at=claim.at,
    )
