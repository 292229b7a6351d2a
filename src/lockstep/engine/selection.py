"""Freezes the enrolments that a switch is for, and tells which frozen ones hold an enrolment."""

from collections.abc import Iterable, Sequence

from lockstep.domain.refusal import NothingToSwitch, UnknownEnrolment
from lockstep.domain.selection import Filter, Selection, describe
from lockstep.domain.timeline import World
from lockstep.store import selection as store
from lockstep.store.database import Connection


def freeze_selection(
    connection: Connection,
    *,
    organisation_id: int,
    protocol_id: int,
    enrolment_ids: Sequence[int] | None,
    chosen: Filter | None,
    actor: str,
    joined_ids: Sequence[int] = (),
    left_ids: Sequence[int] = (),
) -> Selection:
    """Those of the enrolments that are on the protocol are a selection from now on; those that are not are `skipped`.

    `joined_ids` and `left_ids` are those whose head does not show yet that a move brought them here or took them away.
    Raises UnknownEnrolment, and NothingToSwitch when nobody is left. Locks: new rows only.
    """
    if enrolment_ids is not None:
        unknown = store.list_unknown(connection, organisation_id=organisation_id, enrolment_ids=enrolment_ids)
        if unknown:
            raise UnknownEnrolment(f"There is no enrolment {', '.join(map(str, unknown))}", where="enrolment_ids")
    named = f"{len(enrolment_ids):,} enrolments named" if enrolment_ids is not None else ""
    description = ", ".join(words for words in (named, describe(chosen) if chosen else "") if words)
    selection = store.freeze_selection(
        connection,
        organisation_id=organisation_id,
        protocol_id=protocol_id,
        chosen=chosen or Filter(),
        enrolment_ids=enrolment_ids,
        joined_ids=joined_ids,
        left_ids=left_ids,
        description=description,
        actor=actor,
    )
    if selection.member_count == 0:
        raise NothingToSwitch("Nobody of this selection is on the protocol", where="enrolment_ids")
    return selection


def relevant_selections(world: World) -> frozenset[int]:
    """Selections that any accepted switch of these protocols names."""
    return frozenset(
        switch.selection_id
        for protocol in world.values()
        for switch in protocol.switches
        if switch.selection_id is not None
    )


def list_memberships(
    connection: Connection, *, organisation_id: int, world: World, enrolment_ids: Iterable[int]
) -> dict[int, frozenset[int]]:
    """Which relevant selections hold each enrolment; absent where none does. Locks: none."""
    selections = relevant_selections(world)
    if not selections:
        return {}
    return store.list_memberships(
        connection, organisation_id=organisation_id, enrolment_ids=enrolment_ids, selection_ids=selections
    )
