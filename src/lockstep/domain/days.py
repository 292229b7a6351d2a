"""The dates on which something recurs: every n days, weeks or months, or on numbered days."""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from heapq import heapify, heapreplace
from itertools import accumulate, pairwise
from math import gcd

# Dates are counted by their ordinal (1 = 1 January of year 1) and end early enough that windows still fit a datetime.
LAST_ON = date(9990, 12, 31)
_LAST = LAST_ON.toordinal()
_MONTHS_OF_CYCLE = 4800  # The Gregorian calendar repeats after 400 years, weekdays included.
_DAYS_OF_CYCLE = 146_097
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

Fault = tuple[str, str, str]  # where, what, mend


@dataclass(frozen=True, slots=True)
class EveryDays:
    """Every `n` days from the anchor date, beginning `offset_days` after it."""

    n: int
    offset_days: int = 0

    def dates(self, anchor: int, start: int) -> Iterator[int]:
        """Ordinals of the dates not before `start`, ascending."""
        return _walk((anchor + self.offset_days,), self.n, start)

    def count(self, anchor: int, end: int) -> int:
        """How many dates lie before the ordinal `end`; computed, not enumerated."""
        return _tally((anchor + self.offset_days,), self.n, end)

    def longest_gap_days(self, anchor: int | None) -> int | None:
        """The most days between two neighbouring dates; None if there are no two."""
        return self.n

    def faults(self) -> Iterator[Fault]:
        """What makes the pattern impossible: where, what, mend."""
        yield from _range("n", self.n, 1, 36_600)
        yield from _range("offset_days", self.offset_days, 0, 36_600)

    def in_words(self) -> str:
        """The pattern in plain English."""
        words = "every day" if self.n == 1 else f"every {self.n} days"
        return words + (f" from day {self.offset_days}" if self.offset_days else "")


@dataclass(frozen=True, slots=True)
class Weekly:
    """On the given weekdays (Monday = 0) of every `n`-th ISO week, counted from the week of the anchor date."""

    n: int
    weekdays: tuple[int, ...]

    def _starts(self, anchor: int) -> tuple[int, ...]:
        monday = anchor - (anchor - 1) % 7
        firsts = (monday + weekday for weekday in self.weekdays)
        return tuple(first if first >= anchor else first + 7 * self.n for first in firsts)

    def dates(self, anchor: int, start: int) -> Iterator[int]:
        """Ordinals of the dates not before `start` nor the anchor, ascending."""
        return _walk(self._starts(anchor), 7 * self.n, start)

    def count(self, anchor: int, end: int) -> int:
        """How many dates lie in [anchor, end); computed, not enumerated."""
        return _tally(self._starts(anchor), 7 * self.n, end)

    def longest_gap_days(self, anchor: int | None) -> int | None:
        """The most days between two neighbouring dates."""
        return _longest(self.weekdays, 7 * self.n)

    def faults(self) -> Iterator[Fault]:
        """What makes the pattern impossible: where, what, mend."""
        yield from _range("n", self.n, 1, 5_200)
        yield from _members("weekdays", self.weekdays, lambda day: 0 <= day <= 6, "0 (Monday) to 6 (Sunday)")
        if not self.weekdays:
            yield "weekdays", "No weekday is named", "Name at least one."

    def in_words(self) -> str:
        """The pattern in plain English."""
        names = _joined([_WEEKDAYS[weekday] for weekday in self.weekdays])
        return f"every {names}" if self.n == 1 else f"every {self.n} weeks on {names}"


@dataclass(frozen=True, slots=True)
class OnDays:
    """On numbered days after the anchor date (0 = the anchor itself), each repeated every `every_days` if given."""

    days: tuple[int, ...]
    every_days: int | None = None

    def _starts(self, anchor: int) -> tuple[int, ...]:
        if self.every_days is None:
            return tuple(anchor + day for day in self.days)
        # Two numbers that meet in a later round are one series, begun by the smaller.
        earliest = {day % self.every_days: day for day in sorted(self.days, reverse=True)}
        return tuple(anchor + day for day in earliest.values())

    def dates(self, anchor: int, start: int) -> Iterator[int]:
        """Ordinals of the dates not before `start`, ascending."""
        return _walk(self._starts(anchor), self.every_days, start)

    def count(self, anchor: int, end: int) -> int:
        """How many dates lie before the ordinal `end`; computed, not enumerated."""
        return _tally(self._starts(anchor), self.every_days, end)

    def longest_gap_days(self, anchor: int | None) -> int | None:
        """The most days between two neighbouring dates; None if there are no two."""
        return _longest(self._starts(0), self.every_days)

    def faults(self) -> Iterator[Fault]:
        """What makes the pattern impossible: where, what, mend."""
        yield from _members("days", self.days, lambda day: 0 <= day <= 36_600, "0 to 36600")
        if not self.days:
            yield "days", "No day is named", "Name at least one; 0 is the anchor date."
        if self.every_days is not None:
            yield from _range("every_days", self.every_days, 1, 36_600)

    def in_words(self) -> str:
        """The pattern in plain English."""
        days = f"on day{'s' if len(self.days) > 1 else ''} {_joined([str(day) for day in self.days])}"
        return days if self.every_days is None else f"{days}, again every {self.every_days} days"


