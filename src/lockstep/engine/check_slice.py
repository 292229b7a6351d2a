"""Examines a slice of enrolments in one snapshot: loads facts and what is stored, and compares them in bulk."""

import hashlib
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from lockstep.domain.check import PATIENCE, Demand, Period, demand, reach
from lockstep.domain.check_comparison import Findings, Group, compare
from lockstep.domain.check_head import Heading, Verdict, compare_head
from lockstep.domain.check_stored import Decided, Held, Stored
from lockstep.domain.drift import Drift
from lockstep.domain.switch import SwitchKind, ZoneSpan, zone_at
from lockstep.domain.timeline import Assigned, EnrolmentFacts, Span, World, assignments
from lockstep.engine.check_answer import answer
from lockstep.store import check_stored as stored_store
from lockstep.store import timeline as facts_store
from lockstep.store.check import EVER
from lockstep.store.check_stored import Listing, Subject
from lockstep.store.clock import now as clock_now
from lockstep.store.database import Connection

_OUTAGES_REACH = timedelta(days=45)
_EVENTS_REACH = timedelta(days=35)
_LONGEST_AGO = timedelta(days=5)
_EARLIEST_ZONE = timedelta(hours=12)
_MOST_DEMANDS = 50_000
_DIGEST_BITS = 256


@dataclass(slots=True)
class Examined:
    """What one slice showed; `digest` adds up over slices, however they are cut."""

    checked: int
    drifts: list[Drift]
    pending: set[int]
    digest: int
    judged_until_at: datetime
    now: datetime


@dataclass(slots=True)
class Members:
    """Enrolments of the slice with the same facts."""

    facts: EnrolmentFacts
    subjects: list[Subject] = field(default_factory=list)
    demand: Demand | None = None


class Memory:
    """What must be for groups met before in the same check; nothing in it is needed for correctness."""

    def __init__(self) -> None:
        self.cohorts: dict[tuple[str, date], int] = {}
        self._demands: dict[tuple[Any, ...], Demand] = {}
        self._under: tuple[Any, ...] = ()
        self.governed: dict[tuple[Any, ...], int] = {}

    def enter(self, world: World, outages: tuple[Span, ...], since_at: datetime | None, organisation_id: int) -> None:
        """What was computed under other facts is forgotten."""
        under = (dict(world), outages, since_at, organisation_id)
        if under != self._under or len(self._demands) > _MOST_DEMANDS:
            self._under = under
            self._demands.clear()
            self.governed.clear()

    def demand(self, key: tuple[Any, ...], facts: EnrolmentFacts, world: World, period: Period) -> Demand:
        """What must be for the group."""
        found = self._demands.get(key)
        if found is None or period.now >= found.valid_until_at:
            found = self._demands[key] = demand(facts, world, self._under[1], period)
        return found


def examine(
    connection: Connection,
    *,
    organisation_id: int,
    enrolment_ids: Sequence[int],
    since_at: datetime | None,
    memory: Memory,
) -> Examined:
    """What is stored of the enrolments differs from what their facts demand in these drifts. Reads only. Locks: none.

    The transaction must be repeatable read, so that facts and what is stored belong together.
    """
    return _Slice(connection, organisation_id, enrolment_ids, since_at, memory).examine()


