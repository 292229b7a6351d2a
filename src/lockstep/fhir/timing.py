"""Timing: when something recurs, read into a schedule or refused with the path of what cannot be honoured."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from fractions import Fraction
from typing import Any

from lockstep.domain.refusal import InvalidSchedule
from lockstep.domain.schedule import AfterEvent, Days, EveryDays, Schedule, TimeOfDay, Weekly, validate
from lockstep.fhir.element import Element
from lockstep.fhir.period import bounds, minutes, whole_days

# http://hl7.org/fhir/R4/datatypes.html#Timing
_WEEKDAYS = {code: index for index, code in enumerate(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))}
_DAY = 1440

# http://hl7.org/fhir/R4/valueset-event-timing.html: what happens at or after an event can be asked for once
# the event is recorded. The flag says that the event comes once a day by nature.
_EVENTS = {
    "C": ("meal", False),
    "CM": ("breakfast", True),
    "CD": ("lunch", True),
    "CV": ("dinner", True),
    "PC": ("meal", False),
    "PCM": ("breakfast", True),
    "PCD": ("lunch", True),
    "PCV": ("dinner", True),
    "WAKE": ("waking", True),
}
_BEFORE_EVENTS = frozenset({"HS", "AC", "ACM", "ACD", "ACV"})

# http://hl7.org/fhir/R4/valueset-timing-abbreviation.html: those that say what a frequency and a period say.
_ABBREVIATIONS = {
    "QD": (1, 1, "d"),
    "BID": (2, 1, "d"),
    "TID": (3, 1, "d"),
    "QID": (4, 1, "d"),
    "QOD": (1, 2, "d"),
    "Q4H": (1, 4, "h"),
    "Q6H": (1, 6, "h"),
    "WK": (1, 1, "wk"),
}
_ABBREVIATION_SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation"

_BOUNDS = frozenset({"boundsPeriod", "boundsDuration", "count", "countMax"})
_LENGTHS = frozenset({"duration", "durationMax", "durationUnit", "period", "periodMax", "periodUnit"})
_PLACES = frozenset({"frequency", "frequencyMax", "dayOfWeek", "timeOfDay", "when", "offset"})
_REPEAT = _BOUNDS | _LENGTHS | _PLACES


@dataclass(frozen=True, slots=True)
class ReadTiming:
    """What a Timing asks for: a schedule, and how often within each of its windows."""

    schedule: Schedule | AfterEvent
    quantity: int


def read(timing: Mapping[str, Any], *, path: str = "Timing", window_minutes: int = 60) -> ReadTiming:
    """The schedule that a Timing means, exactly; `InvalidSchedule` with the path of what cannot be honoured.

    A frequency without times is one window over the period, to be filled that often; a period that divides a
    day becomes times of day from 00:00. A Timing says when something begins: where it names times or events
    but no duration, the window stays open for `window_minutes`.
    """
    repeat = _repeat(Element.of(timing, path))
    _refuse_ranges(repeat)
    read = _after_event if "when" in repeat else _recurring
    found = read(repeat, window_minutes)
    try:
        validate(found.schedule)
    except InvalidSchedule as fault:
        raise InvalidSchedule(fault.what, where=repeat.path, mend=fault.mend) from fault
    return found


def _repeat(timing: Element) -> Element:
    timing.only({"repeat", "code"})
    repeat = timing.child("repeat") or Element({}, f"{timing.path}.repeat")
    repeat.only(_REPEAT)
    if "code" in timing:
        return _with_abbreviation(timing, repeat)
    if not repeat.values:
        raise timing.refusal("repeat", "There is no recurrence", "Give a period, days of the week or times.")
    return repeat


def _with_abbreviation(timing: Element, repeat: Element) -> Element:
    """The repeat completed by the Timing's code, which is understood to say the same (R4, Timing.code)."""
    codings = timing.values["code"].get("coding") if isinstance(timing.values["code"], Mapping) else None
    coding = codings[0] if isinstance(codings, list) and len(codings) == 1 else None
    code = coding.get("code") if isinstance(coding, Mapping) else None
    known = isinstance(code, str) and coding is not None and coding.get("system") == _ABBREVIATION_SYSTEM
    if not known or code not in _ABBREVIATIONS:
        raise timing.refusal("code", "This abbreviation is not honoured", "Give frequency and period instead.")
    frequency, period, unit = _ABBREVIATIONS[str(code)]
    meant = {"frequency": frequency, "period": period, "periodUnit": unit}
    for name, value in meant.items():
        if repeat.values.get(name, value) != value:
            raise timing.refusal("code", f"{code} contradicts repeat.{name}", "Leave one of them out.")
    return Element({**meant, **repeat.values}, repeat.path)


