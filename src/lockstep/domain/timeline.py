"""What is in force for an enrolment at each instant: facts in, spans out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol, TypeVar

from lockstep.domain.content import Content, Policy
from lockstep.domain.personal_change import personal, value_of
from lockstep.domain.refusal import UnknownField
from lockstep.domain.switch import AcceptedSwitch, SwitchKind, ZoneSpan, zone_at


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open span of time; no end means for ever."""

    from_at: datetime
    until_at: datetime | None

    def holds(self, at: datetime) -> bool:
        """Whether the instant lies in the span."""
        return self.from_at <= at and (self.until_at is None or at < self.until_at)

    def meets(self, from_at: datetime, until_at: datetime) -> bool:
        """Whether the span and [from_at, until_at) have time in common."""
        return self.from_at < until_at and (self.until_at is None or self.until_at > from_at)


@dataclass(frozen=True, slots=True)
class Assigned:
    """From `from_at` on the protocol governs the enrolment, until the next assignment."""

    from_at: datetime
    protocol_id: int


@dataclass(frozen=True, slots=True)
class PersonalChange:
    """A field of an activity changed for one patient from an instant on; `value` is canonical JSON, None clears it."""

    number: int
    activity_key: str
    field: str
    value: str | None
    replaced: str | None
    from_at: datetime


@dataclass(frozen=True, slots=True)
class PatientEvent:
    """Something that happened and may start an activity."""

    event: str
    at: datetime


@dataclass(frozen=True, slots=True)
class EnrolmentFacts:
    """All facts that concern one enrolment alone, each ordered by the instant from which it holds."""

    patient_id: int
    anchor_on: date
    enrolled_at: datetime
    zones: tuple[ZoneSpan, ...]
    assignments: tuple[Assigned, ...]
    selections: frozenset[int] = frozenset()
    personal_changes: tuple[PersonalChange, ...] = ()
    pauses: tuple[Span, ...] = ()
    discharged_at: datetime | None = None
    events: tuple[PatientEvent, ...] = ()

    def lasting_at(self, at: datetime) -> datetime:
        """The instant itself, or the end of an enrolment that had ended by then: what holds then holds for its rest."""
        return at if self.discharged_at is None else min(at, self.discharged_at)


@dataclass(frozen=True, slots=True)
class ProtocolFacts:
    """A protocol's accepted switches (not the withdrawn ones) in order of number, and the content of each version."""

    protocol_id: int
    switches: tuple[AcceptedSwitch, ...]
    versions: Mapping[int, Content]


World = Mapping[int, ProtocolFacts]


class Dated(Protocol):
    """A fact that holds from an instant on, until the next one."""

    @property
    def from_at(self) -> datetime: ...


D = TypeVar("D", bound=Dated)


def recorded_last(facts: Iterable[D]) -> tuple[D, ...]:
    """Of facts in order of recording those that hold, in order of time: what is recorded replaces what begins later."""
    kept: list[D] = []
    for fact in facts:
        kept = [earlier for earlier in kept if earlier.from_at < fact.from_at]
        kept.append(fact)
    return tuple(kept)


@dataclass(frozen=True, slots=True)
class Segment:
    """A span in which one version with the same personal changes, one zone and the same pause hold.

    `content` carries the personal changes already; it is None while nothing is in force (no version published yet).
    """

    from_at: datetime
    until_at: datetime | None
    protocol_id: int
    version_number: int | None
    content: Content | None
    zone: str
    paused: bool
    personal_changes: int = field(default=0, compare=False)


