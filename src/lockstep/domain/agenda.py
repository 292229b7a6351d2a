"""The occurrences of an activity along an enrolment's timeline, and the earliest undecided one of each."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from lockstep.domain.civil import instant_of, local_of
from lockstep.domain.content import Activity, OnSwitch, timing
from lockstep.domain.occurrence import Fate, Key, Occurrence, Window
from lockstep.domain.schedule import AfterEvent, windows
from lockstep.domain.timeline import PatientEvent, Segment, Span

_DAY = timedelta(days=1)
_EARLIEST_ZONE = timedelta(hours=16)
"""No zone's date begins earlier than that before UTC's: 14 hours today, 16 in the local mean times of long ago."""
_SCAN = 1000
"""Openings looked at beyond the first undecided one for an earlier judgement: more than are ever open at once."""

_Seen = dict[tuple[int, Key], "Occurrence | None"]
"""What each segment makes of a key, computed once: otherwise every switch within a day would double the work."""


@dataclass(frozen=True, slots=True)
class Head:
    """What an enrolment's agenda was computed for; see the table agenda_head.

    `ended_at` is there when the enrolment has ended, while what closed before is undecided: no switch concerns it.
    """

    enrolment_id: int
    protocol_id: int
    version_number: int
    generation: int
    cohort_id: int
    assigned_at: datetime
    assigned_protocol_id: int
    individual_until: datetime
    computed_at: datetime
    next_change_at: datetime | None
    ended_at: datetime | None = None

    @property
    def individual(self) -> bool:
        """Whether facts of its own, that its cohort does not share, bore on its occurrences when computed."""
        return self.individual_until > self.computed_at


@dataclass(frozen=True, slots=True)
class Row:
    """The earliest undecided occurrence of one activity; `taken` counts towards its quantity."""

    enrolment_id: int
    activity_key: str
    cohort_id: int
    protocol_id: int
    version_number: int
    on: date
    slot: str
    opens_at: datetime
    closes_at: datetime
    judge_at: datetime
    taken: int
    missed_in_a_row: int

    @property
    def key(self) -> Key:
        """Nominal local date and slot label."""
        return (self.on, self.slot)


@dataclass(frozen=True, slots=True)
class Course:
    """What an agenda is computed from: a timeline, the anchor of its schedules, the organisation's outages, events."""

    timeline: tuple[Segment, ...]
    anchor_on: date
    outages: tuple[Span, ...] = ()
    events: tuple[PatientEvent, ...] = ()


def occurrences(
    course: Course, activity_key: str, *, from_at: datetime, in_pauses: bool = True
) -> Iterator[Occurrence]:
    """Every occurrence with closes_at after `from_at`, by segment and opening; lazy, endless when unbounded.

    Without `in_pauses`, occurrences that open in a pause (all waived) are left out.

    The rules are those of switching.md "What happens around E" (numbers 2 to 5), for pauses and changes of zone
    likewise: an open occurrence goes on where the timing stays the same; another is superseded (waived by a pause or
    the end); one of the new timing that contains E is asked at once if enough of its window remains, else waived; a
    key that closed before E is not asked again.
    """
    seen: _Seen = {}
    for index, segment in enumerate(course.timeline):
        if segment.paused and not in_pauses:
            continue
        yield from _of_segment(course, index, activity_key, from_at, seen)


def occurrences_between(
    course: Course, activity_key: str, *, from_at: datetime, until_at: datetime
) -> Iterator[Occurrence]:
    """Every occurrence that closes after `from_at` and opens nominally before `until_at`, segment by segment; finite.

    One key can come twice: what is asked at once or waived at E may have stood under the old timing.
    """
    seen: _Seen = {}
    for index, segment in enumerate(course.timeline):
        if segment.from_at >= until_at:
            return
        for occurrence in _of_segment(course, index, activity_key, from_at, seen):
            if occurrence.nominal_at >= until_at:
                break
            yield occurrence