def _refuse_ranges(repeat: Element) -> None:
    """A choice (3 to 5 times) is left to somebody's judgement; a schedule needs one number."""
    for name, default in (("count", None), ("duration", None), ("frequency", 1), ("period", None)):
        most = repeat.values.get(f"{name}Max")
        if most is not None and most != repeat.values.get(name, default):
            raise repeat.refusal(f"{name}Max", "A range is not one number", f"Give {name} alone.")


def _after_event(repeat: Element, window_minutes: int) -> ReadTiming:
    codes = repeat.texts("when")
    if len(codes) != 1:
        raise repeat.refusal("when", "Several events cannot share a schedule", "Make an activity for each.")
    event, daily = _event(repeat, codes[0])
    for name in ("boundsPeriod", "boundsDuration", "count", "dayOfWeek", "timeOfDay"):
        if name in repeat:
            mend = "Leave it out, or give times of day instead of an event."
            raise repeat.refusal(name, "What follows an event has no bounds of its own", mend)
    if "frequency" in repeat or "period" in repeat:
        once_a_day = (repeat.whole("frequency") or 1) == 1 and minutes(repeat, "period", "periodUnit") == _DAY
        if not (daily and once_a_day):
            mend = "Leave out frequency and period."
            raise repeat.refusal("frequency", "The event does not come this often by itself", mend)
    delay = repeat.whole("offset") if repeat.values.get("offset") != 0 else 0
    return ReadTiming(AfterEvent(event, delay or 0, _duration(repeat) or window_minutes), 1)


def _event(repeat: Element, code: str) -> tuple[str, bool]:
    if code in _BEFORE_EVENTS:
        raise repeat.refusal("when", f"{code} comes before an event that is not known yet", "Give times of day.")
    if code not in _EVENTS:
        raise repeat.refusal("when", f"{code[:20]!r} is no time that is agreed", "Give times of day.")
    return _EVENTS[code]


def _recurring(repeat: Element, window_minutes: int) -> ReadTiming:
    if "offset" in repeat:
        raise repeat.refusal("offset", "An offset needs an event", "Name the event in when.")
    weekdays = _weekdays(repeat)
    if "timeOfDay" in repeat:
        times = _times(repeat, _duration(repeat) or window_minutes)
        days, quantity = _days_of_times(repeat, weekdays, len(times)), 1
    else:
        days, times, quantity = _by_period(repeat, weekdays)
    return ReadTiming(_bounded(repeat, Schedule(days, times), quantity), quantity)


def _weekdays(repeat: Element) -> tuple[int, ...]:
    codes = repeat.texts("dayOfWeek")
    for code in codes:
        if code not in _WEEKDAYS:
            raise repeat.refusal("dayOfWeek", f"{code[:20]!r} is not a weekday", "Use mon to sun.")
    return tuple(sorted(_WEEKDAYS[code] for code in codes))


def _times(repeat: Element, lasts: int) -> tuple[TimeOfDay, ...]:
    try:
        opens = sorted(time.fromisoformat(text) for text in repeat.texts("timeOfDay"))
    except ValueError:
        raise repeat.refusal("timeOfDay", "This is not a time of day", "Give times such as 08:00:00.") from None
    return tuple(TimeOfDay(_label(each), each, lasts) for each in opens)


def _label(opens: time) -> str:
    return opens.isoformat("seconds" if opens.second else "minutes")


def _days_of_times(repeat: Element, weekdays: tuple[int, ...], times: int) -> Days:
    """The dates of named times: every day or the named weekdays, unless a period agrees on something else."""
    period, frequency = minutes(repeat, "period", "periodUnit"), repeat.whole("frequency")
    if period is None:
        if frequency is not None:
            raise repeat.refusal("frequency", "A frequency needs a period", "Give the period.")
        return Weekly(1, weekdays) if weekdays else EveryDays(1)
    weeks, days = period / (7 * _DAY), period / _DAY
    if weekdays and weeks.denominator == 1:
        _agree(repeat, len(weekdays) * times)
        return Weekly(weeks.numerator, weekdays)
    # Two times in two days could be one on each.
    if days == 1 or (not weekdays and days.denominator == 1 and times == 1):
        _agree(repeat, times)
        return Weekly(1, weekdays) if weekdays else EveryDays(days.numerator)
    raise repeat.refusal("period", "The times do not say on which dates of the period", "Name days of the week.")


