"""What must be for enrolments with the same facts, computed from facts alone: the independent side of a check."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from lockstep.domain.agenda import Course, activity_keys, activity_of, event_key, occurrences, occurrences_between
from lockstep.domain.content import Activity, Content, Timing, timing
from lockstep.domain.occurrence import Fate, Key, Occurrence
from lockstep.domain.rule import Missed
from lockstep.domain.schedule import AfterEvent, Schedule
from lockstep.domain.timeline import EnrolmentFacts, Segment, Span, World, as_of, in_force, segments

PATIENCE = timedelta(seconds=30)
"""What is due for judgement may take this long before it counts as missing (switching.md, L2)."""
CATCHING_UP = timedelta(minutes=5)
"""How long an enrolment may be behind without an unfinished operation that explains it."""

_INSTANT = timedelta(microseconds=1)
_SCAN = 1000
_LATEST_ZONE = timedelta(hours=14)
"""Some zone's clocks are that far ahead of UTC."""
_FOR_EVER = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Period:
    """What is compared: what was judged after `since_at` (None: ever) until the horizon, as seen at `now`.

    `slack` is how much longer than nominal windows may be, by outages.
    """

    since_at: datetime | None
    now: datetime
    horizon_at: datetime | None
    slack: timedelta = timedelta()

    def holds(self, judge_at: datetime) -> bool:
        """Whether an occurrence judged then is compared."""
        return self.since_at is None or judge_at > self.since_at

    def overdue(self, judge_at: datetime) -> bool:
        """Whether it must have been judged; nothing is while ingestion was not seen alive after it."""
        return self.horizon_at is not None and judge_at <= self.horizon_at


@dataclass(slots=True)
class Activities:
    """What is asked of one activity: occurrences that have opened, of every fate, and the next ones to come.

    The last one ahead is undecided for sure; those before it may have been fulfilled before a switch put them off.
    """

    begun: list[Occurrence] = field(default_factory=list)
    ahead: list[Occurrence] = field(default_factory=list)
    by_key: dict[Key, list[Occurrence]] = field(default_factory=dict)
    codes: set[str] = field(default_factory=set)
    after_events: bool = False
    asked: list[Occurrence] = field(default_factory=list)


@dataclass(slots=True)
class Demand:
    """What must be for every enrolment with these facts, valid in [computed at, valid_until_at).

    `now` is the span in force (the first one before it begins; None after discharge); `change_at` the next change of
    schedules that the head must know, as far as it can.
    """

    facts: EnrolmentFacts
    timeline: tuple[Segment, ...]
    course: Course
    now: Segment | None
    change_at: datetime | None
    valid_until_at: datetime
    activities: dict[str, Activities]

    def segment_at(self, at: datetime) -> Segment | None:
        """The span in force at the instant."""
        return in_force(self.timeline, at)

    def asking(self, activity_key: str, key: Key, opens_at: datetime) -> Activity | None:
        """The activity as it asked the occurrence: when the event that started it happened, else when it opened."""
        of_key = self.activities.get(activity_key)
        for event in self.facts.events if of_key is not None and of_key.after_events else ():
            segment = in_force(self.timeline, event.at)
            activity = activity_of(segment, activity_key) if segment else None
            if segment is not None and activity is not None and isinstance(activity.schedule, AfterEvent):
                began_at = opens_at - timedelta(minutes=activity.schedule.delay_minutes)
                named = event.event == activity.schedule.event and event_key(event, segment.zone) == key
                if began_at == event.at and named:
                    return activity
        segment = in_force(self.timeline, opens_at)
        return activity_of(segment, activity_key) if segment else None

    def missed_rules(self, occurrence: Occurrence) -> list[Missed]:
        """The rules on missed occurrences of the version that asked it."""
        activity = self.asking(occurrence.activity_key, occurrence.key, occurrence.opens_at)
        return [rule for rule in activity.rules if isinstance(rule, Missed)] if activity else []

    def timings(self, activity_key: str, protocol_id: int, version_number: int) -> Iterator[Timing]:
        """The timings that the activity has under the version on this timeline."""
        for segment in self.timeline:
            if (segment.protocol_id, segment.version_number) == (protocol_id, version_number):
                activity = activity_of(segment, activity_key)
                if activity is not None:
                    yield timing(activity)


def demand(facts: EnrolmentFacts, world: World, outages: tuple[Span, ...], period: Period) -> Demand:
    """What the facts in force at the period's now demand. Pure."""
    now = period.now
    timeline = segments(facts, world)
    course = Course(as_of(timeline, now), facts.anchor_on, outages, facts.events)
    found = {key: _activities(course, key, period) for key in activity_keys(course.timeline)}
    coming = [segment.from_at for segment in timeline if segment.from_at > now]
    coming += [each.nominal_at for of_key in found.values() for each in of_key.ahead]
    if timeline[-1].until_at is not None and timeline[-1].until_at > now:
        coming.append(timeline[-1].until_at)
    coming += [switch.first_at for protocol in world.values() for switch in protocol.switches if switch.first_at > now]
    return Demand(
        facts=facts,
        timeline=timeline,
        course=course,
        now=in_force(timeline, now) or (timeline[0] if timeline[0].from_at > now else None),
        change_at=_change_at(facts, world, timeline, now),
        valid_until_at=min(coming, default=_FOR_EVER),
        activities=found,
    )