def segments(facts: EnrolmentFacts, world: World) -> tuple[Segment, ...]:
    """The whole timeline of an enrolment, from enrolment to discharge, in order and without holes.

    Two timelines decide (versions of a protocol, assignments of the enrolment); zones, pauses and personal
    changes divide it further. Pure: the same facts give the same spans, whenever computed (invariant S9).
    """
    ends = facts.discharged_at
    governed = assignments(facts, world)
    points = {span.from_at for span in governed}
    points |= {point for span in governed for point in _version_points(span, facts, world)}
    points |= {zone.from_at for zone in facts.zones}
    points |= {point for pause in facts.pauses for point in (pause.from_at, pause.until_at) if point}
    points |= {change.from_at for change in facts.personal_changes}
    begins = governed[0].from_at
    ordered = sorted(point for point in points if point >= begins and (ends is None or point < ends))
    made = (
        _segment(at, ordered[index + 1] if index + 1 < len(ordered) else ends, facts, world, governed)
        for index, at in enumerate(ordered)
    )
    return tuple(_merged(made))


def as_of(timeline: tuple[Segment, ...], at: datetime) -> tuple[Segment, ...]:
    """The timeline without what is scheduled for after the instant; the span in force then goes on."""
    known = [segment for segment in timeline if segment.from_at <= at]
    if not known:
        return timeline[:1]
    last = known[-1]
    if last.until_at is None or last is timeline[-1]:
        return tuple(known)
    return (*known[:-1], _with_end(last, None))


def next_change(timeline: tuple[Segment, ...], at: datetime) -> datetime | None:
    """The first instant after `at` at which a fact that is known already changes what is in force."""
    later = [segment.from_at for segment in timeline if segment.from_at > at]
    if timeline and timeline[-1].until_at is not None and timeline[-1].until_at > at:
        later.append(timeline[-1].until_at)
    return min(later, default=None)


def in_force(timeline: Sequence[Segment], at: datetime) -> Segment | None:
    """The span that holds the instant, or None before enrolment and after discharge."""
    for segment in reversed(timeline):
        if segment.from_at <= at:
            return segment if segment.until_at is None or at < segment.until_at else None
    return None


def assignments(facts: EnrolmentFacts, world: World) -> tuple[Assigned, ...]:
    """The enrolment's assignments with the moves that concern them: a move concerns what is assigned at its E."""
    chain: list[Assigned] = []
    for index, own in enumerate(facts.assignments):
        until = facts.assignments[index + 1].from_at if index + 1 < len(facts.assignments) else None
        chain.extend(_redirected(own, until, facts, world))
    return tuple(chain)


def version_in_force(protocol: ProtocolFacts, facts: EnrolmentFacts, at: datetime) -> int | None:
    """The version accepted last of those that hold the enrolment and whose E is not after `at`; None before."""
    number = None
    for switch in protocol.switches:
        concerns = switch.kind is SwitchKind.PUBLISH and switch.holds(facts.selections)
        if concerns and switch.effective_for(facts.zones) <= at:
            number = switch.version_number
    return number


def generation_at(world: World, protocol_id: int, now: datetime) -> int:
    """The greatest generation on the protocol that is in force for anybody at the instant; 0 before the first."""
    return max(
        (
            switch.generation
            for switch in world[protocol_id].switches
            if switch.generation is not None and switch.first_at <= now
        ),
        default=0,
    )


def _redirected(own: Assigned, until: datetime | None, facts: EnrolmentFacts, world: World) -> Iterable[Assigned]:
    current = own
    seen = {(own.from_at, own.protocol_id)}
    while True:
        yield current
        step = _next_move(current, facts, world)
        if step is None or (until is not None and step.from_at >= until) or (step.from_at, step.protocol_id) in seen:
            return
        seen.add((step.from_at, step.protocol_id))
        current = step


def _next_move(current: Assigned, facts: EnrolmentFacts, world: World) -> Assigned | None:
    moves = [
        (switch.effective_for(facts.zones), switch)
        for switch in world[current.protocol_id].switches
        if switch.kind is SwitchKind.MOVE and switch.holds(facts.selections)
    ]
    moves = [(at, switch) for at, switch in moves if at >= current.from_at]
    if not moves:
        return None
    leaves_at = min(at for at, _ in moves)
    # Of several moves at one instant the last accepted one decides.
    winner = max((switch for at, switch in moves if at == leaves_at), key=lambda switch: switch.number)
    assert winner.target_protocol_id is not None
    return Assigned(leaves_at, winner.target_protocol_id)