def _agree(repeat: Element, named: int) -> None:
    if (repeat.whole("frequency") or 1) != named:
        what = f"The frequency differs from the {named} that the named days and times make"
        raise repeat.refusal("frequency", what, "Leave it out, or name as many.")


def _by_period(repeat: Element, weekdays: tuple[int, ...]) -> tuple[Days, tuple[TimeOfDay, ...], int]:
    """What a frequency and a period mean when no time of day is named: dates, windows, quantity."""
    period, frequency = minutes(repeat, "period", "periodUnit"), repeat.whole("frequency") or 1
    if period is None:
        if not weekdays or "frequency" in repeat:
            raise repeat.refusal("period", "It is not said how often", "Give a period.")
        return Weekly(1, weekdays), _all_day(repeat), 1
    if period < _DAY:
        return (
            Weekly(1, weekdays) if weekdays else EveryDays(1),
            _divided(repeat, period, frequency),
            frequency,
        )
    weeks, days = period / (7 * _DAY), period / _DAY
    if days.denominator != 1:
        raise repeat.refusal("period", "The period is not a whole number of days", "Give whole days.")
    if not weekdays:
        return EveryDays(days.numerator), _all_day(repeat, days.numerator), frequency
    if days == 1:
        return Weekly(1, weekdays), _all_day(repeat), frequency
    if weeks.denominator != 1:
        raise repeat.refusal("dayOfWeek", "Weekdays need a period of weeks", "Give the period in weeks.")
    _agree(repeat, len(weekdays))
    return Weekly(weeks.numerator, weekdays), _all_day(repeat), 1


def _all_day(repeat: Element, days: int = 1) -> tuple[TimeOfDay, ...]:
    if "duration" in repeat:
        mend = "Name times of day, or leave the duration out."
        raise repeat.refusal("duration", "It is not said when in the period it begins", mend)
    return (TimeOfDay("day" if days == 1 else f"{days} days", time(0), days * _DAY),)


def _divided(repeat: Element, period: Fraction, frequency: int) -> tuple[TimeOfDay, ...]:
    """Times of day from 00:00, a period apart."""
    parts = _DAY / period
    if parts.denominator != 1 or period.denominator != 1:
        raise repeat.refusal("period", "The period does not divide a day", "Give whole minutes that divide 24 h.")
    step = period.numerator
    lasts = _duration(repeat) or step
    if lasts > step or (frequency > 1 and lasts != step):
        raise repeat.refusal("duration", "The duration does not fit the period", "Leave it out.")
    opens = (time(*divmod(minute, 60)) for minute in range(0, _DAY, step))
    return tuple(TimeOfDay(_label(each), each, lasts) for each in opens)


def _duration(repeat: Element) -> int | None:
    lasts = minutes(repeat, "duration", "durationUnit")
    if lasts is not None and lasts.denominator != 1:
        raise repeat.refusal("duration", "The duration is not whole minutes", "Give whole minutes.")
    return None if lasts is None else lasts.numerator


def _bounded(repeat: Element, schedule: Schedule, quantity: int) -> Schedule:
    """The schedule within the Timing's bounds; a period that begins on a date is counted from that date."""
    from_on, until_on = bounds(repeat.child("boundsPeriod"))
    for_days = whole_days(repeat.child("boundsDuration"))
    count = repeat.whole("count")
    if count is not None and count % quantity:
        mend = f"Give a multiple of {quantity}."
        raise repeat.refusal("count", "The count does not fill its last window", mend)
    length = (until_on - from_on).days if from_on and until_on else for_days
    span = max(each.lasts_minutes for each in schedule.times) // _DAY
    ends = until_on is not None or for_days is not None
    if span > 1 and "timeOfDay" not in repeat and ends and (length is None or length % span):
        name = "boundsPeriod" if until_on else "boundsDuration"
        raise repeat.refusal(name, f"The end cuts a window of {span} days", "Bound it by whole periods.")
    return Schedule(
        schedule.days,
        schedule.times,
        anchor_on=from_on,
        for_days=for_days,
        from_on=from_on,
        until_on=until_on,
        count=None if count is None else count // quantity,
    )
