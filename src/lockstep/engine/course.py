"""What enrolments go along: the course of a whole cohort, computed once and remembered, or that of one enrolment."""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

from lockstep.domain.agenda import Course, Row, activity_of, earliest_undecided, occurrences
from lockstep.domain.asked import asked_in
from lockstep.domain.cohort import FOR_EVER
from lockstep.domain.content import Activity
from lockstep.domain.occurrence import Key, Occurrence
from lockstep.domain.switch import SwitchKind, ZoneSpan
from lockstep.domain.timeline import (
    Assigned,
    EnrolmentFacts,
    ProtocolFacts,
    Segment,
    Span,
    World,
    as_of,
    segments,
)
from lockstep.store import agenda as agenda_store
from lockstep.store import measurement as store
from lockstep.store import timeline as facts_store
from lockstep.store.database import Connection, Database

_EVER = datetime(1900, 1, 1, tzinfo=UTC)
_NO_SWITCH: store.Mark = (0, 0)
_MOST_COURSES = 20_000
_MOST_FOLLOWING = 20_000


class OwnCourse:
    """The course of one enrolment, from its own facts, as far as it is in force at the instant it was made for."""

    shared = False

    def __init__(self, facts: EnrolmentFacts, world: World, outages: tuple[Span, ...], now: datetime) -> None:
        self.facts = facts
        self.whole = segments(facts, world)
        self.course = Course(as_of(self.whole, now), facts.anchor_on, outages, facts.events)

    def judging_at(self, at: datetime) -> Segment | None:
        """The span whose limits judge what was taken then; before enrolment, and before any limits, none.

        That is the one that holds the instant; after discharge, or while nothing is in force, the last with content.
        """
        begun = (segment for segment in reversed(self.whole) if segment.from_at <= at)
        return next((segment for segment in begun if segment.content is not None), None)

    def opened(self, row: Row) -> Row:
        """The row with the version that asked its occurrence; rows are not written when only rules change."""
        return _labelled(row, self._asked_in(row))

    def discharged(self, at: datetime) -> bool:
        """Whether the enrolment had ended by the instant."""
        return self.facts.discharged_at is not None and self.facts.discharged_at <= at

    def asked(self, row: Row) -> Activity | None:
        """The activity as it was when the row's occurrence was asked."""
        segment = self._asked_in(row)
        return activity_of(segment, row.activity_key) if segment else None

    def _asked_in(self, row: Row) -> Segment | None:
        return asked_in(self.course.timeline, row.activity_key, row.key, row.opens_at)

    def measured(self, at: datetime, code: str) -> tuple[Segment, list[Activity]] | None:
        """What judges at the instant, with its activities that the code is measured for."""
        segment = self.judging_at(at)
        if segment is None:
            return None
        assert segment.content is not None
        return segment, [activity for activity in segment.content.activities if activity.code == code]

    def following(self, row: Row, decided: Collection[Key]) -> Occurrence | None:
        """The earliest undecided occurrence once the row's is decided."""
        return earliest_undecided(self.course, row.activity_key, from_at=row.opens_at, decided={*decided, row.key})


def _labelled(row: Row, segment: Segment | None) -> Row:
    if segment is None or segment.version_number in (None, row.version_number):
        return row
    if segment.protocol_id != row.protocol_id:
        return row
    return replace(row, version_number=segment.version_number)


class NotShared(Exception):
    """The answer depends on facts that the cohort does not share."""


