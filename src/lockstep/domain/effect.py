"""What a switch does to enrolments that share all facts: what is asked a week, what is open at E, what gaps arise."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from lockstep.domain.agenda import Course, occurrences
from lockstep.domain.civil import local_of
from lockstep.domain.content import Content
from lockstep.domain.occurrence import Fate, Key, Occurrence
from lockstep.domain.schedule import AfterEvent, Schedule, longest_gap_minutes, windows
from lockstep.domain.switch import AcceptedSwitch
from lockstep.domain.timeline import EnrolmentFacts, ProtocolFacts, Segment, Span, World, as_of, in_force, segments

_WEEK = timedelta(days=7)
_TWO_DAYS = timedelta(days=2)
_MOST_WALKED = 2000

Undecided = Mapping[str, Mapping[tuple[datetime, datetime], int]]
"""By activity and (judge_at, opens_at): how many members' earliest undecided occurrence that is."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """The world with and without a switch that is not accepted yet."""

    switch: AcceptedSwitch
    without: World
    with_it: World
    outages: tuple[Span, ...] = ()


@dataclass(slots=True)
class Effect:
    """What the switch does to `members` enrolments with the same facts, from their E (`at`) on; counts per activity."""

    at: datetime
    zone: str
    anchor_on: date
    members: int
    before: Segment
    after: Segment
    behind: int = 0
    per_week_now: dict[str, int] = field(default_factory=dict)
    per_week_after: dict[str, int] = field(default_factory=dict)
    go_on: dict[str, int] = field(default_factory=dict)
    superseded: dict[str, int] = field(default_factory=dict)
    asked_at_once: dict[str, int] = field(default_factory=dict)
    waived: dict[str, int] = field(default_factory=dict)
    gaps: dict[str, tuple[int, int]] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)


def forecast(switch: AcceptedSwitch, content: Content | None, world: World, outages: tuple[Span, ...] = ()) -> Forecast:
    """The world as it would be with the switch accepted; `content` is that of its version."""
    own = world[switch.protocol_id]
    versions = dict(own.versions)
    if content is not None and switch.version_number is not None:
        versions[switch.version_number] = content
    changed = ProtocolFacts(own.protocol_id, (*own.switches, switch), versions)
    return Forecast(switch, world, {**world, own.protocol_id: changed}, outages)


def effect_on(
    facts: EnrolmentFacts, members: int, seen: Forecast, *, undecided: Undecided | None = None
) -> Effect | None:
    """The effect on that many enrolments with these facts; None when the switch does not concern them.

    A switch concerns those whom its scope holds and whom its protocol governs at their E. With `undecided` an
    occurrence open at E counts for the members who have not fulfilled it, otherwise for all.
    """
    at = seen.switch.effective_for(facts.zones)
    without = segments(facts, seen.without)
    before = in_force(without, at)
    if before is None or before.protocol_id != seen.switch.protocol_id or not seen.switch.holds(facts.selections):
        return None
    now_course = Course(as_of(without, at), facts.anchor_on, seen.outages)
    course = Course(as_of(segments(facts, seen.with_it), at), facts.anchor_on, seen.outages)
    after = in_force(course.timeline, at)
    assert after is not None
    effect = Effect(at, before.zone, facts.anchor_on, members, before, after)
    for key in _keys(before, after):
        _count_week(effect, key)
        _count_open(effect, key, now_course, course, undecided)
        _measure_gap(effect, key, now_course, course)
    return effect


def look_back(contents: Iterable[Content]) -> timedelta:
    """How long before E occurrences are looked at: twice the longest gap of any schedule, and two days."""
    gaps = (
        longest_gap_minutes(activity.schedule)
        for content in contents
        for activity in content.activities
        if isinstance(activity.schedule, Schedule)
    )
    return timedelta(minutes=2 * max(gaps, default=0)) + _TWO_DAYS


def _keys(*spans: Segment) -> list[str]:
    contents = [span.content for span in spans if span.content is not None]
    return list(dict.fromkeys(activity.key for content in contents for activity in content.activities))