@dataclass(frozen=True, slots=True)
class Monthly:
    """On days of every `n`-th month, counted from the month of the anchor date.

    `days` are 1 to 31, or -1 to -31 from the month's end; `weekdays` are (nth, weekday) with nth 1 to 5 or -1 to -5.
    A month that lacks the day is passed over (RFC 5545, 3.3.10).
    """

    n: int
    days: tuple[int, ...]
    weekdays: tuple[tuple[int, int], ...] = ()

    def dates(self, anchor: int, start: int) -> Iterator[int]:
        """Ordinals of the dates not before `start` nor the anchor, ascending."""
        start = max(start, anchor)
        first = _month_of(anchor)
        month = first + -(-max(0, _month_of(min(start, _LAST)) - first) // self.n) * self.n
        while (zero := _zero_of(month)) < _LAST:
            for day in _days_in(self, *_kind(month)):
                if zero + day >= start:
                    yield zero + day
            month += self.n

    def count(self, anchor: int, end: int) -> int:
        """How many dates lie in [anchor, end); computed from the calendar's cycle of 400 years, not enumerated."""
        end = min(end, _LAST + 1)
        if end <= anchor:
            return 0
        first, last = _month_of(anchor), _month_of(end)
        whole, in_last = divmod(last - first, self.n)
        before_anchor = self._before(anchor)
        steps = whole + (1 if in_last else 0)
        return self._in_months(first, steps) - before_anchor + (0 if in_last else self._before(end))

    def _before(self, on: int) -> int:
        """How many days of the pattern lie in the month of `on`, before it."""
        month = _month_of(on)
        return sum(1 for day in _days_in(self, *_kind(month)) if _zero_of(month) + day < on)

    def _in_months(self, first: int, steps: int) -> int:
        sums = _cycle_sums(self, first % _MONTHS_OF_CYCLE)
        cycles, rest = divmod(steps, len(sums) - 1)
        return cycles * sums[-1] + sums[rest]

    def longest_gap_days(self, anchor: int | None) -> int | None:
        """The most days between two neighbouring dates, over the calendar's whole cycle; None if no date exists."""
        if anchor is not None:
            return _longest_of_months(self, _month_of(anchor) % gcd(self.n, _MONTHS_OF_CYCLE))
        gaps = (_longest_of_months(self, phase) for phase in range(gcd(self.n, _MONTHS_OF_CYCLE)))
        return max((gap for gap in gaps if gap is not None), default=None)

    def faults(self) -> Iterator[Fault]:
        """What makes the pattern impossible: where, what, mend."""
        yield from _range("n", self.n, 1, 1_200)
        yield from _members("days", self.days, lambda day: 1 <= abs(day) <= 31, "1 to 31, or -1 to -31 from the end")
        for position, (nth, weekday) in enumerate(self.weekdays):
            if not (1 <= abs(nth) <= 5 and 0 <= weekday <= 6):
                yield f"weekdays[{position}]", "No month has such a weekday", "Use 1 to 5 or -1 to -5, and 0 (Monday) to 6."
        if not self.days and not self.weekdays:
            yield "days", "No day of the month is named", "Name at least one."

    def in_words(self) -> str:
        """The pattern in plain English."""
        days = [_day_in_words(day) for day in self.days]
        days += [f"the {_nth_in_words(nth)} {_WEEKDAYS[weekday]}" for nth, weekday in self.weekdays]
        return f"every {'month' if self.n == 1 else f'{self.n} months'} on {_joined(days)}"


Days = EveryDays | Weekly | Monthly | OnDays


def _walk(starts: tuple[int, ...], period: int | None, start: int) -> Iterator[int]:
    """Merge the series x, x + period, …, one for each of `starts`, from `start` on."""
    if period is None:
        yield from (day for day in sorted(starts) if start <= day <= _LAST)
        return
    heap = [x if x >= start else x + -(-(start - x) // period) * period for x in starts]
    heapify(heap)
    while heap and heap[0] <= _LAST:
        yield heap[0]
        heapreplace(heap, heap[0] + period)


def _tally(starts: tuple[int, ...], period: int | None, end: int) -> int:
    """How many members of those series lie before `end`."""
    if period is None:
        return sum(1 for x in starts if x < end)
    return sum(max(0, -(-(end - x) // period)) for x in starts)


def _longest(starts: tuple[int, ...], period: int | None) -> int | None:
    """The widest gap of those series, the time before all of them run included."""
    horizon = max(starts) + (period or 0)
    gaps = [later - earlier for earlier, later in pairwise(_until(_walk(starts, period, 0), horizon))]
    return max(gaps, default=None)


def _until(days: Iterator[int], horizon: int) -> Iterator[int]:
    for day in days:
        if day > horizon:
            return
        yield day


def _month_of(ordinal: int) -> int:
    """The number of a date's month, counted from January of year 0."""
    on = date.fromordinal(ordinal)
    return on.year * 12 + on.month - 1


def _zero_of(month: int) -> int:
    """The ordinal of the day before the month's first."""
    year, index = divmod(month, 12)
    return date(year, index + 1, 1).toordinal() - 1 if year <= LAST_ON.year else _LAST


@cache
def _kinds() -> tuple[tuple[int, int], ...]:
    """(weekday of the first, number of days) of each month of the calendar's cycle; there are 28 kinds."""
    return tuple(monthrange(2000 + month // 12, month % 12 + 1) for month in range(_MONTHS_OF_CYCLE))


def _kind(month: int) -> tuple[int, int]:
    return _kinds()[month % _MONTHS_OF_CYCLE]


@lru_cache(maxsize=4096)
def _days_in(pattern: Monthly, first_weekday: int, length: int) -> tuple[int, ...]:
    """The days of a month of that kind, ascending and each once."""
    found = {day if day > 0 else length + 1 + day for day in pattern.days}
    for nth, weekday in pattern.weekdays:
        first = 1 + (weekday - first_weekday) % 7
        last = first + (length - first) // 7 * 7
        found.add(first + 7 * (nth - 1) if nth > 0 else last + 7 * (nth + 1))
    return tuple(sorted(day for day in found if 1 <= day <= length))


@lru_cache(maxsize=1024)
def _cycle_sums(pattern: Monthly, phase: int) -> tuple[int, ...]:
    """Running numbers of dates over the months phase, phase + n, … until the calendar repeats."""
    steps = _MONTHS_OF_CYCLE // gcd(pattern.n, _MONTHS_OF_CYCLE)
    months = (phase + step * pattern.n for step in range(steps))
    return tuple(accumulate((len(_days_in(pattern, *_kind(month))) for month in months), initial=0))


@lru_cache(maxsize=1024)
def _longest_of_months(pattern: Monthly, phase: int) -> int | None:
    steps = 2 * _MONTHS_OF_CYCLE // gcd(pattern.n, _MONTHS_OF_CYCLE)
    months = (phase + step * pattern.n for step in range(steps + 1))
    days = (_zero_in_cycles(month) + day for month in months for day in _days_in(pattern, *_kind(month)))
    return max((later - earlier for earlier, later in pairwise(days)), default=None)


def _zero_in_cycles(month: int) -> int:
    """Like `_zero_of`, for months however far away."""
    cycles, rest = divmod(month, _MONTHS_OF_CYCLE)
    return cycles * _DAYS_OF_CYCLE + date(2000 + rest // 12, rest % 12 + 1, 1).toordinal() - 1


def _range(where: str, value: int, least: int, most: int) -> Iterator[Fault]:
    if not least <= value <= most:
        yield where, f"{value} is out of range", f"Use {least} to {most}."


def _members(where: str, values: tuple[int, ...], allowed: object, words: str) -> Iterator[Fault]:
    assert callable(allowed)
    for position, value in enumerate(values):
        if not allowed(value):
            yield f"{where}[{position}]", f"{value} is out of range", f"Use {words}."
        elif value in values[:position]:
            yield f"{where}[{position}]", f"{value} is named twice", "Name it once."


def _joined(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def _nth_in_words(nth: int) -> str:
    if nth < 0:
        return "last" if nth == -1 else f"{_nth_in_words(-nth)} last"
    ending = "th" if 11 <= nth <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(nth % 10, "th")
    return f"{nth}{ending}"


def _day_in_words(day: int) -> str:
    return f"the {_nth_in_words(day)}" + (" day" if day < 0 else "")
