"""Approves and accepts a previewed switch."""

from collections.abc import Sequence
from dataclasses import replace

from lockstep.domain.acceptance import (
    Accepted,
    Redirect,
    draws_generation,
    find_loop,
    on_the_way_back,
    request_hash,
    span_of,
)
from lockstep.domain.name import require_actor, same_person
from lockstep.domain.refusal import (
    AlreadyAccepted,
    InvalidSwitch,
    KeyUsedOtherwise,
    NotApproved,
    PersonalChangesInConflict,
    PreviewExpired,
    SamePerson,
    StalePreview,
    SwitchLoop,
    UnknownSwitch,
)
from lockstep.domain.switch import Effective, Scope, SwitchKind
from lockstep.engine.audit import record_entry
from lockstep.engine.conflict import require_no_new_conflicts
from lockstep.store import selection as selection_store
from lockstep.store import switch as store
from lockstep.store.clock import now
from lockstep.store.database import Connection, Database, run_again

_ATTEMPTS = 30
"""Each attempt waits at most the lock's time-out; somebody who clicked waits seconds, never minutes."""
_LONGEST_KEY = 200


def accept_switch(
    database: Database,
    *,
    organisation_id: int,
    switch_id: int,
    client_key: str,
    actor: str,
    seen: int | None = None,
    signed_conflicts_by: str | None = None,
) -> Accepted:
    """The switch is in force for each patient from E on, however many they are; nothing of a patient is written.

    E is the database's clock after the protocol's control row was locked, and at most 250 ms old at commit: else, and
    after anything transient, it is all done again. The same `client_key` with the same request gives the same answer
    (`repeated`). `seen` is the number a StalePreview told, to accept where the effect is the same.
    `signed_conflicts_by` is who answers for personal changes that the new version locks or removes.
    Raises UnknownSwitch, KeyUsedOtherwise, AlreadyAccepted, StalePreview, PreviewExpired, NotApproved,
    PersonalChangesInConflict, SwitchLoop, InThePast, InvalidName. Locks: the protocol's control row, for update.
    """
    if not 0 < len(client_key) <= _LONGEST_KEY:
        raise InvalidSwitch(f"A client key has 1 to {_LONGEST_KEY} characters", where="client_key")
    require_actor(actor)
    request = request_hash(switch_id=switch_id, actor=actor, seen=seen, signed_conflicts_by=signed_conflicts_by)

    def attempt() -> Accepted:
        with database.transaction(organisation_id) as connection:
            # Before E is taken: nothing but the queue of moves is held while members are looked at.
            move = store.queue_for_move(connection, organisation_id=organisation_id, switch_id=switch_id)
            if move is not None:
                redirects = store.list_redirects_to_come(connection, organisation_id=organisation_id)
                require_no_loop(connection, organisation_id, move, redirects)
            claim = store.claim_acceptance(
                connection, organisation_id=organisation_id, switch_id=switch_id, client_key=client_key
            )
            if claim is None:
                raise unknown_switch(switch_id)
            before = _before(claim, client_key, request)
            if before is not None:
                return before
            _require_fitting(connection, organisation_id, claim, seen)
            _require_allowed(claim, signed_conflicts_by)
            require_no_new_conflicts(connection, organisation_id, claim)
            return _save(connection, organisation_id, claim, client_key, request, actor, signed_conflicts_by)

    return run_again(attempt, attempts=_ATTEMPTS, cap_ms=500)


def approve_switch(database: Database, *, organisation_id: int, switch_id: int, actor: str) -> store.Switch:
    """A second person has approved the preview; doing it again changes nothing.

    Raises UnknownSwitch, InvalidName, SamePerson, AlreadyAccepted, PreviewExpired. Locks: new rows only.
    """

    require_actor(actor)

    def attempt() -> store.Switch:
        with database.transaction(organisation_id) as connection:
            switch = store.find_switch(connection, organisation_id=organisation_id, switch_id=switch_id)
            if switch is None:
                raise unknown_switch(switch_id)
            if any(same_person(actor, person) for person in switch.approved_by):
                return switch
            if same_person(actor, switch.previewed_by):
                raise SamePerson(where="actor", mend="Ask somebody else to look at it.")
            accepted = store.find_acceptance(connection, organisation_id=organisation_id, switch_id=switch_id)
            if accepted is not None:
                raise _already_accepted(accepted)
            if now(connection) >= switch.expires_at:
                raise PreviewExpired(mend="Make a new preview.")
            store.save_approval(connection, organisation_id=organisation_id, switch_id=switch_id, actor=actor)
            record_entry(
                connection,
                organisation_id=organisation_id,
                actor=actor,
                action="approve switch",
                subject=f"switch {switch_id}",
                detail={"previewed_by": switch.previewed_by, "patients": switch.patients},
            )
            return replace(switch, approved_by=[*switch.approved_by, actor])

    return run_again(attempt, attempts=_ATTEMPTS, cap_ms=500)


