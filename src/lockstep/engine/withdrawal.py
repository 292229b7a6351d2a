"""Whether a scheduled switch may still be withdrawn: nobody has it yet, and nobody is left with nothing in force."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from lockstep.domain.acceptance import Accepted
from lockstep.domain.preview import Shown
from lockstep.domain.refusal import AlreadyInForce, NothingInForce
from lockstep.domain.switch import AcceptedSwitch, Effective, Scope, SwitchKind, ZoneSpan, zone_at
from lockstep.domain.timeline import ProtocolFacts, assignments
from lockstep.engine.forecast import load_ground, with_origins
from lockstep.store import switch as switch_store
from lockstep.store import withdrawal as store
from lockstep.store.clock import now
from lockstep.store.database import Connection
from lockstep.store.timeline import load_enrolments

_MARGIN = timedelta(seconds=1)
"""A withdrawal must be known before the switch is in force for anybody, and its commit may be 250 ms late."""
_SLACK = timedelta(milliseconds=700)
"""How much of the margin looking may use up."""
_SLICE = 1000
_FORWARD = "Switch forward to what was in force before (revert)."


def require_not_in_force(connection: Connection, organisation_id: int, shown: Shown, accepted: Accepted) -> datetime:
    """The instant of withdrawal, until a second after which the switch is in force for nobody.

    It belongs to each patient's own zone, so those are read now, under the held control row. However long looking
    takes, the instant is one after it. Raises AlreadyInForce naming one patient. Locks: none.
    """
    spent = timedelta()
    while True:
        at = now(connection)
        _require_before(connection, organisation_id, shown, accepted, at, at + spent + _MARGIN)
        looked_at = now(connection)
        if looked_at - at <= spent + _SLACK:
            return looked_at
        spent = 2 * (looked_at - at)


def _require_before(
    connection: Connection, organisation_id: int, shown: Shown, accepted: Accepted, at: datetime, until: datetime
) -> None:
    if until <= accepted.first_at:
        return
    if shown.effective in (Effective.NOW, Effective.INSTANT):
        verb = "is in force since" if accepted.first_at <= at else "comes into force within seconds, at"
        raise AlreadyInForce(
            f"The switch {verb} {accepted.first_at:%Y-%m-%d %H:%M:%S} UTC, so it cannot be withdrawn",
            where="switch_id",
            mend=_FORWARD,
        )
    for enrolment_id, zone, begins in _reached(connection, organisation_id, shown, accepted, until):
        raise AlreadyInForce(
            f"The switch is in force in {zone} from {begins:%Y-%m-%d %H:%M:%S} UTC on, for enrolment {enrolment_id} at"
            " least, so it cannot be withdrawn",
            where="switch_id",
            mend=_FORWARD,
        )


def _reached(
    connection: Connection, organisation_id: int, shown: Shown, accepted: Accepted, until: datetime
) -> Iterator[tuple[int, str, datetime]]:
    """Enrolments for whom E comes before the instant, with zone and E."""
    ground = load_ground(
        connection,
        organisation_id=organisation_id,
        protocol_id=shown.protocol_id,
        target_protocol_id=shown.target_protocol_id,
        at=until,
    )
    (switch,) = [each for each in ground.world[shown.protocol_id].switches if each.number == accepted.number]
    zones = [
        zone
        for zone in store.list_zones(connection, organisation_id=organisation_id)
        if switch.effective_for((ZoneSpan(switch.accepted_at, zone),)) < until
    ]
    after = 0
    while found := store.list_maybe_reached(
        connection,
        organisation_id=organisation_id,
        protocol_ids=ground.protocol_ids,
        zones=zones,
        since_at=switch.accepted_at,
        after_enrolment_id=after,
        limit=_SLICE,
    ):
        after = found[-1]
        known = load_enrolments(connection, organisation_id=organisation_id, enrolment_ids=found)
        world = with_origins(connection, ground, known.values())
        without = {**world, shown.protocol_id: _without(world[shown.protocol_id], switch)}
        for enrolment_id, facts in known.items():
            begins = switch.effective_for(facts.zones)
            governed = [span.protocol_id for span in assignments(facts, without) if span.from_at <= begins]
            ended = facts.discharged_at is not None and facts.discharged_at <= begins
            if begins < until and switch.holds(facts.selections) and governed[-1:] == [shown.protocol_id] and not ended:
                yield enrolment_id, zone_at(facts.zones, begins), begins


def _without(protocol: ProtocolFacts, switch: AcceptedSwitch) -> ProtocolFacts:
    kept = tuple(each for each in protocol.switches if each.number != switch.number)
    return replace(protocol, switches=kept)


def require_nobody_left(
    connection: Connection, organisation_id: int, shown: Shown, accepted: Accepted, at: datetime
) -> None:
    """Without this publication nobody who is on the protocol, or comes to it, has nothing in force.

    Raises NothingInForce with who it is; cautious where only a selection has another version. Withdrawals queue
    with moves, so none is on its way. Locks: none.
    """
    if shown.kind is SwitchKind.MOVE:
        return
    publications = switch_store.list_publications(
        connection, organisation_id=organisation_id, protocol_id=shown.protocol_id
    )
    others = [each.last_at for each in publications if each.scope is Scope.EVERYONE and each.number != accepted.number]
    since = min(others, default=None)
    if since is not None and since <= at:
        return
    for what, from_at in store.list_arrivals(
        connection, organisation_id=organisation_id, protocol_id=shown.protocol_id, at=at
    ):
        if since is None or at < from_at < since:
            raise NothingInForce(
                f"Without this switch nothing would be in force on the protocol, and {what}",
                where="switch_id",
                mend="Take that back first, or publish another version and let it take effect before.",
            )
