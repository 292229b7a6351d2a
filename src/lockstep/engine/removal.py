"""Closes the alerts of activities that a switch removes, where the switch says so; otherwise they stay open."""

from lockstep.domain.timeline import World
from lockstep.store import alert as store
from lockstep.store import timeline as facts_store
from lockstep.store.alert import Removal
from lockstep.store.clock import now as clock_now
from lockstep.store.database import Database

_MOST = 1000
"""Alerts closed in one transaction, so that nobody waits for long."""


def close_alerts_of_removed(database: Database, *, organisation_id: int, operation_id: int) -> int:
    """No alert of an activity that the operation's switch removed is open, if it says so; returns how many were closed.

    A switch never clears an alert silently: without that word nothing happens. In transactions of at most 1,000
    alerts; idempotent. Locks: the alerts (skipping locked ones).
    """
    closed = 0
    while True:
        with database.transaction(organisation_id) as connection:
            removal = store.find_removal(connection, organisation_id=organisation_id, operation_id=operation_id)
            if removal is None:
                return closed
            world = facts_store.load_world(
                connection, organisation_id=organisation_id, protocol_ids=[removal.protocol_id]
            )
            found = store.resolve_removed(
                connection,
                organisation_id=organisation_id,
                removal=removal,
                activity_keys=removed_keys(world, removal),
                resolution="Closed with its activity, as the switch says.",
                now=clock_now(connection),
                most=_MOST,
            )
        closed += found
        if found < _MOST:
            return closed


def removed_keys(world: World, removal: Removal) -> list[str]:
    """The activities that earlier versions had and the one switched to has not, in order."""
    versions = world[removal.protocol_id].versions
    if removal.version_number is None:
        target = world[removal.target_protocol_id].versions
        kept = target[max(target)] if target else None
        before = list(versions.values())
    else:
        kept = versions[removal.version_number]
        before = [content for number, content in versions.items() if number < removal.version_number]
    staying = {activity.key for activity in kept.activities} if kept else set()
    return sorted({activity.key for content in before for activity in content.activities} - staying)