class _Slice:
    def __init__(
        self,
        connection: Connection,
        organisation_id: int,
        enrolment_ids: Sequence[int],
        since_at: datetime | None,
        memory: Memory,
    ) -> None:
        self._connection, self._organisation_id = connection, organisation_id
        self._ids, self._since_at, self._memory = enrolment_ids, since_at, memory
        self._now = clock_now(connection)
        self._drifts: list[Drift] = []
        self._pending: set[int] = set()
        self._digest = 0

    def examine(self) -> Examined:
        self._load()
        groups = self._group()
        stored = self._stored(groups)
        compared = [self._compare(key, groups[key], stored[number]) for number, key in enumerate(groups)]
        self._drifts += answer(
            self._connection,
            organisation_id=self._organisation_id,
            compared=compared,
            world=self._world,
            period=self._period,
        )
        return Examined(
            checked=len(self._subjects),
            drifts=sorted(self._drifts, key=lambda drift: drift.order),
            pending=self._pending,
            digest=self._digest,
            judged_until_at=self._period.horizon_at or EVER,
            now=self._now,
        )

    def _load(self) -> None:
        key: dict[str, Any] = {"organisation_id": self._organisation_id}
        self._subjects = stored_store.list_subjects(self._connection, **key, enrolment_ids=self._ids)
        apart = [subject.enrolment_id for subject in self._subjects if subject.apart]
        begun = EVER if self._since_at is None else self._since_at - _EVENTS_REACH
        self._own = facts_store.load_enrolments(
            self._connection, **key, enrolment_ids=apart, events_since_at=begun
        ) if apart else {}  # fmt: skip
        protocol_ids = {subject.protocol_id for subject in self._subjects}
        protocol_ids |= {subject.heading.protocol_id for subject in self._subjects if subject.heading is not None}
        protocol_ids |= {each.protocol_id for facts in self._own.values() for each in facts.assignments}
        self._world = facts_store.load_world(self._connection, **key, protocol_ids=protocol_ids)
        outages_since_at = EVER if self._since_at is None else self._since_at - _OUTAGES_REACH
        outages = facts_store.load_outages(self._connection, **key, since_at=outages_since_at)
        slack = sum((each.until_at - each.from_at for each in outages if each.until_at), start=timedelta())
        seen_at = stored_store.find_seen(self._connection, **key)
        horizon_at = None if seen_at is None else min(self._now - PATIENCE, seen_at - timedelta(microseconds=1))
        self._period = Period(self._since_at, self._now, horizon_at, slack)
        self._outages = outages
        self._memory.enter(self._world, outages, self._since_at, self._organisation_id)
        self._unfinished = stored_store.list_unfinished_generations(self._connection, **key)
        relevant = {
            switch.selection_id
            for protocol in self._world.values()
            for switch in protocol.switches
            if switch.selection_id is not None
        }
        self._members = stored_store.list_members(
            self._connection, **key, enrolment_ids=self._ids, selection_ids=relevant
        )

    # -- who shares all facts

    def _group(self) -> dict[tuple[Any, ...], Members]:
        groups: dict[tuple[Any, ...], Members] = {}
        none: frozenset[int] = frozenset()
        settled_at = self._settled_at()
        moves = _Moves(self._world, settled_at) if settled_at is not None else None
        for subject in self._subjects:
            key: tuple[Any, ...]
            if subject.apart:
                key = (subject.enrolment_id,)
                groups[key] = Members(self._own[subject.enrolment_id], [subject])
                continue
            selections = self._members.get(subject.enrolment_id, none)
            from_at, protocol_id = subject.from_at, subject.protocol_id
            if settled_at is not None and moves is not None and from_at < settled_at:
                protocol_id = moves.governing(subject, selections, self._memory.governed)
                from_at = settled_at
            key = (subject.zone, subject.anchor_on, from_at, protocol_id, selections)
            group = groups.get(key)
            if group is None:
                facts = _facts(subject.zone, subject.anchor_on, from_at, protocol_id, selections)
                group = groups[key] = Members(facts)
            group.subjects.append(subject)
        self._know_cohorts(groups.values())
        return groups

    def _settled_at(self) -> datetime | None:
        """When an assignment began matters no more if that was long before the first window that is compared."""
        if self._since_at is None:
            return None
        return self._since_at - self._period.slack - 2 * reach(self._world) - _LONGEST_AGO

    def _know_cohorts(self, groups: Iterable[Members]) -> None:
        """Numbers of cohorts that the memory lacks; one that does not exist stays unknown, and no row can name it."""
        wanted = {_cohort(group.facts, self._now) for group in groups} - self._memory.cohorts.keys()
        if wanted:
            self._memory.cohorts.update(
                stored_store.list_cohorts(
                    self._connection, organisation_id=self._organisation_id, wanted=sorted(wanted)
                )
            )

    # -- what is stored of each group

    def _stored(self, groups: Mapping[tuple[Any, ...], Members]) -> list[Stored]:
        key: dict[str, Any] = {"organisation_id": self._organisation_id, "enrolment_ids": self._ids}
        since_at = None if self._since_at is None else self._since_at - self._period.slack
        rows = stored_store.list_rows(self._connection, **key)
        decided = stored_store.list_decided(
            self._connection, **key, since_at=since_at, today_on=(self._now - _EARLIEST_ZONE).date()
        )
        alerts = stored_store.list_alerts(self._connection, **key, since_at=since_at)
        group_of = {
            subject.enrolment_id: number for number, group in enumerate(groups.values()) for subject in group.subjects
        }
        stored = [Stored() for _ in groups]
        for held, ids in rows:
            self._count(_held_text(held), ids)
            for number, members in _divided(ids, group_of):
                stored[number].rows.setdefault(held.activity_key, []).append((held, members))
        for each, ids in decided:
            if self._period.holds(each.judge_at):
                self._count(_decided_text(each), ids)
            for number, members in _divided(ids, group_of):
                stored[number].decided.setdefault(each.activity_key, []).append((each, members))
        for listing, ids in alerts:
            for number, members in _divided(ids, group_of):
                _add_alert(stored[number], listing, members)
        return stored

    def _count(self, value: str, ids: Iterable[int]) -> None:
        """The digest holds the value for each enrolment; sums do not depend on how enrolments are grouped or cut."""
        begun = hashlib.sha256(value.encode())
        total = 0
        for enrolment_id in ids:
            one = begun.copy()
            one.update(b"|%d" % enrolment_id)
            total += int.from_bytes(one.digest())
        self._digest = (self._digest + total) % (1 << _DIGEST_BITS)

    # -- comparing

    def _compare(self, key: tuple[Any, ...], group: Members, stored: Stored) -> tuple[Findings, Demand]:
        if len(key) == 1:
            group.demand = demand(group.facts, self._world, self._outages, self._period)
        else:
            group.demand = self._memory.demand(key, group.facts, self._world, self._period)
        cohort_id = self._memory.cohorts.get(_cohort(group.facts, self._now))
        behind = self._compare_heads(group, group.demand, cohort_id, waiting=bool(stored.rows))
        members = frozenset(subject.enrolment_id for subject in group.subjects)
        findings = compare(
            group.demand, self._world, Group(members, frozenset(behind), cohort_id), stored, self._period
        )
        self._drifts += findings.drifts
        # Whoever is behind without an excuse drifts: that is no pending one.
        self._pending |= findings.pending - (behind - self._pending)
        return findings, group.demand

    def _compare_heads(self, group: Members, asked: Demand, cohort_id: int | None, *, waiting: bool) -> set[int]:
        """The heads are compared; returns whose rows are not worth comparing, because they are about to be computed."""
        behind: set[int] = set()
        verdicts: dict[object, Verdict] = {}
        for subject in group.subjects:
            heading = subject.heading
            verdict = verdicts.get(heading)
            if verdict is None:
                verdict = verdicts[heading] = compare_head(
                    asked,
                    self._world,
                    heading,
                    cohort_id=cohort_id,
                    unfinished=self._unfinished,
                    now=self._now,
                    waiting=waiting,
                )
            if subject.aside or verdict.behind:
                behind.add(subject.enrolment_id)
            if subject.aside or verdict.excused:
                self._pending.add(subject.enrolment_id)
            elif verdict.kind is not None:
                found = heading.evidence if heading is not None else None
                self._drifts.append(Drift(subject.enrolment_id, None, verdict.kind, verdict.expected, found))
        by_heading: dict[Heading | None, list[int]] = defaultdict(list)
        for subject in group.subjects:
            by_heading[subject.heading].append(subject.enrolment_id)
        for heading, ids in by_heading.items():
            self._count(f"head|{heading}", ids)
        return behind


