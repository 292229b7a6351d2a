"""When an activity is due: its windows in civil time, found by arithmetic from any instant."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise

from lockstep.domain.civil import day_exists, instant_of, local_of
from lockstep.domain.days import LAST_ON, EveryDays, Fault, OnDays, Weekly, limits
from lockstep.domain.months import Monthly
from lockstep.domain.occurrence import Window
from lockstep.domain.refusal import InvalidSchedule

__all__ = [
    "AfterEvent", "Days", "EveryDays", "Monthly", "OnDays", "Schedule", "TimeOfDay", "Weekly",
    "faults", "in_words", "longest_gap_minutes", "validate", "windows",
]  # fmt: skip

MOST_TIMES = 1440
MOST_MINUTES = 366 * 1440
MOST_DAYS = 36_600
MOST_WINDOWS = 1_000_000
_DAY_MINUTES = 1440
# A window may cross midnight, and a gap may carry its close on by a date: two dates more than it lasts.
_MARGIN_DAYS = 2
_FIRST = date(2, 1, 1)


Days = EveryDays | Weekly | Monthly | OnDays


@dataclass(frozen=True, slots=True)
class TimeOfDay:
    """A window of the day, opening at a civil time; it may cross midnight and last longer than a day."""

    label: str
    opens: time
    lasts_minutes: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """A recurrence: on which dates, at which times, within which bounds.

    Bounds hold together: days [from_day, from_day + for_days) after the anchor, civil dates
    [from_on, until_on), and the first `count` nominal windows within them. Without `anchor_on` the
    enrolment's anchor is meant.
    """

    days: Days
    times: tuple[TimeOfDay, ...]
    anchor_on: date | None = None
    from_day: int = 0
    for_days: int | None = None
    from_on: date | None = None
    until_on: date | None = None
    count: int | None = None


@dataclass(frozen=True, slots=True)
class AfterEvent:
    """A window that an event opens: from `delay_minutes` after it, for `lasts_minutes`."""

    event: str
    delay_minutes: int
    lasts_minutes: int


def windows(schedule: Schedule, *, anchor_on: date, zone: str, from_at: datetime) -> Iterator[Window]:
    """Every window that closes after `from_at`, ordered by opening and slot; endless unless bounded.

    The first costs the same however long ago the anchor was. A local date that does not exist has no window,
    though it uses up its share of `count`, so that keys do not depend on the zone; a repeated date has each
    window once.
    """
    held: list[Window] = []
    for on, times in _nominal(schedule, anchor_on, _earliest(schedule, zone, from_at)):
        # A gap may move a time beyond the next date's first: windows wait until none can precede them.
        bound = _no_opening_before(on, times[0], zone)
        held.sort(key=_order)
        while held and held[0].opens_at < bound:
            yield held.pop(0)
        found = (_window(on, time_of_day, zone) for time_of_day in times)
        held += [window for window in found if window is not None and window.closes_at > from_at]
    yield from sorted(held, key=_order)


def _order(window: Window) -> tuple[datetime, str]:
    return window.opens_at, window.slot


def _earliest(schedule: Schedule, zone: str, from_at: datetime) -> int:
    """The first ordinal on which a window may begin that closes after `from_at`."""
    if from_at.year < _FIRST.year:
        return 1
    longest = max(time_of_day.lasts_minutes for time_of_day in schedule.times)
    on = local_of(from_at, zone).date() if from_at.year < LAST_ON.year else LAST_ON
    return max(1, on.toordinal() - longest // _DAY_MINUTES - _MARGIN_DAYS)


def _nominal(schedule: Schedule, anchor_on: date, start: int) -> Iterator[tuple[date, tuple[TimeOfDay, ...]]]:
    """Each date from `start` on with its times, within all bounds, whatever the zone."""
    anchor = (schedule.anchor_on or anchor_on).toordinal()
    first, end = _bounds(schedule, anchor)
    start = max(first, start)
    left = _left(schedule, anchor, first, start)
    for ordinal in schedule.days.dates(anchor, start):
        if ordinal >= end or (left is not None and left <= 0):
            return
        yield date.fromordinal(ordinal), schedule.times[:left]
        left = None if left is None else left - len(schedule.times)


def _bounds(schedule: Schedule, anchor: int) -> tuple[int, int]:
    first = anchor + schedule.from_day
    end = LAST_ON.toordinal() if schedule.for_days is None else first + schedule.for_days
    if schedule.from_on is not None:
        first = max(first, schedule.from_on.toordinal())
    if schedule.until_on is not None:
        end = min(end, schedule.until_on.toordinal())
    return first, end


def _left(schedule: Schedule, anchor: int, first: int, start: int) -> int | None:
    """How many windows of `count` remain from `start` on; None when they are not counted."""
    if schedule.count is None:
        return None
    used = schedule.days.count(anchor, start) - schedule.days.count(anchor, first)
    return schedule.count - used * len(schedule.times)


def _no_opening_before(on: date, first: TimeOfDay, zone: str) -> datetime:
    """An instant before which no window of this date or a later one opens."""
    opens = datetime.combine(on, first.opens)
    opens_at = instant_of(opens, zone)
    return opens_at - (local_of(opens_at, zone) - opens)


def _window(on: date, time_of_day: TimeOfDay, zone: str) -> Window | None:
    """The window of a date; None if the date does not exist.

    Both ends are civil times. Where a gap moves the opening and takes more than half of the window, the whole
    window moves, so that nobody is asked for something within a minute.
    """
    opens = datetime.combine(on, time_of_day.opens)
    lasts = timedelta(minutes=time_of_day.lasts_minutes)
    opens_at, closes_at = instant_of(opens, zone), instant_of(opens + lasts, zone)
    shown = local_of(opens_at, zone)
    if shown != opens:
        if not day_exists(on, zone):
            return None
        if closes_at - opens_at < lasts / 2:
            closes_at = opens_at + lasts
    return Window(on, time_of_day.label, opens_at, closes_at)


def longest_gap_minutes(schedule: Schedule, *, anchor_on: date | None = None) -> int:
    """The longest nominal time between two neighbouring openings, bounds aside; 0 if there are no two.

    Without an anchor a monthly pattern is taken from the month in which its gap is longest.
    """
    anchor = schedule.anchor_on or anchor_on
    minutes = [_minute(time_of_day.opens) for time_of_day in schedule.times]
    gaps = [later - earlier for earlier, later in pairwise(minutes)]
    days = schedule.days.longest_gap_days(None if anchor is None else anchor.toordinal())
    if days is not None:
        gaps.append(days * _DAY_MINUTES - (minutes[-1] - minutes[0]))
    return max(gaps, default=0)


def _minute(at: time) -> int:
    return at.hour * 60 + at.minute


def validate(schedule: Schedule | AfterEvent) -> None:
    """The schedule can be honoured, or `InvalidSchedule` names its first fault; `faults` yields all."""
    for fault in faults(schedule):
        raise fault


def faults(schedule: Schedule | AfterEvent) -> Iterator[InvalidSchedule]:
    """Everything that makes the schedule impossible to honour, each with where it is and how to mend it."""
    found = _event_faults(schedule) if isinstance(schedule, AfterEvent) else _schedule_faults(schedule)
    for where, what, mend in found:
        yield InvalidSchedule(what, where=where, mend=mend)


def _event_faults(schedule: AfterEvent) -> Iterator[Fault]:
    if not schedule.event.strip():
        yield "event", "No event is named", "Name what opens the window, such as 'meal'."
    yield from limits("delay_minutes", schedule.delay_minutes, 0, MOST_MINUTES)
    yield from limits("lasts_minutes", schedule.lasts_minutes, 1, MOST_MINUTES)


def _schedule_faults(schedule: Schedule) -> Iterator[Fault]:
    for where, what, mend in schedule.days.faults():
        yield f"days.{where}", what, mend
    yield from _time_faults(schedule.times)
    yield from limits("from_day", schedule.from_day, 0, MOST_DAYS)
    if schedule.for_days is not None:
        yield from limits("for_days", schedule.for_days, 1, MOST_DAYS)
    if schedule.count is not None:
        yield from limits("count", schedule.count, 1, MOST_WINDOWS)
    if schedule.from_on and schedule.until_on and schedule.from_on >= schedule.until_on:
        yield "until_on", "The schedule ends before it begins", "Give an end (exclusive) after from_on."


def _time_faults(times: tuple[TimeOfDay, ...]) -> Iterator[Fault]:
    if not times:
        yield "times", "No time of day is named", "Name at least one window."
    if len(times) > MOST_TIMES:
        yield "times", f"{len(times)} times a day are too many", f"Name at most {MOST_TIMES}."
    labels = [time_of_day.label for time_of_day in times]
    for position, time_of_day in enumerate(times):
        where = f"times[{position}]"
        if not time_of_day.label.strip():
            yield f"{where}.label", "The window has no label", "Give it a word, such as 'morning'."
        if time_of_day.label in labels[:position]:
            yield f"{where}.label", f"The label {time_of_day.label!r} is used twice", "Use it once."
        if time_of_day.opens.tzinfo is not None or time_of_day.opens.microsecond:
            yield f"{where}.opens", "Not a civil time of whole seconds", "Give a time such as 08:00."
        yield from limits(f"{where}.lasts_minutes", time_of_day.lasts_minutes, 1, MOST_MINUTES)
    if list(times) != sorted(times, key=lambda each: (each.opens.replace(tzinfo=None), each.label)):
        yield "times", "The times are not in order", "Sort them by opening, then label."


def in_words(schedule: Schedule | AfterEvent) -> str:
    """The schedule as a sentence would say it: 'every 2 days at 08:00–10:00 (morning)'."""
    if isinstance(schedule, AfterEvent):
        delay, lasts = _lasting(schedule.delay_minutes), _lasting(schedule.lasts_minutes)
        return f"{delay} after {schedule.event}, for {lasts}"
    times = [_time_in_words(time_of_day) for time_of_day in schedule.times]
    return " ".join([schedule.days.in_words(), "at", ", ".join(times), *_bounds_in_words(schedule)])


def _time_in_words(time_of_day: TimeOfDay) -> str:
    start = datetime.combine(_FIRST, time_of_day.opens)
    closes = start + timedelta(minutes=time_of_day.lasts_minutes)
    over = (closes.date() - start.date()).days
    later = {0: "", 1: " the next day"}.get(over, f" {over} days later")
    return f"{start:%H:%M}–{closes:%H:%M}{later} ({time_of_day.label})"


def _bounds_in_words(schedule: Schedule) -> Iterator[str]:
    if schedule.anchor_on is not None:
        yield f"counted from {schedule.anchor_on}"
    if schedule.from_day:
        yield f"from day {schedule.from_day}"
    if schedule.for_days is not None:
        yield f"for {schedule.for_days} day{'s' if schedule.for_days > 1 else ''}"
    if schedule.from_on is not None:
        yield f"from {schedule.from_on}"
    if schedule.until_on is not None:
        yield f"until before {schedule.until_on}"
    if schedule.count is not None:
        yield f"{schedule.count} time{'s' if schedule.count > 1 else ''}"


def _lasting(minutes: int) -> str:
    for size, unit in ((1440, "day"), (60, "hour"), (1, "minute")):
        if minutes % size == 0 and minutes >= size:
            return f"{minutes // size} {unit}{'s' if minutes > size else ''}"
    return "immediately" if minutes == 0 else f"{minutes} minutes"
