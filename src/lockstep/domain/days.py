"""The dates on which something recurs: every n days, every n weeks, or on numbered days."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from heapq import heapify, heapreplace
from itertools import pairwise

# Dates are counted by their ordinal (1 = 1 January of year 1); the last leaves room for windows.
LAST_ON = date(9990, 12, 31)
LAST = LAST_ON.toordinal()
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

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

    def longest_gap_days(self, _anchor: int | None = None) -> int | None:
        """The most days between two neighbouring dates; None if there are no two."""
        return self.n

    def faults(self) -> Iterator[Fault]:
        """What makes the pattern impossible: where, what, mend."""
        yield from limits("n", self.n, 1, 36_600)
        yield from limits("offset_days", self.offset_days, 0, 36_600)

    def in_words(self) -> str:
        """The pattern in plain English."""
        words = "every day" if self.n == 1 else f"every {self.n} days"
        return words + (f" from day {self.offset_days}" if self.offset_days else "")


@dataclass(frozen=True, slots=True)
class Weekly:
    """On the given weekdays (Monday = 0) of every `n`-th ISO week, counted from the week of the anchor."""

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

    def longest_gap_days(self, _anchor: int | None = None) -> int | None:
        """The most days between two neighbouring dates."""
        return _longest(self.weekdays, 7 * self.n)

    def faults(self) -> Iterator[Fault]:
        """What makes the pattern impossible: where, what, mend."""
        yield from limits("n", self.n, 1, 5_200)
        yield from members("weekdays", self.weekdays, lambda day: 0 <= day <= 6, "0 (Monday) to 6 (Sunday)")
        if not self.weekdays:
            yield "weekdays", "No weekday is named", "Name at least one."

    def in_words(self) -> str:
        """The pattern in plain English."""
        names = joined([WEEKDAYS[weekday] for weekday in self.weekdays])
        return f"every {names}" if self.n == 1 else f"every {self.n} weeks on {names}"


@dataclass(frozen=True, slots=True)
class OnDays:
    """On numbered days after the anchor (0 = the anchor itself), each again every `every_days` if given."""

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

    def longest_gap_days(self, _anchor: int | None = None) -> int | None:
        """The most days between two neighbouring dates; None if there are no two."""
        return _longest(self._starts(0), self.every_days)

    def faults(self) -> Iterator[Fault]:
        """What makes the pattern impossible: where, what, mend."""
        yield from members("days", self.days, lambda day: 0 <= day <= 36_600, "0 to 36600")
        if not self.days:
            yield "days", "No day is named", "Name at least one; 0 is the anchor date."
        if self.every_days is not None:
            yield from limits("every_days", self.every_days, 1, 36_600)

    def in_words(self) -> str:
        """The pattern in plain English."""
        days = f"on day{'s' if len(self.days) > 1 else ''} {joined([str(day) for day in self.days])}"
        return days if self.every_days is None else f"{days}, again every {self.every_days} days"


def _walk(starts: tuple[int, ...], period: int | None, start: int) -> Iterator[int]:
    """Merge the series x, x + period, …, one for each of `starts`, from `start` on."""
    if period is None:
        yield from (day for day in sorted(starts) if start <= day <= LAST)
        return
    heap = [x if x >= start else x + -(-(start - x) // period) * period for x in starts]
    heapify(heap)
    while heap and heap[0] <= LAST:
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


def limits(where: str, value: int, least: int, most: int) -> Iterator[Fault]:
    """A fault if `value` lies outside [least, most]."""
    if not least <= value <= most:
        yield where, f"{value} is out of range", f"Use {least} to {most}."


def members(where: str, values: tuple[int, ...], allowed: Callable[[int], bool], words: str) -> Iterator[Fault]:
    """A fault for each of `values` that is not allowed, or repeated."""
    for position, value in enumerate(values):
        if not allowed(value):
            yield f"{where}[{position}]", f"{value} is out of range", f"Use {words}."
        elif value in values[:position]:
            yield f"{where}[{position}]", f"{value} is named twice", "Name it once."


def joined(words: list[str]) -> str:
    """'a', 'a and b', 'a, b and c'."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""
