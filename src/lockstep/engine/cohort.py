"""What the members of a cohort must hold in their agenda rows, computed once and kept for the chunks that follow."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from lockstep.domain.agenda import asked_at_changes
from lockstep.domain.cohort import (
    Cohort,
    CohortCourse,
    Standing,
    cohort_course,
    first_unseen,
    moving_keys,
    phase_days,
    reach,
    representative,
    settled,
    target,
)
from lockstep.domain.occurrence import Key, Occurrence
from lockstep.domain.switch import SwitchKind
from lockstep.domain.timeline import Span, World, generation_at
from lockstep.store.recalculation import HeadGroup

_KINDS_LIMIT = 500

CohortKey = tuple[str, date]
"""Zone and anchor."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Heads of one kind share everything that bears on their targets except cohort and rows."""

    protocol_id: int
    generation: int
    next_change_at: datetime | None
    assigned_at: datetime
    assigned_protocol_id: int
    selections: frozenset[int]


class KindTargets:
    """The courses and targets of one kind, by cohort (zone, anchor); each computed when first asked for."""

    def __init__(self, kind: Kind, world: World, outages: tuple[Span, ...], now: datetime) -> None:
        self.kind = kind
        self._world, self._outages, self._now = world, outages, now
        self._courses: dict[CohortKey, CohortCourse] = {}
        self._moving: dict[str, Sequence[str]] = {}
        self._on_the_way: dict[tuple[CohortKey, str], list[Occurrence]] = {}
        self._heads: dict[CohortKey, tuple[int, int, int, datetime | None]] = {}
        self._targets: dict[tuple[str, Standing | None, frozenset[Key]], dict[CohortKey, Occurrence | None]] = {}

    def course(self, cohort: CohortKey) -> CohortCourse:
        """The course of the heads of this kind in the cohort."""
        if cohort not in self._courses:
            self._courses[cohort] = self._compute_course(*cohort)
        return self._courses[cohort]

    def targets(
        self, activity_key: str, standing: Standing | None, also: frozenset[Key] = frozenset()
    ) -> Callable[[CohortKey], Occurrence | None]:
        """By cohort the occurrence that a row standing there must hold; see domain.cohort.target."""
        known = self._targets.setdefault((activity_key, standing, also), {})

        def of(cohort: CohortKey) -> Occurrence | None:
            if cohort not in known:
                known[cohort] = target(self.course(cohort), activity_key, standing, also)
            return known[cohort]

        return of

    def asked_on_the_way(self, cohort: CohortKey, activity_key: str) -> list[Occurrence]:
        """What changes asked in mid-window, where a later one ended or followed it; none where there was one change."""
        key = (cohort, activity_key)
        if key not in self._on_the_way:
            course = self.course(cohort)
            found = list(asked_at_changes(course.course, activity_key, since_at=course.changed_at))
            several = len(found) > 1 or any(each.ended_at for each in found)
            self._on_the_way[key] = found if several else []
        return self._on_the_way[key]

    def moving_keys(self, cohorts: Iterable[CohortKey]) -> list[str]:
        """The activities whose window may differ for any of the cohorts: their timing is not the same ever since."""
        moving: dict[str, None] = {}
        for cohort in {zone: (zone, anchor_on) for zone, anchor_on in cohorts}.values():
            if cohort[0] not in self._moving:
                self._moving[cohort[0]] = moving_keys(self.course(cohort))
            moving.update(dict.fromkeys(self._moving[cohort[0]]))
        return list(moving)

    def head_values(self, cohort: CohortKey) -> tuple[int, int, int, datetime | None]:
        """What the cohort's heads carry once computed: protocol, version, generation, next change."""
        if cohort not in self._heads:
            course = self.course(cohort)
            segment = course.in_force
            generation = generation_at(self._world, segment.protocol_id, self._now)
            self._heads[cohort] = (
                segment.protocol_id,
                segment.version_number or 0,
                generation,
                course.next_change_at,
            )
        return self._heads[cohort]

    def remembers_since(self, cohorts: Iterable[CohortKey]) -> datetime:
        """Rows that opened earlier were left unjudged for so long that courses do not reach back to them."""
        changed_at = min(self.course(cohort).changed_at for cohort in cohorts)
        return changed_at - reach(self._world) * 2 / 3

    def next_change_at(self) -> datetime | None:
        """The first instant at which a course computed so far changes."""
        return min(
            (course.next_change_at for course in self._courses.values() if course.next_change_at),
            default=None,
        )

    def _compute_course(self, zone: str, anchor_on: date) -> CohortCourse:
        kind = self.kind
        changed_at = first_unseen(
            zone,
            kind.protocol_id,
            self._world,
            generation=kind.generation,
            next_change_at=kind.next_change_at,
            now=self._now,
        )
        # A newcomer knows nothing from before its assignment.
        changed_at = max(changed_at, kind.assigned_at)
        members = Cohort(zone, anchor_on, kind.assigned_at, kind.assigned_protocol_id, kind.selections)
        members = settled(members, self._world, changed_at=changed_at)
        return cohort_course(members, self._world, changed_at=changed_at, now=self._now, outages=self._outages)


