"""What rows that are due stand on: the courses of their enrolments, the rules of their activities, what follows."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from lockstep.domain.agenda import Course, Row, occurrences
from lockstep.domain.asked import asked_in
from lockstep.domain.content import Activity
from lockstep.domain.missed import missed_rules
from lockstep.domain.occurrence import Fate, Occurrence
from lockstep.domain.rule import Missed
from lockstep.domain.switch import SwitchKind
from lockstep.domain.timeline import ProtocolFacts, generation_at
from lockstep.engine.course import Memory, NotShared, OwnCourse, SharedCourse
from lockstep.engine.selection import list_memberships
from lockstep.store import timeline as facts_store
from lockstep.store.database import Connection
from lockstep.store.judgement import DueHead, Standing

_OUTAGES_REACH = timedelta(days=45)


class Due:
    """Held heads with rows that are due, and what is in force for them at `now`."""

    def __init__(
        self,
        connection: Connection,
        memory: Memory,
        *,
        organisation_id: int,
        heads: dict[int, DueHead],
        now: datetime,
    ) -> None:
        self._connection, self._memory, self._organisation_id = connection, memory, organisation_id
        self.heads, self.now = heads, now
        self.world = self._protocols({head.protocol_id for head in heads.values()})
        self._members = list_memberships(
            connection, organisation_id=organisation_id, world=self.world, enrolment_ids=heads
        )
        self.outages = facts_store.load_outages(
            connection, organisation_id=organisation_id, since_at=now - _OUTAGES_REACH
        )

    def take_behind(self) -> list[int]:
        """The enrolments whose heads are behind; they are looked at no more."""
        newest = {each: generation_at(self.world, each, self.now) for each in self.world}
        behind = [
            head.enrolment_id
            for head in self.heads.values()
            if head.generation < newest[head.protocol_id]
            or (head.next_change_at is not None and head.next_change_at <= self.now)
        ]
        for enrolment_id in behind:
            del self.heads[enrolment_id]
        return behind

    def shared(self, standing: Standing) -> tuple[list[tuple[SharedCourse, list[int]]], list[int]]:
        """The enrolments by the course they share with their cohort, and those that must be looked at by themselves."""
        place, none = standing.place, frozenset[int]()
        apart: list[int] = []
        alike: dict[tuple[int, frozenset[int]], list[int]] = defaultdict(list)
        for enrolment_id in standing.enrolment_ids:
            head = self.heads[enrolment_id]
            if head.individual_until > place.opens_at or head.protocol_id != place.protocol_id:
                apart.append(enrolment_id)
            else:
                alike[head.cohort_id, self._members.get(enrolment_id, none)].append(enrolment_id)
        self._memory.recall_cohorts(
            self._connection, organisation_id=self._organisation_id, cohort_ids={cohort_id for cohort_id, _ in alike}
        )
        return [(self._course(place.protocol_id, *key), members) for key, members in alike.items()], apart

    def following(self, standing: Standing) -> tuple[dict[Occurrence | None, list[int]], list[int]]:
        """Enrolments by the occurrence that follows once the standing's is decided, and those to be looked at apart.

        Apart are also those to whom a window that was open already may owe what was measured in it before.
        """
        courses, apart = self.shared(standing)
        found: dict[Occurrence | None, list[int]] = defaultdict(list)
        for course, members in courses:
            try:
                occurrence = course.following(standing.place, ())
            except NotShared:
                apart.extend(members)
                continue
            if occurrence is not None and (
                self._owes_earlier(occurrence) or _order(occurrence) <= _order(standing.place)
            ):
                apart.extend(members)
            else:
                found[occurrence].extend(members)
        return found, apart

    def extended(self, standing: Standing) -> tuple[dict[Occurrence, list[int]], list[int]]:
        """Enrolments whose due occurrence closes later because of an outage, by what it is now; and those apart."""
        if not any(outage.meets(standing.place.opens_at, standing.place.closes_at) for outage in self.outages):
            return {}, []
        courses, apart = self.shared(standing)
        found: dict[Occurrence, list[int]] = defaultdict(list)
        for course, members in courses:
            occurrence = _same(course.course, standing.place)
            if occurrence is None:
                # It closed before a switch, but with the outage it was still open then, and is superseded.
                apart.extend(members)
            elif occurrence.judge_at > standing.place.judge_at:
                found[occurrence].extend(members)
        return found, apart

    def opened(self, standings: Sequence[Standing]) -> list[Standing]:
        """The same, by the version that asked the occurrence, which judges it.

        A version that changes rules but no schedule draws no generation, so the rows still name an earlier one.
        """
        found: list[Standing] = []
        for standing in standings:
            place = standing.place
            if not self._has_silent_versions(place.protocol_id):
                found.append(standing)
                continue
            courses, apart = self.shared(standing)
            members_of: dict[int, list[int]] = defaultdict(list)
            for course, members in courses:
                members_of[_version(course.course, place)].extend(members)
            for enrolment_id, own in self._own(apart).items():
                members_of[_version(own.course, place)].append(enrolment_id)
            found.extend(
                Standing(replace(place, version_number=number), members) for number, members in members_of.items()
            )
        return found

    def rules(self, standing: Standing) -> list[tuple[Missed, list[int]]]:
        """The rules that the standing's occurrence, if missed, counts for, each with the enrolments it holds for.

        Those of the version that asked the occurrence, with the personal changes of then.
        """
        own = [each for each in standing.enrolment_ids if self.heads[each].individual_until > standing.place.opens_at]
        alike = standing.enrolment_ids if not own else sorted({*standing.enrolment_ids}.difference(own))
        found: dict[Missed, list[int]] = defaultdict(list)
        if alike:
            for rule in missed_rules(self._asked(standing.place)):
                found[rule].extend(alike)
        for enrolment_id, course in self._own(own).items():
            for rule in missed_rules(course.asked(standing.place)):
                found[rule].append(enrolment_id)
        return list(found.items())

    def _owes_earlier(self, occurrence: Occurrence) -> bool:
        return occurrence.nominal_at <= self.now and (
            occurrence.quantity > 1 or occurrence.nominal_at < occurrence.opens_at
        )

    def _protocols(self, protocol_ids: Iterable[int]) -> dict[int, ProtocolFacts]:
        return self._memory.world(self._connection, organisation_id=self._organisation_id, protocol_ids=protocol_ids)

    def _course(self, protocol_id: int, cohort_id: int, selections: frozenset[int]) -> SharedCourse:
        return self._memory.shared(
            self._connection,
            organisation_id=self._organisation_id,
            protocol=self.world[protocol_id],
            cohort_id=cohort_id,
            selections=selections,
            outages=self.outages,
            now=self.now,
        )

    def _protocol(self, protocol_id: int) -> ProtocolFacts:
        if protocol_id not in self.world:
            # The occurrence opened before the enrolment was moved to another protocol.
            self.world |= self._protocols({protocol_id})
        return self.world[protocol_id]

    def _has_silent_versions(self, protocol_id: int) -> bool:
        switches = self._protocol(protocol_id).switches
        return any(switch.kind is SwitchKind.PUBLISH and switch.generation is None for switch in switches)

    def _asked(self, place: Row) -> Activity | None:
        content = self._protocol(place.protocol_id).versions.get(place.version_number)
        return content.activity(place.activity_key) if content is not None else None

    def _own(self, enrolment_ids: Collection[int]) -> dict[int, OwnCourse]:
        if not enrolment_ids:
            return {}
        known = facts_store.load_enrolments(
            self._connection, organisation_id=self._organisation_id, enrolment_ids=sorted(enrolment_ids)
        )
        world = self._protocols({assigned.protocol_id for facts in known.values() for assigned in facts.assignments})
        return {each: OwnCourse(facts, world, self.outages, self.now) for each, facts in known.items()}


def _version(course: Course, place: Row) -> int:
    segment = asked_in(course.timeline, place.activity_key, place.key, place.opens_at)
    if segment is None or segment.version_number is None or segment.protocol_id != place.protocol_id:
        return place.version_number
    return segment.version_number


def _order(place: Row | Occurrence) -> tuple[datetime, datetime]:
    return place.judge_at, place.opens_at


def _same(course: Course, place: Row) -> Occurrence | None:
    """The occurrence of the place as it is on the course now."""
    for occurrence in occurrences(course, place.activity_key, from_at=place.opens_at, in_pauses=False):
        if occurrence.nominal_at > place.opens_at:
            return None
        if occurrence.key == place.key and occurrence.fate is Fate.ASKED:
            return occurrence
    return None
