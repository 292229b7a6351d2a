"""Which occurrence a measurement fulfils."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class Candidate:
    """An undecided occurrence that may take a measurement; instants in UTC, `taken_count` of `quantity` are
    in.
    """

    activity_key: str
    on: date
    slot: str
    opens_at: datetime
    closes_at: datetime
    grace_until_at: datetime
    quantity: int = 1
    taken_count: int = 0


@dataclass(frozen=True, slots=True)
class Match:
    """The occurrence a measurement counts for, whether that completes its quantity, and whether it came in
    grace.
    """

    candidate: Candidate
    completes: bool
    late: bool


def match(candidates: Sequence[Candidate], instant: datetime) -> Match | None:
    """What a measurement taken at `instant` fulfils; None when nothing asks for it (it is stored, and fulfils
    nothing).

    Answers count in [opens, closes), late in [closes, grace until) (switching.md). An open window goes before
    one in grace; among several the one that closes first, so that no patient misses what could still be met.
    Candidates that already have their quantity are left alone. The order of `candidates` does not matter.
    """
    wanting = [candidate for candidate in candidates if candidate.taken_count < candidate.quantity]
    in_window = _first(wanting, lambda c: c.opens_at <= instant < c.closes_at)
    chosen = in_window or _first(wanting, lambda c: c.closes_at <= instant < c.grace_until_at)
    if chosen is None:
        return None
    return Match(chosen, completes=chosen.taken_count + 1 >= chosen.quantity, late=in_window is None)


def _first(candidates: Sequence[Candidate], holds: Callable[[Candidate], bool]) -> Candidate | None:
    return min(filter(holds, candidates), key=_urgency, default=None)


def _urgency(candidate: Candidate) -> tuple[datetime, datetime, str, date, str]:
    return (candidate.closes_at, candidate.opens_at, candidate.activity_key, candidate.on, candidate.slot)
