"""Closes the alerts of activities that a switch removes, where the switch says so; otherwise they stay open."""

from collections.abc import Collection, Sequence

from lockstep.domain.content import Content
from lockstep.domain.switch import AcceptedSwitch
from lockstep.domain.timeline import EnrolmentFacts, ProtocolFacts, World, in_force, segments
from lockstep.store import alert as store
from lockstep.store import timeline as facts_store
from lockstep.store.alert import OpenAlert, Removal
from lockstep.store.clock import now as clock_now
from lockstep.store.database import Connection, Database

_MOST = 1000
"""Alerts looked at in one transaction, so that nobody waits for long."""
_WITH_ITS_ACTIVITY = "Closed with its activity, as the switch says."


def close_alerts_of_removed(database: Database, *, organisation_id: int, operation_id: int) -> int:
    """No alert of an activity that the operation's switch took from its enrolment is open, if it says so.

    A switch never clears an alert silently: without that word nothing happens, and what an earlier switch left open
    stays so. Returns how many were closed. In transactions of at most 1,000 alerts; idempotent. Locks: the alerts,
    skipping locked ones; then those, one in a transaction: a lock time-out while somebody holds one, so call it again.
    """
    closed, after_alert_id = 0, 0
    passed_by: list[int] = []
    while True:
        with database.transaction(organisation_id) as connection:
            removal = store.find_removal(connection, organisation_id=organisation_id, operation_id=operation_id)
            if removal is None:
                return 0
            world = facts_store.load_world(
                connection, organisation_id=organisation_id, protocol_ids=[removal.protocol_id]
            )
            listed = store.list_perhaps_removed(
                connection,
                organisation_id=organisation_id,
                removal=removal,
                activity_keys=_keys_perhaps_removed(world, removal),
                after_alert_id=after_alert_id,
                most=_MOST,
            )
            removed = _removed(connection, organisation_id, world, removal, listed)
            resolved = store.resolve_unlocked(
                connection,
                organisation_id=organisation_id,
                alert_ids=removed,
                resolution=_WITH_ITS_ACTIVITY,
                updated_at=clock_now(connection),
            )
        closed += len(resolved)
        passed_by += [each for each in removed if each not in resolved]
        if len(listed) < _MOST:
            break
        after_alert_id = listed[-1].alert_id
    for alert_id in passed_by:
        with database.transaction(organisation_id) as connection:
            closed += store.resolve_alerts(
                connection,
                organisation_id=organisation_id,
                alert_ids=[alert_id],
                resolution=_WITH_ITS_ACTIVITY,
                updated_at=clock_now(connection),
            )
    return closed


def removed_keys(switch: AcceptedSwitch, facts: EnrolmentFacts, world: World) -> frozenset[str]:
    """The activities that the switch takes from an enrolment: asked at its E without the switch, but not with it.

    None where the switch does not concern it, or where an earlier one took them. Pure.
    """
    own = world[switch.protocol_id]
    others = tuple(each for each in own.switches if each.number != switch.number)
    without = {**world, own.protocol_id: ProtocolFacts(own.protocol_id, others, own.versions)}
    at = switch.effective_for(facts.zones)
    before = in_force(segments(facts, without), at)
    after = in_force(segments(facts, world), at)
    if before is None or after is None or before.protocol_id != own.protocol_id:
        return frozenset()
    return _keys(before.content) - _keys(after.content)


def _removed(
    connection: Connection, organisation_id: int, world: World, removal: Removal, listed: Sequence[OpenAlert]
) -> list[int]:
    switch = next((each for each in world[removal.protocol_id].switches if each.number == removal.number), None)
    if switch is None or not listed:
        return []
    known = facts_store.load_enrolments(
        connection,
        organisation_id=organisation_id,
        enrolment_ids=sorted({each.enrolment_id for each in listed}),
    )
    missing = {each.protocol_id for facts in known.values() for each in facts.assignments} - world.keys()
    if missing:
        world = {
            **world,
            **facts_store.load_world(connection, organisation_id=organisation_id, protocol_ids=missing),
        }
    keys = {enrolment_id: removed_keys(switch, facts, world) for enrolment_id, facts in known.items()}
    return [each.alert_id for each in listed if each.activity_key in keys[each.enrolment_id]]


def _keys_perhaps_removed(world: World, removal: Removal) -> list[str]:
    """Of all activities those that the switch can have taken from anybody: fewer alerts need a closer look."""
    versions = world[removal.protocol_id].versions
    if removal.version_number is not None:
        after: Collection[Content] = [versions[removal.version_number]] if removal.version_number in versions else ()
    else:
        after = world[removal.target_protocol_id].versions.values()
    staying = [_keys(content) for content in after]
    kept = frozenset[str].intersection(*staying) if staying else frozenset[str]()
    return sorted(frozenset[str]().union(*map(_keys, versions.values())) - kept)


def _keys(content: Content | None) -> frozenset[str]:
    return frozenset(activity.key for activity in content.activities) if content is not None else frozenset()