def _before(claim: store.Claim, client_key: str, request: str) -> Accepted | None:
    for stood in claim.accepted:
        if stood.client_key == client_key:
            if stood.request_hash != request:
                raise KeyUsedOtherwise(where="client_key", mend="Use a new key for a new request.")
            return replace(stood.accepted, repeated=True)
    for stood in claim.accepted:
        raise _already_accepted(stood.accepted)
    return None


def unknown_switch(switch_id: int) -> UnknownSwitch:
    """The refusal of a number that is no switch of the organisation."""
    return UnknownSwitch(f"There is no switch {switch_id}", where="switch_id", mend="List switches to find its number.")


def _already_accepted(accepted: Accepted) -> AlreadyAccepted:
    return AlreadyAccepted(
        f"{accepted.accepted_by} accepted this switch at {accepted.accepted_at:%Y-%m-%d %H:%M:%S} UTC",
        where="switch_id",
        mend="Look at what became of it; to go back, revert it.",
    )


def _require_fitting(connection: Connection, organisation_id: int, claim: store.Claim, seen: int | None) -> None:
    """The world is the one that the preview showed, or differs in nothing and the caller has seen it."""
    switch = claim.switch
    if claim.at >= switch.expires_at:
        raise PreviewExpired(mend="Make a new preview.")
    if switch.target_switch_number != switch.seen_target_number:
        raise StalePreview(
            f"Since the preview a switch of {switch.target_title} was decided, to which this one leads",
            mend="Make a new preview.",
        )
    if claim.last_switch_number == switch.seen_switch_number:
        return
    since = store.list_decided_since(
        connection,
        organisation_id=organisation_id,
        protocol_id=switch.protocol_id,
        number=switch.seen_switch_number,
    )
    # What was accepted and withdrawn since leaves nothing behind; a withdrawal of something earlier does.
    numbers = claim.last_switch_number - switch.seen_switch_number
    same = all(decided.withdrawn for decided in since) and numbers == 2 * len(since)
    if same and seen == claim.last_switch_number:
        return
    difference = tuple(map(_in_words, since)) or ("A scheduled switch was withdrawn.",)
    mend = f"Accept it with seen={claim.last_switch_number}: the effect is the same." if same else "Make a new preview."
    raise StalePreview(
        f"Since the preview: {' '.join(difference)}".rstrip("."),
        mend=mend,
        seen=claim.last_switch_number,
        difference=difference,
        same_effect=same,
    )


def _in_words(decided: store.Since) -> str:
    what = (
        f"version {decided.version_number} published"
        if decided.kind == SwitchKind.PUBLISH
        else f"enrolments moved to protocol {decided.target_protocol_id}"
    )
    for_whom = "everyone" if decided.scope == Scope.EVERYONE else "a selection"
    then = ", and withdrawn since" if decided.withdrawn else ""
    return f"{what} for {for_whom} by {decided.accepted_by} at {decided.accepted_at:%H:%M:%S} UTC{then}.".capitalize()


def _require_allowed(claim: store.Claim, signed_conflicts_by: str | None) -> None:
    switch = claim.switch
    if switch.needs_approval and all(same_person(each, switch.previewed_by) for each in switch.approved_by):
        raise NotApproved(where="switch_id", mend="Have it approved by somebody else than who previewed it.")
    if switch.conflicts and not (signed_conflicts_by or "").strip():
        raise PersonalChangesInConflict(
            f"{switch.conflicts} personal changes would be locked, removed or left behind by this switch",
            where="signed_conflicts_by",
            mend="Resolve each and make a new preview, or have a clinician sign the list.",
        )