def earliest_undecided(
    course: Course, activity_key: str, *, from_at: datetime, decided: Container[Key]
) -> Occurrence | None:
    """The asked occurrence judged first among the undecided that close after `from_at`; None when none is left.

    Everything that closed until `from_at` is taken for decided; `decided` holds the keys of later ones.
    """
    best: Occurrence | None = None
    beyond = 0
    seen: _Seen = {}
    for index, segment in enumerate(course.timeline):
        if segment.paused:
            continue
        # Segment by segment: what an event started may open after later segments' occurrences.
        if best is not None and segment.from_at >= best.judge_at:
            break
        for occurrence in _of_segment(course, index, activity_key, from_at, seen):
            beyond += best is not None
            if best is not None and (occurrence.nominal_at >= best.judge_at or beyond > _SCAN):
                break
            if occurrence.fate is not Fate.ASKED or occurrence.key in decided:
                continue
            if best is None or (occurrence.judge_at, occurrence.opens_at) < (best.judge_at, best.opens_at):
                best = occurrence
    return best


def asked_at_changes(course: Course, activity_key: str, *, since_at: datetime) -> Iterator[Occurrence]:
    """What changes from the instant on asked in the middle of its window, in their order, whatever became of it later.

    What was measured in it before counts for it (rule 4): it may have been fulfilled as it opened, before another
    change superseded it.
    """
    seen: _Seen = {}
    for index, segment in enumerate(course.timeline):
        if segment.from_at < since_at or segment.paused:
            continue
        for occurrence in _of_segment(course, index, activity_key, segment.from_at, seen):
            if occurrence.nominal_at >= segment.from_at:
                break
            if occurrence.ended_at is None or occurrence.ended_at > occurrence.opens_at:
                yield occurrence


def activity_keys(timeline: Sequence[Segment]) -> list[str]:
    """Keys of the activities of every span, in order of first appearance."""
    keys: dict[str, None] = {}
    for segment in timeline:
        if segment.content is not None:
            keys.update(dict.fromkeys(activity.key for activity in segment.content.activities))
    return list(keys)


def activity_of(segment: Segment, key: str) -> Activity | None:
    """The activity as in force in the span, or None."""
    if segment.content is None:
        return None
    return next((activity for activity in segment.content.activities if activity.key == key), None)


def event_key(event: PatientEvent, zone: str) -> Key:
    """The key of the occurrences that the event starts in the zone."""
    local = local_of(event.at, zone)
    return local.date(), f"{event.event} {local:%H:%M:%S}"


def _of_segment(course: Course, index: int, key: str, from_at: datetime, seen: _Seen) -> Iterator[Occurrence]:
    segment = course.timeline[index]
    activity = activity_of(segment, key)
    if activity is None:
        return
    for window in _windows(course, segment, activity, max(from_at, segment.from_at)):
        if _opens_later(segment, activity, window):
            return
        occurrence = _occurrence(course, index, activity, window, seen)
        if occurrence is not None:
            yield occurrence


def _opens_later(segment: Segment, activity: Activity, window: Window) -> bool:
    """Whether the window is a later segment's; what an event started stays with the segment of the event."""
    if isinstance(activity.schedule, AfterEvent):
        return False
    return segment.until_at is not None and window.opens_at >= segment.until_at


def _windows(course: Course, segment: Segment, activity: Activity, from_at: datetime) -> Iterator[Window]:
    schedule = activity.schedule
    if isinstance(schedule, AfterEvent):
        return _event_windows(course, segment, schedule, from_at)
    found = windows(schedule, anchor_on=course.anchor_on, zone=segment.zone, from_at=from_at)
    if not course.outages:
        return found
    earlier = windows(
        schedule, anchor_on=course.anchor_on, zone=segment.zone, from_at=from_at - _reach(course, from_at)
    )
    return (window for window in _extended(earlier, course.outages) if window.closes_at > from_at)


