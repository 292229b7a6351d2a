"""The dates on which something recurs by months, found through the calendar's cycle of 400 years."""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from itertools import accumulate, pairwise
from math import gcd

from lockstep.domain.days import LAST, LAST_ON, WEEKDAYS, Fault, joined, limits, members

# The Gregorian calendar repeats after 400 years, weekdays included.
_MONTHS_OF_CYCLE = 4800
_DAYS_OF_CYCLE = 146_097


@dataclass(frozen=True, slots=True)
class Monthly:
    """On days of every `n`-th month, counted from the month of the anchor date.

    `days` are 1 to 31, or -1 to -31 from the month's end; `weekdays` are (nth, weekday) with nth 1 to 5,
    or -1 to -5 from the end, and Monday = 0.
    A month that lacks the day is passed over (RFC 5545, 3.3.10).
    """

    n: int
    days: tuple[int, ...]
    weekdays: tuple[tuple[int, int], ...] = ()

    def dates(self, anchor: int, start: int) -> Iterator[int]:
        """Ordinals of the dates not before `start` nor the anchor, ascending."""
        start = max(start, anchor)
        first = _month_of(anchor)
        month = first + -(-max(0, _month_of(min(start, LAST)) - first) // self.n) * self.n
        while (zero := _zero_of(month)) < LAST:
            for day in _days_in(self, *_kind(month)):
                if zero + day >= start:
                    yield zero + day
            month += self.n

    def count(self, anchor: int, end: int) -> int:
        """How many dates lie in [anchor, end); computed from the calendar's cycle, not enumerated."""
        end = min(end, LAST + 1)
        if end <= anchor:
            return 0
        first, last = _month_of(anchor), _month_of(end)
        whole, beside = divmod(last - first, self.n)
        # The pattern's months before that of `end`, and the part of that month if it is one of them.
        months, partly = (whole + 1, 0) if beside else (whole, self._before(end))
        return self._in_months(first, months) + partly - self._before(anchor)

    def _before(self, on: int) -> int:
        """How many days of the pattern lie in the month of `on`, before it."""
        month = _month_of(on)
        return sum(1 for day in _days_in(self, *_kind(month)) if _zero_of(month) + day < on)

    def _in_months(self, first: int, steps: int) -> int:
        sums = _cycle_sums(self, first % _MONTHS_OF_CYCLE)
        cycles, rest = divmod(steps, len(sums) - 1)
        return cycles * sums[-1] + sums[rest]

    def longest_gap_days(self, anchor: int | None = None) -> int | None:
        """The most days between two neighbouring dates over the whole cycle; None if no date exists.

        Without an anchor it is taken in the month from which the gap is longest.
        """
        if anchor is not None:
            return _longest_of_months(self, _month_of(anchor) % gcd(self.n, _MONTHS_OF_CYCLE))
        gaps = (_longest_of_months(self, phase) for phase in range(gcd(self.n, _MONTHS_OF_CYCLE)))
        return max((gap for gap in gaps if gap is not None), default=None)

    def faults(self) -> Iterator[Fault]:
        """What makes the pattern impossible: where, what, mend."""
        yield from limits("n", self.n, 1, 1_200)
        words = "1 to 31, or -1 to -31 from the end"
        yield from members("days", self.days, lambda day: 1 <= abs(day) <= 31, words)
        for position, (nth, weekday) in enumerate(self.weekdays):
            if not (1 <= abs(nth) <= 5 and 0 <= weekday <= 6):
                mend = "Use 1 to 5 or -1 to -5, and 0 (Monday) to 6."
                yield f"weekdays[{position}]", "No month has such a weekday", mend
        if not self.days and not self.weekdays:
            yield "days", "No day of the month is named", "Name at least one."

    def in_words(self) -> str:
        """The pattern in plain English."""
        days = [_day_in_words(day) for day in self.days]
        days += [f"the {_nth_in_words(nth)} {WEEKDAYS[weekday]}" for nth, weekday in self.weekdays]
        return f"every {'month' if self.n == 1 else f'{self.n} months'} on {joined(days)}"


def _month_of(ordinal: int) -> int:
    """The number of a date's month, counted from January of year 0."""
    on = date.fromordinal(ordinal)
    return on.year * 12 + on.month - 1


def _zero_of(month: int) -> int:
    """The ordinal of the day before the month's first."""
    year, index = divmod(month, 12)
    return date(year, index + 1, 1).toordinal() - 1 if year <= LAST_ON.year else LAST


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


def _nth_in_words(nth: int) -> str:
    if nth < 0:
        return "last" if nth == -1 else f"{_nth_in_words(-nth)} last"
    ending = "th" if 11 <= nth <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(nth % 10, "th")
    return f"{nth}{ending}"


def _day_in_words(day: int) -> str:
    return f"the {_nth_in_words(day)}" + (" day" if day < 0 else "")