def _version_points(span: Assigned, facts: EnrolmentFacts, world: World) -> Iterable[datetime]:
    for switch in world[span.protocol_id].switches:
        if switch.kind is SwitchKind.PUBLISH and switch.holds(facts.selections):
            at = switch.effective_for(facts.zones)
            if at > span.from_at:
                yield at


def _segment(
    at: datetime, until: datetime | None, facts: EnrolmentFacts, world: World, governed: tuple[Assigned, ...]
) -> Segment:
    protocol_id = [span.protocol_id for span in governed if span.from_at <= at][-1]
    protocol = world[protocol_id]
    number = version_in_force(protocol, facts, at)
    content = protocol.versions[number] if number is not None else None
    changes = personal_changes_in_force(facts, world, governed, at)
    if content is not None and changes:
        content, applied = personal(content, changes)
    else:
        applied = 0
    return Segment(
        from_at=at,
        until_at=until,
        protocol_id=protocol_id,
        version_number=number,
        content=content,
        zone=zone_at(facts.zones, at),
        paused=any(pause.holds(at) for pause in facts.pauses),
        personal_changes=applied,
    )


def personal_changes_in_force(
    facts: EnrolmentFacts, world: World, governed: tuple[Assigned, ...], at: datetime
) -> dict[tuple[str, str], PersonalChange]:
    """The last change of each (activity, field) made not after `at`, neither cleared nor ended by a version since.

    Whether one that is live applies (the field may be locked) is for `personal` to say.
    """
    live: dict[tuple[str, str], PersonalChange] = {}
    for change in facts.personal_changes:
        if change.from_at <= at:
            live[(change.activity_key, change.field)] = change
    return {
        key: change
        for key, change in live.items()
        if change.value is not None and not _has_ended(change, facts, world, governed, at)
    }


def _has_ended(
    change: PersonalChange, facts: EnrolmentFacts, world: World, governed: tuple[Assigned, ...], at: datetime
) -> bool:
    """Rule 8: a field with policy follow ends at the first E whose value is another than the replaced one, for ever.

    A move carries only what is kept, so a followed change also ends where another protocol begins.
    """
    begins = change.from_at
    came_from = [span.protocol_id for span in governed if span.from_at <= begins][-1:]
    for index, span in enumerate(governed):
        ends = governed[index + 1].from_at if index + 1 < len(governed) else None
        if span.from_at > at or (ends is not None and ends <= begins):
            continue
        moved = [span.protocol_id] != came_from
        points = {max(span.from_at, begins), *_version_points(span, facts, world)}
        for point in sorted(point for point in points if begins <= point <= at and (ends is None or point < ends)):
            number = version_in_force(world[span.protocol_id], facts, point)
            if number is not None and _ends_in(world[span.protocol_id].versions[number], change, moved):
                return True
    return False


def _ends_in(content: Content, change: PersonalChange, moved: bool) -> bool:
    try:
        own = value_of(content, change.activity_key, change.field)
    except UnknownField:
        return False
    activity = content.activity(change.activity_key)
    assert activity is not None
    return activity.policy(change.field) is Policy.FOLLOW and (moved or own != change.replaced)


def _merged(made: Iterable[Segment]) -> Iterable[Segment]:
    before: Segment | None = None
    for segment in made:
        if before is not None and _same(before, segment):
            before = _with_end(before, segment.until_at)
            continue
        if before is not None:
            yield before
        before = segment
    if before is not None:
        yield before


def _same(one: Segment, other: Segment) -> bool:
    return (one.protocol_id, one.version_number, one.zone, one.paused, one.content) == (
        other.protocol_id,
        other.version_number,
        other.zone,
        other.paused,
        other.content,
    )


def _with_end(segment: Segment, until_at: datetime | None) -> Segment:
    return Segment(
        segment.from_at,
        until_at,
        segment.protocol_id,
        segment.version_number,
        segment.content,
        segment.zone,
        segment.paused,
        segment.personal_changes,
    )