class SharedCourse:
    """The course of every enrolment of a cohort on one protocol that has no facts of its own."""

    shared = True

    def __init__(self, protocol: ProtocolFacts, timeline: tuple[Segment, ...], course: Course) -> None:
        self._protocol = protocol
        self._timeline = timeline
        self._begins = [segment.from_at for segment in timeline]
        self.governs_from = next((each.from_at for each in timeline if each.content is not None), FOR_EVER)
        """Before it no version of the protocol is in force: what judges then is for each enrolment's own course."""
        self.course = course
        self._following: dict[tuple[str, date, str, datetime], Occurrence | NotShared | None] = {}
        self._measured: dict[tuple[int, str], tuple[Segment, list[Activity]] | None] = {}
        self._asked: dict[tuple[int, str], Activity | None] = {}

    def asked(self, row: Row) -> Activity | None:
        """The activity as it was when the row's occurrence was asked."""
        key = (self.opened(row).version_number, row.activity_key)
        if key not in self._asked:
            content = self._protocol.versions.get(key[0])
            self._asked[key] = content.activity(row.activity_key) if content else None
        return self._asked[key]

    def opened(self, row: Row) -> Row:
        """The row with the version in force when its occurrence opened; rows are not written when only rules change."""
        return _labelled(row, self._timeline[max(bisect_right(self._begins, row.opens_at) - 1, 0)])

    def measured(self, at: datetime, code: str) -> tuple[Segment, list[Activity]] | None:
        """What is in force at the instant, with its activities that the code is measured for."""
        index = bisect_right(self._begins, at) - 1
        key = (index, code)
        if key not in self._measured:
            segment = self._timeline[max(index, 0)]
            content = segment.content
            self._measured[key] = (
                None if content is None else (segment, [each for each in content.activities if each.code == code])
            )
        return self._measured[key]

    def following(self, row: Row, decided: Collection[Key]) -> Occurrence | None:
        """The earliest undecided occurrence once the row's is decided; raises NotShared where own facts matter."""
        key = (row.activity_key, row.on, row.slot, row.opens_at)
        if key not in self._following:
            if len(self._following) >= _MOST_FOLLOWING:
                self._following.clear()
            self._following[key] = self._compute(row, {row.key})
        found = self._following[key]
        if found is not None and not isinstance(found, NotShared) and found.key in decided:
            found = self._compute(row, {*decided, row.key})
        if isinstance(found, NotShared):
            raise found
        return found

    def _compute(self, row: Row, decided: set[Key]) -> Occurrence | NotShared | None:
        for occurrence in occurrences(self.course, row.activity_key, from_at=row.opens_at, in_pauses=False):
            if occurrence.nominal_at > row.opens_at:
                break
            # Another window that was open already: whether it was asked depends on when the enrolment began.
            if occurrence.key != row.key and occurrence.nominal_at < row.opens_at:
                return NotShared()
        return earliest_undecided(self.course, row.activity_key, from_at=row.opens_at, decided=decided)


