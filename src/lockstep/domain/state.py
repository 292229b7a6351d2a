"""What is in force and what is pending, for an enrolment, a switch and an operation: facts for the two lines."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from lockstep.domain.operation import ENDED, Operation, OperationKind, OperationState
from lockstep.domain.state_words import (
    Behind,
    NewerVersion,
    Paused,
    PausedLater,
    Pending,
    Recalculating,
    StateWords,
)
from lockstep.domain.switch import AcceptedSwitch, SwitchKind
from lockstep.domain.timeline import EnrolmentFacts, ProtocolFacts, Segment, World, in_force


@dataclass(frozen=True, slots=True)
class State:
    """What people are told of one enrolment; `next_change_at` is when the next change that is known already comes.

    `in_step` and `set_aside` are about now, and None in an answer about another instant.
    """

    enrolment_id: int
    at: datetime
    known_at: datetime
    in_step: bool | None
    set_aside: bool | None
    paused: bool
    next_change_at: datetime | None
    words: StateWords
    pending: Sequence[Pending]


@dataclass(frozen=True, slots=True)
class Coming:
    """From `segment.from_at` on another version, or another protocol, governs; `switch` decided it."""

    segment: Segment
    switch: AcceptedSwitch | None
    moves: bool


def coming(timeline: Sequence[Segment], facts: EnrolmentFacts, world: World, at: datetime) -> list[Coming]:
    """The changes of version and protocol after the instant that are decided already, in order. Pure."""
    found: list[Coming] = []
    before = in_force(tuple(timeline), at)
    for segment in timeline:
        if segment.from_at <= at:
            continue
        of_before = None if before is None else (before.protocol_id, before.version_number)
        if of_before != (segment.protocol_id, segment.version_number):
            moves = before is not None and before.protocol_id != segment.protocol_id
            found.append(Coming(segment, _deciding(segment, before if moves else None, facts, world), moves))
        before = segment
    return found


def coming_pause(timeline: Sequence[Segment], at: datetime) -> PausedLater | None:
    """The pause that begins next after the instant, if one is known already."""
    now = in_force(tuple(timeline), at)
    for segment in timeline:
        if segment.from_at > at and segment.paused and not (now is not None and now.paused):
            return PausedLater(segment.from_at, segment.zone, pause_ends(timeline, segment.from_at))
    return None


def pause_ends(timeline: Sequence[Segment], at: datetime) -> datetime | None:
    """When the pause that goes on at the instant ends; None where nobody knows yet, or the enrolment ends first."""
    return next((segment.from_at for segment in timeline if segment.from_at > at and not segment.paused), None)


def newer_version(protocol: ProtocolFacts, facts: EnrolmentFacts, number: int | None, at: datetime) -> list[Pending]:
    """A newer version that is in force for a selection to which the enrolment does not belong."""
    others = [
        switch.version_number
        for switch in protocol.switches
        if switch.version_number is not None and switch.first_at <= at and not switch.holds(facts.selections)
    ]
    newest = max(others, default=0)
    return [NewerVersion(newest)] if newest > (number or 0) else []


def behind(operations: Iterable[Operation], protocol_id: int, selections: frozenset[int]) -> list[Pending]:
    """That an agenda is behind, with what is done about it by the operations that concern it."""
    told: list[Pending] = [Behind()]
    for operation in operations:
        concerns = operation.selection_id is None or operation.selection_id in selections
        if operation.protocol_id == protocol_id and concerns:
            told += [each for each in [pending_of(operation)] if each is not None]
    return told


def pending_of(operation: Operation) -> Pending | None:
    """What an operation that recalculates means for whoever waits; None once it has ended, or before its instant."""
    if operation.kind is not OperationKind.RECALCULATION or operation.state in ENDED:
        return None
    if operation.state in (OperationState.PAUSING, OperationState.PAUSED) and operation.paused_until is not None:
        return Paused(operation.paused_until, "UTC", operation.reason or "no reason given")
    if operation.state is OperationState.ACCEPTED:
        return None
    return Recalculating(operation.done or 0, operation.total, operation.reason)


def _deciding(segment: Segment, before: Segment | None, facts: EnrolmentFacts, world: World) -> AcceptedSwitch | None:
    """The switch by which the segment begins: a move away from `before`, else the publication of its version."""
    if before is not None:
        found = [
            switch
            for switch in world[before.protocol_id].switches
            if switch.kind is SwitchKind.MOVE
            and switch.holds(facts.selections)
            and switch.effective_for(facts.zones) == segment.from_at
        ]
    else:
        found = [
            switch
            for switch in world[segment.protocol_id].switches
            if switch.version_number == segment.version_number and switch.holds(facts.selections)
        ]
    return found[-1] if found else None