def require_no_loop(
    connection: Connection, organisation_id: int, move: Redirect, redirects: Sequence[Redirect]
) -> None:
    """The move does not lead round in a circle with moves to come; raises SwitchLoop with the way.

    However many there are, members are looked at once, and only where the protocols themselves lead round.
    """
    relevant = on_the_way_back(move, redirects)
    named = {each.selection_id for each in (move, *relevant)} - {None}
    combinations = (
        selection_store.list_combinations(
            connection,
            organisation_id=organisation_id,
            selection_ids=[each for each in named if each is not None],
            within=move.selection_id,
        )
        if relevant and named
        else ()
    )
    way = find_loop(move, relevant, combinations)
    if way is not None:
        raise SwitchLoop(
            f"With moves still to come this one leads round: {' → '.join(map(str, way))}",
            mend="Withdraw the scheduled move first.",
        )


def _save(
    connection: Connection,
    organisation_id: int,
    claim: store.Claim,
    client_key: str,
    request: str,
    actor: str,
    signed_conflicts_by: str | None,
) -> Accepted:
    switch = claim.switch
    number = claim.last_switch_number + 1
    version_number, new_version, draws = _version(claim)
    first_at, last_at = span_of(switch.effective, switch.effective_local, switch.effective_at, accepted_at=claim.at)
    generation, operation_id = store.save_acceptance(
        connection,
        organisation_id=organisation_id,
        switch_id=switch.switch_id,
        protocol_id=switch.protocol_id,
        selection_id=switch.selection_id,
        number=number,
        version_number=version_number,
        new_version=new_version,
        draws_generation=draws,
        accepted_at=claim.at,
        first_at=first_at,
        last_at=last_at,
        patients=switch.patients,
        sentence=sentence(switch, version_number),
        subject=f"switch {switch.switch_id}",
        detail={
            "kind": switch.kind.value,
            "protocol_id": switch.protocol_id,
            "target_protocol_id": switch.target_protocol_id,
            "number": number,
            "version_number": version_number,
            "scope": switch.scope.value,
            "selection_id": switch.selection_id,
            "effective": switch.effective.value,
            "first_at": first_at.isoformat(),
            "last_at": last_at.isoformat(),
            "patients": switch.patients,
            "reason": switch.reason,
            "previewed_by": switch.previewed_by,
            "approved_by": list(switch.approved_by),
            "signed_conflicts_by": signed_conflicts_by,
        },
        client_key=client_key,
        request_hash=request,
        actor=actor,
    )
    return Accepted(
        switch_id=switch.switch_id,
        protocol_id=switch.protocol_id,
        number=number,
        version_number=version_number,
        target_protocol_id=switch.target_protocol_id,
        generation=generation,
        operation_id=operation_id,
        accepted_by=actor,
        accepted_at=claim.at,
        first_at=first_at,
        last_at=last_at,
    )


def _version(claim: store.Claim) -> tuple[int | None, bool, bool]:
    """The version's number, whether it is a new one, and whether agendas change.

    A version number is bought by a real change: what continues the last publication carries its number.
    """
    if claim.switch.kind is SwitchKind.MOVE:
        return None, False, True
    assert claim.switch.timing_hash is not None
    draws = draws_generation(claim.switch.timing_hash, claim.publications, at=claim.at)
    last = claim.publications[-1] if claim.publications else None
    if last is not None and last.content_hash == claim.switch.content_hash:
        return last.version_number, False, draws
    return claim.last_version_number + 1, True, draws


def sentence(switch: store.Switch, version_number: int | None) -> str:
    """What the switch does, for people: "Publish Heart failure version 3 for everyone on it (4,312), now"."""
    for_whom = "everyone on it" if switch.scope is Scope.EVERYONE else "a selection"
    when = {
        Effective.NOW: "now",
        Effective.NEXT_DAY: "from each patient's next midnight",
        Effective.CIVIL: f"from {switch.effective_local} in each patient's zone",
        Effective.INSTANT: f"from {switch.effective_at:%Y-%m-%d %H:%M:%S} UTC" if switch.effective_at else "",
    }[switch.effective]
    if switch.kind is SwitchKind.PUBLISH:
        return f"Publish {switch.title} version {version_number} for {for_whom} ({switch.patients:,}), {when}"
    return f"Move {for_whom} ({switch.patients:,}) from {switch.title} to {switch.target_title}, {when}"
