"""Compares the heads of agendas with what is in force."""

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime

from lockstep.domain.check import CATCHING_UP, Demand, generation_for, same_timing
from lockstep.domain.drift import DriftKind, Evidence, evidence
from lockstep.domain.switch import AcceptedSwitch
from lockstep.domain.timeline import World, generation_at


@dataclass(frozen=True, slots=True)
class Heading:
    """What a head says its agenda was computed for."""

    protocol_id: int
    version_number: int
    generation: int
    cohort_id: int
    next_change_at: datetime | None
    ended_at: datetime | None = None

    @property
    def evidence(self) -> Evidence:
        """What was found, to be kept."""
        return evidence(
            protocol_id=self.protocol_id,
            version_number=self.version_number,
            generation=self.generation,
            cohort_id=self.cohort_id,
            next_change_at=self.next_change_at,
            **({} if self.ended_at is None else {"ended_at": self.ended_at}),
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a head is worth: `behind` when it is to be computed anew, a drift's kind and what is expected otherwise.

    `excused` says that it is behind as it may be, for a moment or because an operation that will do it is unfinished.
    """

    behind: bool = False
    excused: bool = False
    kind: DriftKind | None = None
    expected: Evidence | None = None


def compare_head(
    demand: Demand,
    world: World,
    heading: Heading | None,
    *,
    cohort_id: int | None,
    unfinished: Set[int],
    now: datetime,
    waiting: bool,
) -> Verdict:
    """Whether the head is what the facts demand; `unfinished` are generations still being recalculated. Pure.

    One that has ended has a head as long as a row is waiting, and no switch makes it behind.
    """
    expected = _expected(demand, world, cohort_id, now, waiting)
    if heading is None or expected is None:
        if heading is None and expected is None:
            return Verdict()
        return Verdict(kind=DriftKind.STALE_AGENDA, expected=expected.evidence if expected else None)
    if heading.ended_at != expected.ended_at:
        return Verdict(kind=DriftKind.STALE_AGENDA, expected=expected.evidence)
    if expected.ended_at is not None:
        return _left_over(demand, world, heading, expected)
    unseen = _unseen(demand, world, heading, now)
    changes = heading.next_change_at is not None and heading.next_change_at <= now
    if unseen or changes:
        return _behind(expected, heading, unseen, unfinished, now)
    if (
        heading.protocol_id != expected.protocol_id
        or heading.generation > expected.generation
        or not _is_version(world, heading, expected)
    ):
        return Verdict(kind=DriftKind.WRONG_VERSION, expected=expected.evidence)
    if heading.cohort_id != expected.cohort_id or _misses(heading.next_change_at, expected.next_change_at):
        return Verdict(kind=DriftKind.STALE_AGENDA, expected=expected.evidence)
    return Verdict()


def _left_over(demand: Demand, world: World, heading: Heading, expected: Heading) -> Verdict:
    """The head of one that has ended; one that a switch from before its end passed by is computed when it is judged."""
    assert expected.ended_at is not None
    if _unseen(demand, world, heading, expected.ended_at):
        return Verdict(behind=True, excused=True)
    if heading.protocol_id != expected.protocol_id or not _is_version(world, heading, expected):
        return Verdict(kind=DriftKind.WRONG_VERSION, expected=expected.evidence)
    if (heading.cohort_id, heading.next_change_at) != (expected.cohort_id, None):
        return Verdict(kind=DriftKind.STALE_AGENDA, expected=expected.evidence)
    return Verdict()


def _expected(demand: Demand, world: World, cohort_id: int | None, now: datetime, waiting: bool) -> Heading | None:
    segment = demand.now or (demand.timeline[-1] if waiting and demand.timeline else None)
    if segment is None:
        return None
    return Heading(
        protocol_id=segment.protocol_id,
        version_number=segment.version_number or 0,
        generation=generation_at(world, segment.protocol_id, now),
        cohort_id=cohort_id or 0,
        next_change_at=demand.change_at,
        ended_at=demand.facts.discharged_at if demand.now is None else None,
    )


def _unseen(demand: Demand, world: World, heading: Heading, now: datetime) -> list[AcceptedSwitch]:
    if heading.generation >= generation_for(demand.facts, world, heading.protocol_id, now):
        return []
    return [
        switch
        for switch in world[heading.protocol_id].switches
        if switch.generation is not None
        and switch.generation > heading.generation
        and switch.first_at <= now
        and switch.holds(demand.facts.selections)
    ]


def _behind(
    expected: Heading, heading: Heading, unseen: list[AcceptedSwitch], unfinished: Set[int], now: datetime
) -> Verdict:
    begun = [switch.first_at for switch in unseen]
    if heading.next_change_at is not None and heading.next_change_at <= now:
        begun.append(heading.next_change_at)
    if min(begun) > now - CATCHING_UP or any(switch.generation in unfinished for switch in unseen):
        return Verdict(behind=True, excused=True)
    kind = DriftKind.WRONG_VERSION if unseen else DriftKind.STALE_AGENDA
    return Verdict(behind=True, kind=kind, expected=expected.evidence)


def _is_version(world: World, heading: Heading, expected: Heading) -> bool:
    """Whether its version asks for the same at the same times: a version that changes no timing writes no head."""
    if heading.version_number == expected.version_number:
        return True
    versions = world[expected.protocol_id].versions
    if heading.version_number not in versions or expected.version_number not in versions:
        return False
    return same_timing(versions[heading.version_number], versions[expected.version_number])


def _misses(known_at: datetime | None, expected_at: datetime | None) -> bool:
    """Whether the head would sleep over the next change; one that wakes too early does no harm."""
    return expected_at is not None and (known_at is None or known_at > expected_at)
