"""Changes a value of the protocol for one patient, or gives it back to the protocol."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from lockstep.domain.conflict import lost_later
from lockstep.domain.name import require_reason
from lockstep.domain.protocol import require_change, value_of
from lockstep.domain.refusal import LockedField, NoSuchPersonalChange, NothingInForce, shown
from lockstep.domain.timeline import (
    EnrolmentFacts,
    PersonalChange,
    World,
    assignments,
    personal_changes_in_force,
    version_in_force,
)
from lockstep.engine.agenda import bring_in_step
from lockstep.engine.audit import record_entry
from lockstep.engine.enrolment import hold_enrolment
from lockstep.store import conflict as conflict_store
from lockstep.store import personal_change as store
from lockstep.store import timeline as facts_store
from lockstep.store.database import Connection, Database


def set_personal_change(
    database: Database,
    *,
    organisation_id: int,
    enrolment_id: int,
    activity_key: str,
    field: str,
    value: object,
    reason: str,
    actor: str,
) -> PersonalChange:
    """From now on the field of the activity has this value (plain JSON) for the patient, as long as its policy allows.

    Where a live change says so already nothing is written, and that one is returned: a retry changes nothing.
    Fields: schedule, grace_minutes, quantity, plausible, rules, rules.<key>. Raises UnknownEnrolment, Discharged,
    NothingInForce, UnknownField (naming the known ones), LockedField (also when a switch that is accepted for later
    would take the change away), InvalidProtocol, MissingReason.
    Locks: the enrolment's head, then the control rows of its protocols, for share: a switch accepted at the same time
    sees the change, or the change sees the switch.
    """
    reason = require_reason(reason)
    with database.transaction(organisation_id) as connection:
        _, at = hold_enrolment(connection, organisation_id=organisation_id, enrolment_id=enrolment_id)
        _, world = _load(connection, organisation_id, enrolment_id)
        conflict_store.hold_controls(connection, organisation_id=organisation_id, protocol_ids=world)
        facts, world = _load(connection, organisation_id, enrolment_id)
        protocol = world[_protocol_id(facts, world, at)]
        number = version_in_force(protocol, facts, at)
        if number is None:
            raise NothingInForce(where="activity_key", mend="Publish a version of the protocol first.")
        change = PersonalChange(
            number=_next_number(facts),
            activity_key=activity_key,
            field=field,
            value=require_change(protocol.versions[number], activity_key, field, value),
            replaced=value_of(protocol.versions[number], activity_key, field),
            from_at=at,
        )
        live = personal_changes_in_force(facts, world, assignments(facts, world), at)
        stands = live.get((activity_key, field))
        if stands is not None and (stands.value, stands.replaced) == (change.value, change.replaced):
            return stands
        _require_lasting(facts, world, change)
        _save(connection, organisation_id, enrolment_id, change, "set personal change", reason, actor)
    return change


def clear_personal_change(
    database: Database,
    *,
    organisation_id: int,
    enrolment_id: int,
    activity_key: str,
    field: str,
    reason: str,
    actor: str,
) -> PersonalChange:
    """From now on the protocol's own value holds again.

    Raises UnknownEnrolment, Discharged, MissingReason, and NoSuchPersonalChange naming the live ones.
    Locks: the enrolment's head.
    """
    reason = require_reason(reason)
    with database.transaction(organisation_id) as connection:
        _, at = hold_enrolment(connection, organisation_id=organisation_id, enrolment_id=enrolment_id)
        facts, world = _load(connection, organisation_id, enrolment_id)
        live = personal_changes_in_force(facts, world, assignments(facts, world), at)
        if (activity_key, field) not in live:
            known = ", ".join(f"{key}.{name}" for key, name in sorted(live)) or "none"
            what = f"{shown(field)} of {shown(activity_key)} has no personal change"
            raise NoSuchPersonalChange(what, where="field", mend=f"Personal changes now: {known}.")
        change = PersonalChange(_next_number(facts), activity_key, field, None, None, at)
        _save(connection, organisation_id, enrolment_id, change, "clear personal change", reason, actor)
    return change


def _require_lasting(facts: EnrolmentFacts, world: World, change: PersonalChange) -> None:
    """No switch that is accepted for later takes the change away; raises LockedField with when and why."""
    with_it = replace(facts, personal_changes=(*facts.personal_changes, change))
    ends = lost_later(with_it, world, change)
    if ends is not None:
        raise LockedField(
            f"The change would be lost at {ends[0]:%Y-%m-%d %H:%M:%S} UTC by a switch accepted already: {ends[1]}",
            where=f"activities.{change.activity_key}.{change.field}",
            mend="Withdraw that switch first, or change the value after it as the protocol then allows.",
        )


def _load(connection: Connection[Any], organisation_id: int, enrolment_id: int) -> tuple[EnrolmentFacts, World]:
    facts = facts_store.load_enrolments(connection, organisation_id=organisation_id, enrolment_ids=[enrolment_id])[
        enrolment_id
    ]
    protocol_ids = {assigned.protocol_id for assigned in facts.assignments}
    world = facts_store.load_world(connection, organisation_id=organisation_id, protocol_ids=protocol_ids)
    return facts, world


def _protocol_id(facts: EnrolmentFacts, world: World, at: datetime) -> int:
    return [span.protocol_id for span in assignments(facts, world) if span.from_at <= at][-1]


def _next_number(facts: EnrolmentFacts) -> int:
    return max((change.number for change in facts.personal_changes), default=0) + 1


def _save(
    connection: Connection[Any],
    organisation_id: int,
    enrolment_id: int,
    change: PersonalChange,
    action: str,
    reason: str,
    actor: str,
) -> None:
    store.insert_personal_change(
        connection,
        organisation_id=organisation_id,
        enrolment_id=enrolment_id,
        change=change,
        reason=reason,
        actor=actor,
    )
    at = change.from_at
    bring_in_step(connection, organisation_id=organisation_id, enrolment_ids=[enrolment_id], now=at, changed_at=at)
    record_entry(
        connection,
        organisation_id=organisation_id,
        actor=actor,
        action=action,
        subject=f"enrolment {enrolment_id}",
        detail={
            "activity_key": change.activity_key,
            "field": change.field,
            "value": change.value,
            "replaced": change.replaced,
            "reason": reason,
        },
    )
