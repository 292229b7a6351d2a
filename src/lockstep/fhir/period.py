"""Period and Duration: the bounds of a Timing as civil dates and numbers of days."""

import re
from calendar import monthrange
from datetime import date, timedelta
from fractions import Fraction

from lockstep.fhir.element import Element

# Months and years are left out: they have no length of their own.
MINUTES_OF_UNIT = {
    "s": Fraction(1, 60),
    "min": Fraction(1),
    "h": Fraction(60),
    "d": Fraction(1440),
    "wk": Fraction(10080),
}
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?\Z")
_UCUM = "http://unitsofmeasure.org"


def minutes(element: Element, name: str, unit: str) -> Fraction | None:
    """The length of `name` in the unit that the part `unit` names, None if absent."""
    value = element.number(name)
    if value is None:
        return None
    code = element.text(unit)
    if code not in MINUTES_OF_UNIT:
        words = "has no fixed length" if code in {"mo", "a"} else "is not a unit of time"
        mend = f"Use one of {', '.join(MINUTES_OF_UNIT)}."
        raise element.refusal(unit, f"{str(code)[:20]!r} {words}", mend)
    return value * MINUTES_OF_UNIT[code]


def bounds(period: Element | None) -> tuple[date | None, date | None]:
    """The half-open span of civil dates [from, until) of a Period, whose written end is inclusive (R4)."""
    if period is None:
        return None, None
    period.only({"start", "end"})
    start, end = _dates(period, "start"), _dates(period, "end")
    first, until = start and start[0], end and end[1]
    if first and until and until <= first:
        raise period.refusal("end", "The period ends before it begins", "Give an end after the start.")
    return first, until


def whole_days(duration: Element | None) -> int | None:
    """The number of days of a Duration; None if absent, a refusal if it is not whole days."""
    if duration is None:
        return None
    duration.only({"value", "unit", "system", "code"})
    if duration.text("system") not in {None, _UCUM}:
        raise duration.refusal("system", "The unit is not from UCUM", f"Use {_UCUM}.")
    length = minutes(duration, "value", "code" if "code" in duration else "unit")
    if length is None or (length / 1440).denominator != 1:
        raise duration.refusal("value", "This is not a whole number of days", "Give whole days or weeks.")
    return (length / 1440).numerator


def _dates(period: Element, name: str) -> tuple[date, date] | None:
    """The first date that a date, month or year stands for, and the date after its last."""
    text = period.text(name)
    if text is None:
        return None
    if (found := _DATE.match(text)) is None:
        mend = "Give a date: a schedule begins and ends with local dates."
        raise period.refusal(name, f"{text[:40]!r} is not a civil date", mend)
    year, month, day = (int(part) if part else None for part in found.groups())
    try:
        first = date(year or 0, month or 1, day or 1)
        last = date(first.year, month or 12, day or monthrange(first.year, month or 12)[1])
        return first, last + timedelta(days=1)
    except (ValueError, OverflowError):
        raise period.refusal(name, f"{text!r} is not a date", "Give a date of the calendar.") from None