def _reach(course: Course, from_at: datetime) -> timedelta:
    """How much earlier a window may nominally have closed that outages keep open at the instant."""
    return sum(
        ((outage.until_at or from_at) - outage.from_at for outage in course.outages if outage.from_at < from_at),
        start=timedelta(),
    )


def _extended(found: Iterator[Window], outages: Sequence[Span]) -> Iterator[Window]:
    """Each window longer by the outages it met, never past the next opening."""
    ahead = next(found, None)
    while ahead is not None:
        window, ahead = ahead, next(found, None)
        closes_at = _outlasting(window, outages)
        if ahead is not None and closes_at > window.closes_at:
            closes_at = max(window.closes_at, min(closes_at, ahead.opens_at))
        added = closes_at - window.closes_at
        yield replace(window, closes_at=closes_at, extended_by=added) if added else window


def _outlasting(window: Window, outages: Sequence[Span]) -> datetime:
    closes_at = window.closes_at
    for outage in outages:
        if outage.until_at is not None and outage.from_at < closes_at and outage.until_at > window.opens_at:
            closes_at += outage.until_at - max(outage.from_at, window.opens_at)
    return closes_at


def _event_windows(course: Course, segment: Segment, schedule: AfterEvent, from_at: datetime) -> Iterator[Window]:
    # Asked under the version in force when the event happened, also where the window lies after its segment.
    for event in course.events:
        if event.event != schedule.event or not Span(segment.from_at, segment.until_at).holds(event.at):
            continue
        opens_at = event.at + timedelta(minutes=schedule.delay_minutes)
        closes_at = opens_at + timedelta(minutes=schedule.lasts_minutes)
        if closes_at > from_at:
            yield Window(*event_key(event, segment.zone), opens_at, closes_at)


def _occurrence(course: Course, index: int, activity: Activity, window: Window, seen: _Seen) -> Occurrence | None:
    """The window's occurrence with its fate; None where an earlier segment's occurrence is the same one."""
    segment = course.timeline[index]
    assert segment.version_number is not None
    begun = Occurrence(
        activity_key=activity.key,
        on=window.on,
        slot=window.slot,
        opens_at=window.opens_at,
        closes_at=window.closes_at,
        judge_at=window.closes_at + timedelta(minutes=activity.grace_minutes),
        nominal_at=window.opens_at,
        quantity=activity.quantity,
        protocol_id=segment.protocol_id,
        version_number=segment.version_number,
        fate=Fate.ASKED,
    )
    if segment.paused:
        return None if _goes_on(course, index, begun) else replace(begun, fate=Fate.WAIVED, ended_at=window.opens_at)
    if isinstance(activity.schedule, AfterEvent):
        return _ended_by_pause_only(course, index, begun)
    if index > 0 and segment.from_at > _dawn(window.on) and _was_used(course, index, begun, seen):
        return None
    if window.opens_at < segment.from_at:
        begun = _asked_at_once(begun, segment, window.closes_at - window.extended_by)
    return _ended(course, index, begun, activity)


def _asked_at_once(begun: Occurrence, segment: Segment, nominal_closes_at: datetime) -> Occurrence:
    """Rule 4: asked at E if at least the set share of the window remains after E and after quiet hours, else waived.

    The nominal window: what was not asked at E is not asked afterwards because an outage made the window longer.
    """
    assert segment.content is not None
    asked_at = _after_quiet(segment.from_at, segment.content.on_switch, segment.zone)
    whole = (nominal_closes_at - begun.nominal_at) / timedelta(microseconds=1)
    remains = (nominal_closes_at - asked_at) / timedelta(microseconds=1)
    if remains <= 0 or Decimal(int(remains)) < segment.content.on_switch.ask_at_once * Decimal(int(whole)):
        # Never asked: it ends where it would have begun.
        return replace(begun, opens_at=segment.from_at, fate=Fate.WAIVED, ended_at=segment.from_at)
    return replace(begun, opens_at=segment.from_at)