def generation_for(facts: EnrolmentFacts, world: World, protocol_id: int, now: datetime) -> int:
    """The greatest generation of the protocol that is in force for anybody and whose scope holds the enrolment."""
    switches = world[protocol_id].switches if protocol_id in world else ()
    return max(
        (
            each.generation
            for each in switches
            if each.generation and each.first_at <= now and each.holds(facts.selections)
        ),
        default=0,
    )


def same_timing(one: Content | None, other: Content | None) -> bool:
    """Whether two versions ask for the same at the same times."""
    return _timings(one) == _timings(other)


def reach(world: World) -> timedelta:
    """The longest window with its grace in any version."""
    longest = timedelta()
    for protocol in world.values():
        for content in protocol.versions.values():
            for activity in content.activities:
                schedule = activity.schedule
                if isinstance(schedule, Schedule):
                    lasts = max(each.lasts_minutes for each in schedule.times)
                else:
                    lasts = schedule.delay_minutes + schedule.lasts_minutes
                longest = max(longest, timedelta(minutes=lasts + activity.grace_minutes))
    return longest


def _timings(content: Content | None) -> dict[str, Timing]:
    return {} if content is None else {activity.key: timing(activity) for activity in content.activities}


def _activities(course: Course, key: str, period: Period) -> Activities:
    found = Activities()
    of_key = [activity for each in course.timeline if (activity := activity_of(each, key)) is not None]
    found.codes = {activity.code for activity in of_key}
    found.after_events = any(isinstance(activity.schedule, AfterEvent) for activity in of_key)
    grace = timedelta(minutes=max(activity.grace_minutes for activity in of_key))
    begins = course.timeline[0].from_at
    from_at = begins if period.since_at is None else max(begins, period.since_at - period.slack - grace)
    # What opens at this very instant is open.
    walked = occurrences_between(course, key, from_at=from_at, until_at=period.now + _INSTANT)
    found.begun = [each for each in walked if period.since_at is None or each.judge_at > period.since_at - period.slack]
    found.ahead = _ahead(course, key, period.now)
    for occurrence in found.begun:
        found.by_key.setdefault(occurrence.key, []).append(occurrence)
    asked = [each for each in found.begun if each.fate is Fate.ASKED and period.holds(each.judge_at)]
    found.asked = _once(sorted([*asked, *found.ahead], key=_order))
    return found


def _once(asked: Iterable[Occurrence]) -> list[Occurrence]:
    by_key: dict[Key, Occurrence] = {}
    for occurrence in asked:
        by_key.setdefault(occurrence.key, occurrence)
    return list(by_key.values())


def _ahead(course: Course, key: str, now: datetime) -> list[Occurrence]:
    """What opens after the instant, by judging, until the first that nobody can have decided: its date is to come."""
    today_on = (now + _LATEST_ZONE).date()
    found: list[Occurrence] = []
    best: Occurrence | None = None
    for seen, each in enumerate(occurrences(course, key, from_at=now, in_pauses=False)):
        if seen > _SCAN or (best is not None and each.nominal_at >= best.judge_at):
            break
        if each.fate is not Fate.ASKED or each.nominal_at <= now:
            continue
        found.append(each)
        if each.on > today_on and (best is None or _order(each) < _order(best)):
            best = each
    return [each for each in sorted(found, key=_order) if best is None or _order(each) <= _order(best)]


def _order(occurrence: Occurrence) -> tuple[datetime, datetime]:
    return occurrence.judge_at, occurrence.opens_at


def _change_at(facts: EnrolmentFacts, world: World, timeline: tuple[Segment, ...], now: datetime) -> datetime | None:
    """The next instant at which schedules change by facts that a head in step knows.

    Switches in force for nobody yet are left out: they make the head behind when their first instant comes.
    """
    if any(switch.first_at > now for each in world.values() for switch in each.switches):
        world = {
            number: replace(each, switches=tuple(switch for switch in each.switches if switch.first_at <= now))
            for number, each in world.items()
        }
        timeline = segments(facts, world)
    for before, after in pairwise(timeline):
        if after.from_at > now and _matters(before, after):
            return after.from_at
    ends = timeline[-1].until_at
    return ends if ends is not None and ends > now else None


def _matters(before: Segment, after: Segment) -> bool:
    if (before.protocol_id, before.zone, before.paused) != (after.protocol_id, after.zone, after.paused):
        return True
    return not same_timing(before.content, after.content)
