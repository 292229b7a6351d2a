"""Enrolments that share zone, anchor and assignment share their next occurrences: computed once for all of them."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from math import lcm

from lockstep.domain.agenda import Course, activity_keys, activity_of, earliest_undecided, occurrences
from lockstep.domain.content import Content, timing
from lockstep.domain.days import EveryDays, Weekly
from lockstep.domain.occurrence import Fate, Key, Occurrence
from lockstep.domain.schedule import AfterEvent, Schedule
from lockstep.domain.switch import ZoneSpan
from lockstep.domain.timeline import (
    Assigned,
    EnrolmentFacts,
    Segment,
    Span,
    World,
    as_of,
    assignments,
    in_force,
    next_change,
    segments,
)

FOR_EVER = datetime(9999, 1, 1, tzinfo=UTC)
NEVER = datetime(1, 1, 2, tzinfo=UTC)
_INSTANT = timedelta(microseconds=1)
_EPOCH = date(2001, 1, 1)  # a Monday
_LONGEST_PHASE_DAYS = 5000
_DECIDED_LIMIT = 2000
"""Openings looked at for keys decided before a row; more are open at once in no schedule."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """What its members share: zone, anchor, own last assignment, and the accepted selections that hold them.

    Assignments of long ago come as beginning a `reach` before the change that is looked at: see `settled`.
    """

    zone: str
    anchor_on: date
    assigned_at: datetime
    assigned_protocol_id: int
    selections: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a member's row stands for an activity: the occurrence it holds."""

    activity_key: str
    on: date
    slot: str
    opens_at: datetime
    judge_at: datetime


@dataclass(frozen=True, slots=True)
class CohortCourse:
    """What is in force for members at `now`, and `before` it as heads know it that saw nothing of the change."""

    changed_at: datetime
    course: Course
    before: Course
    next_change_at: datetime | None
    in_force: Segment


def reach(world: World) -> timedelta:
    """How long a change bears on windows that were open at it: three times the longest window and a day.

    Once for the window itself, once for one that used its key, once for what outages and grace add.
    """
    longest = max(
        (_longest_minutes(content) for protocol in world.values() for content in protocol.versions.values()),
        default=0,
    )
    return timedelta(days=1, minutes=3 * longest)


def phase_days(world: World) -> int | None:
    """After how many days anchors make no difference to any schedule of the protocols; None where they always do.

    Bounds and counts run from the anchor itself, and months have no fixed length.
    """
    days = 1
    for protocol in world.values():
        for content in protocol.versions.values():
            for activity in content.activities:
                own = _phase_days(activity.schedule)
                if own is None:
                    return None
                days = lcm(days, own)
    return days if days <= _LONGEST_PHASE_DAYS else None


def _phase_days(schedule: Schedule | AfterEvent) -> int | None:
    if isinstance(schedule, AfterEvent) or schedule.anchor_on is not None:
        return 1
    if schedule.from_day or schedule.for_days is not None or schedule.count is not None:
        return None
    match schedule.days:
        case EveryDays(n=n, offset_days=0):
            return n
        case Weekly(n=n):
            return 7 * n
    return None


def representative(anchor_on: date, phase: int | None, before_on: date) -> date:
    """An anchor of the same phase that all such anchors share; the anchor itself if it is not before the date.

    Before its own anchor a schedule asks nothing, so only anchors that lie before all that is looked at are alike.
    """
    if phase is None or anchor_on >= before_on:
        return anchor_on
    return _EPOCH + timedelta(days=(anchor_on - _EPOCH).days % phase)


def settled(cohort: Cohort, world: World, *, changed_at: datetime) -> Cohort:
    """The same cohort with an assignment older than a reach before the change replaced by one that begins there.

    So that members enrolled at different times long ago are one cohort.
    """
    begins = changed_at - reach(world)
    if cohort.assigned_at >= begins:
        return cohort
    governed = assignments(_facts(cohort), world)
    protocol_id = [span.protocol_id for span in governed if span.from_at <= begins][-1]
    return Cohort(cohort.zone, cohort.anchor_on, begins, protocol_id, cohort.selections)