class Targets:
    """What members must hold under one world, known outages and instant; forgotten when any of them changes."""

    def __init__(self, world: World, outages: tuple[Span, ...], now: datetime) -> None:
        self.world, self.outages, self.now = world, outages, now
        self._of: dict[Kind, KindTargets] = {}
        self._begins_at = _next_begin(world, now)
        self._phase_days = phase_days(world)
        # Zones differ by a day; windows reach back from the change; a phase's first date lies before all of that.
        self._since_on = (now - 4 * reach(world) - timedelta(days=self._phase_days or 0)).date()

    def of(self, kind: Kind) -> KindTargets:
        """The targets of one kind of heads."""
        if kind not in self._of:
            self._of[kind] = KindTargets(kind, self.world, self.outages, self.now)
        return self._of[kind]

    def representative(self, cohort: CohortKey, begins: datetime) -> CohortKey:
        """The cohort, or the one that stands for all whose anchors make no difference to what is looked at."""
        zone, anchor_on = cohort
        before_on = min(self._since_on, begins.date() - timedelta(days=2 + (self._phase_days or 0)))
        return zone, representative(anchor_on, self._phase_days, before_on)

    def still_hold(self, world: World, outages: tuple[Span, ...], now: datetime) -> bool:
        """Whether what is kept is also right at this later instant: same facts, and no course has changed since.

        Nor has a scheduled switch begun for anybody: from then on heads carry its generation, wherever they are.
        """
        if world != self.world or outages != self.outages or now < self.now or len(self._of) > _KINDS_LIMIT:
            return False
        if self._begins_at is not None and self._begins_at <= now:
            return False
        changes = [kind.next_change_at() for kind in self._of.values()]
        return all(change is None or change > now for change in changes)


def _next_begin(world: World, now: datetime) -> datetime | None:
    """The next instant at which a scheduled switch begins to be in force for somebody."""
    coming = (switch.first_at for each in world.values() for switch in each.switches if switch.first_at > now)
    return min(coming, default=None)


def kind_of(group: HeadGroup, protocol_id: int, selections: frozenset[int]) -> Kind:
    """The kind of a group's members that these selections hold; `protocol_id` is what `settled_protocol` says."""
    return Kind(group.protocol_id, group.generation, group.next_change_at, group.assigned_at, protocol_id, selections)


def settled_protocol(group: HeadGroup, world: World, begins: datetime) -> int | None:
    """The protocol to which a group's members were assigned at its `assigned_at`; None when that differs among them.

    Members of long ago count as assigned at `begins`, to what they stood on then: the head's protocol, unless the head
    saw a move since; then their first one, unless there were moves before, too.
    """
    if group.assigned_at > begins:
        return group.assigned_protocol_id
    moves = [switch for each in world.values() for switch in each.switches if switch.kind is SwitchKind.MOVE]
    if not any(move.first_at > begins and (move.generation or 0) <= group.generation for move in moves):
        return group.protocol_id
    if not any(move.first_at <= begins for move in moves):
        return group.assigned_protocol_id
    return None


def settled_since(world: World, changed_at: datetime) -> datetime:
    """What began before this bears on no window open at the change or later; on the hour, so that chunks agree."""
    return (changed_at - 2 * reach(world)).replace(minute=0, second=0, microsecond=0)