def _count_week(effect: Effect, key: str) -> None:
    for segment, into in ((effect.before, effect.per_week_now), (effect.after, effect.per_week_after)):
        schedule = _schedule(segment, key)
        if schedule is not None:
            into[key] = effect.members * _in_week(schedule, effect.anchor_on, segment.zone, effect.at)


def _in_week(schedule: Schedule, anchor_on: date, zone: str, at: datetime) -> int:
    count = 0
    for window in windows(schedule, anchor_on=anchor_on, zone=zone, from_at=at):
        if window.opens_at >= at + _WEEK:
            break
        count += window.opens_at >= at
    return count


def _schedule(segment: Segment, key: str) -> Schedule | None:
    activity = segment.content.activity(key) if segment.content is not None else None
    if activity is None or isinstance(activity.schedule, AfterEvent):
        return None
    return activity.schedule


def _count_open(effect: Effect, key: str, now_course: Course, course: Course, undecided: Undecided | None) -> None:
    at = effect.at
    was_open: dict[Key, int] = {
        occurrence.key: _holding(occurrence, key, effect.members, undecided)
        for occurrence in _around(now_course, key, at)
        if occurrence.fate is Fate.ASKED and occurrence.opens_at < at
    }
    for occurrence in _around(course, key, at):
        if occurrence.opens_at < at and occurrence.fate is not Fate.WAIVED and occurrence.key in was_open:
            ended = occurrence.fate is Fate.SUPERSEDED
            _add(effect.superseded if ended else effect.go_on, key, was_open[occurrence.key])
        elif occurrence.nominal_at < at and occurrence.opens_at == at and occurrence.fate is Fate.ASKED:
            _add(effect.asked_at_once, key, effect.members)
        elif occurrence.fate is Fate.WAIVED and occurrence.ended_at == at:
            _add(effect.waived, key, effect.members)


def _around(course: Course, key: str, at: datetime) -> Iterator[Occurrence]:
    """The occurrences whose window contains the instant, on a course that is as of it."""
    for occurrence in occurrences(course, key, from_at=at):
        if occurrence.nominal_at > at:
            return
        yield occurrence


def _holding(occurrence: Occurrence, key: str, members: int, undecided: Undecided | None) -> int:
    if undecided is None:
        return members
    last = (occurrence.judge_at, occurrence.opens_at)
    return sum(count for row, count in undecided.get(key, {}).items() if row <= last)


def _add(counts: dict[str, int], key: str, count: int) -> None:
    if count:
        counts[key] = counts.get(key, 0) + count


def _measure_gap(effect: Effect, key: str, now_course: Course, course: Course) -> None:
    """The longest civil time without an occurrence really asked, across E, where both versions' gaps are shorter."""
    before, after = _schedule(effect.before, key), _schedule(effect.after, key)
    if before is None or after is None or effect.after.paused:
        return
    anchor_on = effect.anchor_on
    allowed = max(longest_gap_minutes(schedule, anchor_on=anchor_on) for schedule in (before, after))
    last, following = _neighbours(course, key, effect.at, timedelta(minutes=2 * allowed) + _TWO_DAYS)
    if following is None:
        if _neighbours(now_course, key, effect.at, timedelta())[1] is not None:
            effect.silent.add(key)
        return
    if last is None:
        return
    zone = effect.after.zone
    gap = local_of(following, zone) - local_of(last, zone)
    minutes = int(gap.total_seconds() // 60)
    if minutes > allowed > 0:
        effect.gaps[key] = (minutes, allowed)


def _neighbours(course: Course, key: str, at: datetime, back: timedelta) -> tuple[datetime | None, datetime | None]:
    """When the last occurrence before the instant was asked that stays asked, and when the first from it on is.

    One asked at once counts from its nominal opening, because a measurement taken since then counts for it.
    """
    last: datetime | None = None
    for walked, occurrence in enumerate(occurrences(course, key, from_at=at - back, in_pauses=False)):
        if walked > _MOST_WALKED:
            break
        if occurrence.fate is not Fate.ASKED:
            continue
        if occurrence.opens_at >= at:
            return last, occurrence.nominal_at
        last = occurrence.opens_at if last is None else max(last, occurrence.opens_at)
    return last, None
