"""What was before a switch, for exactly those whom it put where they are."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from itertools import chain

from lockstep.domain.content import Content
from lockstep.domain.preview import Shown
from lockstep.domain.refusal import NotAccepted, NothingToSwitch
from lockstep.domain.switch import AcceptedSwitch, ZoneSpan
from lockstep.domain.timeline import Assigned, EnrolmentFacts, ProtocolFacts, World, assignments, version_in_force
from lockstep.engine.forecast import Ground, load_ground, with_origins
from lockstep.store import preview as store
from lockstep.store.database import Connection
from lockstep.store.timeline import load_enrolments

_SLICE = 1000
Member = tuple[int, EnrolmentFacts, World]


def content_before(connection: Connection, organisation_id: int, shown: Shown, at: datetime) -> Content:
    """The content that a publication took the place of at E, for those whom it holds. Locks: none.

    Raises NothingToSwitch when nothing was before, or when its patients had different contents: none is right for all.
    """
    ground = load_ground(
        connection, organisation_id=organisation_id, protocol_id=shown.protocol_id, target_protocol_id=None, at=at
    )
    switch = _switch(ground, shown)
    before = ground.world[shown.protocol_id]
    before = replace(before, switches=tuple(each for each in before.switches if each.number < switch.number))
    question = ground.question(recent_at=at, selection_id=shown.selection_id)
    members = [(group.members, _facts(group), ground.world) for group in store.list_groups(connection, question)]
    apart = ((1, facts, world) for _, facts, world in _apart(connection, ground, question))
    had: Counter[int | None] = Counter()
    for count, facts, world in chain(members, apart):
        if switch.holds(facts.selections) and _now(facts, world, at).protocol_id == shown.protocol_id:
            had[version_in_force(before, facts, switch.effective_for(facts.zones))] += count
    if not had:
        had[_before_for_anybody(before, switch)] += 1
    if set(had) == {None}:
        raise NothingToSwitch("Nothing was in force before this version", where="switch_id")
    contents = {number: before.versions[number] for number in had if number is not None}
    first, *others = contents.values()
    if None in had or any(other != first for other in others):
        words = ", ".join(f"{count:,} had {_named(number)}" for number, count in had.most_common())
        raise NothingToSwitch(
            f"Before this switch its patients had different versions: {words}",
            where="switch_id",
            mend="Publish the version you want for each group, or one for everyone.",
        )
    return first


def moved_ids(connection: Connection, organisation_id: int, shown: Shown, at: datetime) -> list[int]:
    """The enrolments that are on the target because of this very move. Locks: none.

    Raises NothingToSwitch when there are none.
    """
    assert shown.target_protocol_id is not None
    ground = load_ground(
        connection,
        organisation_id=organisation_id,
        protocol_id=shown.target_protocol_id,
        target_protocol_id=shown.protocol_id,
        at=at,
    )
    switch = _switch(ground, shown)
    question = ground.question(recent_at=switch.first_at, selection_id=None)
    groups = {
        group.key
        for group in store.list_groups(connection, question)
        if _is_there_by(switch, _facts(group), ground.world, at)
    }
    found = [number for number, key in store.list_group_members(connection, question) if key in groups]
    found += [
        number
        for number, facts, world in _apart(connection, ground, question)
        if _is_there_by(switch, facts, world, at)
    ]
    if not found:
        raise NothingToSwitch(
            "Nobody is where this switch sends them",
            where="switch_id",
            mend="Withdraw it if it is still to come.",
        )
    return sorted(found)


def _switch(ground: Ground, shown: Shown) -> AcceptedSwitch:
    if shown.accepted is None:
        raise NotAccepted(where="switch_id", mend="A preview changes nothing: let it expire.")
    if shown.withdrawn_at is not None:
        raise NothingToSwitch("The switch was withdrawn and never was in force", where="switch_id")
    number = shown.accepted.number
    (switch,) = [each for each in ground.world[shown.protocol_id].switches if each.number == number]
    return switch


def _is_there_by(switch: AcceptedSwitch, facts: EnrolmentFacts, world: World, at: datetime) -> bool:
    """Whether the enrolment's assignment now is this move's, and would be another without it."""
    assert switch.target_protocol_id is not None
    now = _now(facts, world, at)
    if not switch.holds(facts.selections):
        return False
    if now != Assigned(switch.effective_for(facts.zones), switch.target_protocol_id):
        return False
    own = world[switch.protocol_id]
    kept = tuple(each for each in own.switches if each.number != switch.number)
    return _now(facts, {**world, switch.protocol_id: replace(own, switches=kept)}, at) != now


def _now(facts: EnrolmentFacts, world: World, at: datetime) -> Assigned:
    governed = assignments(facts, world)
    return [span for span in governed if span.from_at <= at or span is governed[0]][-1]


def _apart(connection: Connection, ground: Ground, question: store.Question) -> Iterator[Member]:
    """The enrolments that facts of their own set apart."""
    after = 0
    while found := store.list_individuals(connection, question, after_enrolment_id=after, limit=_SLICE):
        after = found[-1][0]
        ids = [enrolment_id for enrolment_id, _ in found]
        known = load_enrolments(connection, organisation_id=ground.organisation_id, enrolment_ids=ids)
        world = with_origins(connection, ground, known.values())
        for enrolment_id, facts in known.items():
            yield enrolment_id, facts, world


def _facts(group: store.Group) -> EnrolmentFacts:
    return EnrolmentFacts(
        patient_id=0,
        anchor_on=group.anchor_on,
        enrolled_at=group.assigned_at,
        zones=(ZoneSpan(group.assigned_at, group.zone),),
        assignments=(Assigned(group.assigned_at, group.assigned_protocol_id),),
        selections=group.selection_ids,
    )


def _before_for_anybody(before: ProtocolFacts, switch: AcceptedSwitch) -> int | None:
    """What a patient in none but the switch's own selection would have had."""
    zones = (ZoneSpan(switch.accepted_at, "UTC"),)
    held = frozenset() if switch.selection_id is None else frozenset({switch.selection_id})
    for each in reversed(before.switches):
        if (
            each.version_number is not None
            and each.holds(held)
            and each.effective_for(zones) <= switch.effective_for(zones)
        ):
            return each.version_number
    return None


def _named(number: int | None) -> str:
    return "nothing" if number is None else f"version {number}"