def _after_quiet(at: datetime, setting: OnSwitch, zone: str) -> datetime:
    if setting.quiet_from is None or setting.quiet_until is None:
        return at
    local = local_of(at, zone)
    if not _in_quiet(local.time(), setting.quiet_from, setting.quiet_until):
        return at
    ends = datetime.combine(local.date(), setting.quiet_until)
    if ends <= local:
        ends += _DAY
    return instant_of(ends, zone)


def _in_quiet(now: time, quiet_from: time, quiet_until: time) -> bool:
    if quiet_from <= quiet_until:
        return quiet_from <= now < quiet_until
    return now >= quiet_from or now < quiet_until


def _ended(course: Course, index: int, begun: Occurrence, activity: Activity) -> Occurrence:
    """Follow an asked occurrence through later segments until it closes: it goes on, is superseded, or is waived."""
    if begun.fate is not Fate.ASKED:
        return begun
    timeline = course.timeline
    while True:
        until_at = timeline[index].until_at
        if until_at is None or begun.closes_at <= until_at:
            return begun
        if index + 1 == len(timeline) or timeline[index + 1].paused:
            return replace(begun, fate=Fate.WAIVED, ended_at=until_at)
        after = activity_of(timeline[index + 1], activity.key)
        if after is None or timing(after) != timing(activity):
            return replace(begun, fate=Fate.SUPERSEDED, ended_at=until_at)
        index += 1


def _ended_by_pause_only(course: Course, index: int, begun: Occurrence) -> Occurrence:
    for later in course.timeline[index + 1 :]:
        if later.from_at >= begun.closes_at:
            return begun
        if later.paused and (later.until_at is None or later.until_at > begun.opens_at):
            return replace(begun, fate=Fate.WAIVED, ended_at=max(later.from_at, begun.opens_at))
    ends = course.timeline[-1].until_at
    if ends is not None and ends < begun.closes_at:
        return replace(begun, fate=Fate.WAIVED, ended_at=ends)
    return begun


def _goes_on(course: Course, index: int, begun: Occurrence) -> bool:
    """Whether the window opened before this segment, so that an earlier segment speaks for it."""
    return index > 0 and begun.nominal_at < course.timeline[index].from_at


def _was_used(course: Course, index: int, begun: Occurrence, seen: _Seen) -> bool:
    """Whether an earlier segment asked this key, which then closed before this segment or goes on into it.

    The key's date tells how far back to look: no zone sees it before its dawn.
    """
    dawn = _dawn(begun.on)
    for earlier in range(index - 1, -1, -1):
        until_at = course.timeline[earlier].until_at
        if until_at is not None and until_at <= dawn:
            return False
        if (earlier, begun.key) not in seen:
            seen[earlier, begun.key] = _with_key(course, earlier, begun, seen)
        occurrence = seen[earlier, begun.key]
        if occurrence is not None and _was_asked(occurrence, course.timeline[index].from_at):
            return True
    return False


def _was_asked(occurrence: Occurrence, at: datetime) -> bool:
    """Whether it was closed or open at the instant, as asked: what ended it later does not matter then."""
    return occurrence.fate is Fate.ASKED or (occurrence.ended_at is not None and occurrence.ended_at > at)


def _dawn(on: date) -> datetime:
    """An instant before which no zone's clocks show the date."""
    return datetime.combine(on, time(), UTC) - _EARLIEST_ZONE


def _with_key(course: Course, index: int, like: Occurrence, seen: _Seen) -> Occurrence | None:
    """The segment's own occurrence with the key of another segment's, if it has one."""
    segment = course.timeline[index]
    activity = activity_of(segment, like.activity_key)
    if activity is None or isinstance(activity.schedule, AfterEvent):
        return None
    begins, ends = (instant_of(datetime.combine(on, time()), segment.zone) for on in (like.on, like.on + _DAY))
    for window in _windows(course, segment, activity, max(begins, segment.from_at)):
        if window.opens_at > ends or _opens_later(segment, activity, window):
            return None
        if (window.on, window.slot) == like.key:
            return _occurrence(course, index, activity, window, seen)
    return None