class Memory:
    """What one process remembers of a database: published contents, timelines of protocols, courses of cohorts.

    Everything in it is either immutable or kept under a mark that changes with what it was computed from.
    """

    def __init__(self) -> None:
        self._protocols: dict[tuple[int, int], tuple[store.Mark | None, ProtocolFacts]] = {}
        self._keys: dict[tuple[int, str], frozenset[str]] = {}
        self._cohorts: dict[tuple[int, int], tuple[str, date]] = {}
        self._timelines: dict[tuple[Any, ...], tuple[Segment, ...]] = {}
        self._courses: dict[tuple[Any, ...], SharedCourse] = {}

    def recall(self, connection: Connection, *, organisation_id: int, protocol_ids: Iterable[int]) -> set[int]:
        """The protocols are remembered, if not as they stand now; returns them with all that their moves lead to."""
        wanted = set(protocol_ids)
        if any((organisation_id, each) not in self._protocols for each in wanted):
            self.world(connection, organisation_id=organisation_id, protocol_ids=wanted)
        return self._closure(organisation_id, wanted)

    def activity_keys(self, organisation_id: int, code: str) -> frozenset[str]:
        """The keys under which any remembered version of the organisation measures the code."""
        return self._keys.get((organisation_id, code), frozenset())

    def world(
        self,
        connection: Connection,
        *,
        organisation_id: int,
        protocol_ids: Iterable[int],
        marks: Mapping[int, store.Mark] | None = None,
    ) -> dict[int, ProtocolFacts]:
        """The protocols and where their moves lead, as they stand now or when `marks` were read. Locks: none."""
        wanted = self._closure(organisation_id, set(protocol_ids))
        if not wanted:
            return {}
        if marks is None:
            marks = store.list_switch_marks(connection, organisation_id=organisation_id, protocol_ids=wanted)
        stale = []
        for protocol_id in wanted:
            known = self._protocols.get((organisation_id, protocol_id))
            if known is None or known[0] is None or known[0] != marks.get(protocol_id, _NO_SWITCH):
                stale.append(protocol_id)
        loaded: World = {}
        if stale:
            loaded = facts_store.load_world(connection, organisation_id=organisation_id, protocol_ids=stale)
            for protocol_id, protocol in loaded.items():
                # The mark was read before, so it is never newer than what it stands for; without one it is read again.
                mark = marks.get(protocol_id, _NO_SWITCH) if protocol_id in wanted else None
                self._remember(organisation_id, protocol, mark)
        return {**{each: self._protocols[organisation_id, each][1] for each in wanted}, **loaded}

    def _remember(self, organisation_id: int, protocol: ProtocolFacts, mark: store.Mark | None) -> None:
        for content in protocol.versions.values():
            for activity in content.activities:
                key = (organisation_id, activity.code)
                self._keys[key] = self._keys.get(key, frozenset()) | {activity.key}
        self._protocols[organisation_id, protocol.protocol_id] = (mark, protocol)

    def shared(
        self,
        connection: Connection,
        *,
        organisation_id: int,
        protocol: ProtocolFacts,
        cohort_id: int,
        selections: frozenset[int],
        outages: tuple[Span, ...],
        now: datetime,
    ) -> SharedCourse:
        """The course of a cohort on a protocol, as far as it is in force at the instant. Locks: none."""
        zone, anchor_on = self._cohort(connection, organisation_id, cohort_id)
        # The protocol's facts are a new object whenever its timeline changed; they are kept alive by the entry itself.
        key = (organisation_id, protocol.protocol_id, id(protocol), zone, anchor_on, selections)
        timeline = self._timelines.get(key)
        if timeline is None:
            self._make_room()
            timeline = self._timelines[key] = _publications(protocol, zone, anchor_on, selections)
        known = max(1, sum(1 for segment in timeline if segment.from_at <= now))
        course = self._courses.get((*key, known, outages))
        if course is None:
            in_it = Course(as_of(timeline, now), anchor_on, outages)
            course = self._courses[(*key, known, outages)] = SharedCourse(protocol, in_it.timeline, in_it)
        return course

    def recall_cohorts(self, connection: Connection, *, organisation_id: int, cohort_ids: Collection[int]) -> None:
        """Zone and anchor of the cohorts are remembered. Locks: none."""
        missing = [each for each in set(cohort_ids) if (organisation_id, each) not in self._cohorts]
        if missing:
            found = agenda_store.list_cohorts(connection, organisation_id=organisation_id, cohort_ids=sorted(missing))
            self._cohorts.update({(organisation_id, each): found[each] for each in found})

    def _cohort(self, connection: Connection, organisation_id: int, cohort_id: int) -> tuple[str, date]:
        if (organisation_id, cohort_id) not in self._cohorts:
            self.recall_cohorts(connection, organisation_id=organisation_id, cohort_ids=[cohort_id])
        return self._cohorts[organisation_id, cohort_id]

    def _closure(self, organisation_id: int, wanted: set[int]) -> set[int]:
        found = set(wanted)
        ahead = list(wanted)
        while ahead:
            known = self._protocols.get((organisation_id, ahead.pop()))
            targets = {switch.target_protocol_id for switch in known[1].switches} if known else set()
            new = {target for target in targets if target is not None} - found
            found |= new
            ahead.extend(new)
        return found

    def _make_room(self) -> None:
        if len(self._timelines) >= _MOST_COURSES or len(self._courses) >= 2 * _MOST_COURSES:
            self._timelines.clear()
            self._courses.clear()


def _publications(
    protocol: ProtocolFacts, zone: str, anchor_on: date, selections: frozenset[int]
) -> tuple[Segment, ...]:
    """The timeline of a protocol's versions. Moves are left out: who is on the protocol in step was not moved away."""
    published = tuple(switch for switch in protocol.switches if switch.kind is SwitchKind.PUBLISH)
    facts = EnrolmentFacts(
        patient_id=0,
        anchor_on=anchor_on,
        enrolled_at=_EVER,
        zones=(ZoneSpan(_EVER, zone),),
        assignments=(Assigned(_EVER, protocol.protocol_id),),
        selections=selections,
    )
    world = {
        protocol.protocol_id: ProtocolFacts(protocol.protocol_id, published, protocol.versions),
    }
    return segments(facts, world)


_memories: "WeakKeyDictionary[Database, Memory]" = WeakKeyDictionary()
_making = Lock()


def memory_of(database: Database) -> Memory:
    """What this process remembers of the database."""
    found = _memories.get(database)
    if found is None:
        with _making:
            found = _memories.setdefault(database, Memory())
    return found