class _Moves:
    """Which protocol governs by a given instant those who were assigned to one long before it."""

    def __init__(self, world: World, settled_at: datetime) -> None:
        self._world, self._settled_at = world, settled_at
        self._switches = [
            switch for each in world.values() for switch in each.switches if switch.kind is SwitchKind.MOVE
        ]
        self._instants: dict[str, list[datetime]] = {}

    def governing(self, subject: Subject, selections: frozenset[int], known: dict[tuple[Any, ...], int]) -> int:
        """Only the order of the assignment among the moves matters, so the answer is remembered by it."""
        if not self._switches:
            return subject.protocol_id
        instants = self._instants.get(subject.zone)
        if instants is None:
            zones = (ZoneSpan(EVER, subject.zone),)
            instants = self._instants[subject.zone] = sorted(each.effective_for(zones) for each in self._switches)
        place = bisect_right(instants, subject.from_at)
        # An assignment at the very instant of a move is concerned by it: it stands before it.
        place -= place > 0 and instants[place - 1] == subject.from_at
        key = (subject.zone, subject.protocol_id, selections, place)
        if key not in known:
            facts = _facts(subject.zone, subject.anchor_on, subject.from_at, subject.protocol_id, selections)
            spans = assignments(facts, self._world)
            known[key] = [span.protocol_id for span in spans if span.from_at <= self._settled_at][-1]
        return known[key]


def _facts(
    zone: str, anchor_on: date, from_at: datetime, protocol_id: int, selections: frozenset[int]
) -> EnrolmentFacts:
    return EnrolmentFacts(
        patient_id=0,
        anchor_on=anchor_on,
        enrolled_at=from_at,
        zones=(ZoneSpan(from_at, zone),),
        assignments=(Assigned(from_at, protocol_id),),
        selections=selections,
    )


def _cohort(facts: EnrolmentFacts, now: datetime) -> tuple[str, date]:
    return zone_at(facts.zones, facts.lasting_at(now)), facts.anchor_on


def _divided(ids: Sequence[int], group_of: Mapping[int, int]) -> Iterable[tuple[int, set[int]]]:
    divided: dict[int, set[int]] = {}
    for enrolment_id in ids:
        number = group_of[enrolment_id]
        if number in divided:
            divided[number].add(enrolment_id)
        else:
            divided[number] = {enrolment_id}
    return divided.items()


def _add_alert(stored: Stored, listing: Listing, members: set[int]) -> None:
    if listing.on is not None and listing.slot is not None:
        key = (listing.activity_key, listing.rule_key, listing.on, listing.slot)
        stored.listed.setdefault(key, set()).update(members)
        if listing.is_open:
            stored.shown.setdefault((key, listing.severity), set()).update(members)
    if listing.is_open:
        stored.open_alerts.setdefault((listing.activity_key, listing.rule_key), set()).update(members)


def _held_text(held: Held) -> str:
    return (
        f"row|{held.activity_key}|{held.on}|{held.slot}|{held.opens_at}|{held.closes_at}|{held.judge_at}"
        f"|{held.protocol_id}|{held.version_number}|{held.cohort_id}"
    )


def _decided_text(decided: Decided) -> str:
    return (
        f"occurrence|{decided.activity_key}|{decided.on}|{decided.slot}|{decided.opens_at}|{decided.closes_at}"
        f"|{decided.judge_at}|{decided.first}|{decided.state}"
    )