def cohort_course(
    cohort: Cohort, world: World, *, changed_at: datetime, now: datetime, outages: tuple[Span, ...] = ()
) -> CohortCourse:
    """The course of the cohort's members for whom something changed at `changed_at`, not after `now`."""
    timeline = segments(_facts(cohort), world)
    segment = in_force(timeline, now)
    assert segment is not None, "a cohort's members are enrolled"
    return CohortCourse(
        changed_at=changed_at,
        course=Course(as_of(timeline, now), cohort.anchor_on, outages),
        before=Course(
            as_of(timeline, changed_at - _INSTANT) if timeline[0].from_at < changed_at else (),
            cohort.anchor_on,
            outages,
        ),
        next_change_at=next_change(timeline, now),
        in_force=segment,
    )


def first_unseen(
    zone: str,
    protocol_id: int,
    world: World,
    *,
    generation: int,
    next_change_at: datetime | None,
    now: datetime,
) -> datetime:
    """From when heads of this generation may be wrong: an unseen switch's E, the known change, or now."""
    zones = (ZoneSpan(now, zone),)
    changes = [
        switch.effective_for(zones)
        for switch in world[protocol_id].switches
        if switch.generation is not None and switch.generation > generation
    ]
    if next_change_at is not None:
        changes.append(next_change_at)
    return min([*changes, now])


def target(
    course: CohortCourse, activity_key: str, standing: Standing | None, also: frozenset[Key] = frozenset()
) -> Occurrence | None:
    """The occurrence a member's row must hold, given where it stands; `also` names occurrences fulfilled besides."""
    floor_at = course.changed_at if standing is None else min(course.changed_at, standing.opens_at)
    decided = decided_before(course, activity_key, standing, floor_at) | also
    return earliest_undecided(course.course, activity_key, from_at=floor_at, decided=decided)


def decided_before(course: CohortCourse, activity_key: str, standing: Standing | None, floor_at: datetime) -> set[Key]:
    """Keys decided already, as the row tells: whatever was asked on its course and is judged before it.

    No decision falls under a course that the head does not know: ingestion and judging bring a member in step first.
    """
    decided: set[Key] = set()
    for seen, occurrence in enumerate(occurrences(course.before, activity_key, from_at=floor_at, in_pauses=False)):
        if seen > _DECIDED_LIMIT or occurrence.nominal_at > (standing.judge_at if standing else course.changed_at):
            break
        if occurrence.fate is Fate.ASKED and (standing is None or _is_judged_before(occurrence, standing)):
            decided.add(occurrence.key)
    return decided


def moving_keys(course: CohortCourse) -> list[str]:
    """The activities whose timing, protocol, zone or pause is not the same ever since the change; others stay."""
    spans = list(course.before.timeline[-1:])
    spans += [span for span in course.course.timeline if span.until_at is None or span.until_at > course.changed_at]
    keys = activity_keys([*course.before.timeline, *course.course.timeline])
    return [key for key in keys if not course.before.timeline or len({_asking(span, key) for span in spans}) > 1]


def _asking(span: Segment, key: str) -> tuple[object, ...]:
    activity = activity_of(span, key)
    return (timing(activity) if activity is not None else None, span.protocol_id, span.zone, span.paused)


def _is_judged_before(occurrence: Occurrence, standing: Standing) -> bool:
    if occurrence.key == (standing.on, standing.slot):
        return False
    return (occurrence.judge_at, occurrence.opens_at) < (standing.judge_at, standing.opens_at)


def _facts(cohort: Cohort) -> EnrolmentFacts:
    return EnrolmentFacts(
        patient_id=0,
        anchor_on=cohort.anchor_on,
        enrolled_at=cohort.assigned_at,
        zones=(ZoneSpan(cohort.assigned_at, cohort.zone),),
        assignments=(Assigned(cohort.assigned_at, cohort.assigned_protocol_id),),
        selections=cohort.selections,
    )


def _longest_minutes(content: Content) -> int:
    longest = 0
    for activity in content.activities:
        schedule = activity.schedule
        lasts = (
            max(time.lasts_minutes for time in schedule.times)
            if isinstance(schedule, Schedule)
            else schedule.lasts_minutes
        )
        longest = max(longest, lasts + activity.grace_minutes)
    return longest
