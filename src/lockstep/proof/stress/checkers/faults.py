"""The faults of a run, as the histories tell them."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lockstep.proof.stress.history import History

DISABLING = frozenset({
    "restart the database", "kill a worker", "stop a worker", "lock a table", "lock rows", "sleep in a transaction",
    "black hole", "delay", "fill the disk", "exhaust connections", "restart the workers", "dead-lock",
    "cut a backend", "reset connections", "lose a reply", "fail by code",
})  # fmt: skip
"""Kinds during which somebody may have to wait or ask again."""
STALLING = frozenset({
    "restart the database", "kill a worker", "stop a worker", "restart the workers", "lock a table", "lock rows",
    "sleep in a transaction", "exhaust connections", "black hole", "delay",
})  # fmt: skip
"""Kinds during which nobody may judge; what fails otherwise is tried again at once."""

LONGEST = timedelta(minutes=2)
"""No fault lasts longer."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault with its span on both clocks."""

    kind: str
    hit: bool
    began: float
    ended: float
    began_at: datetime
    ended_at: datetime


def faults_of(history: History) -> list[Fault]:
    """The faults, in order; one that never ended lasts for ever."""
    found = []
    for each in history.of("fault"):
        ended_at = each.told_at or each.asked_at + timedelta(days=1)
        found.append(
            Fault(each.sent["kind"], bool(each.answer.get("hit")), each.asked, each.told, each.asked_at, ended_at)
        )
    return found


class Excuses:
    """The faults during which work may rest, by the instant at which they began."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._faults = sorted((each for each in faults if each.kind in DISABLING), key=lambda each: each.began)
        self._began = [each.began for each in self._faults]
        self._began_at = [each.began_at for each in self._faults]

    def until(self, due_at: datetime, limit: timedelta, grace: timedelta) -> datetime:
        """Until when something due may be late: the limit, counted anew from the end of faults that began by then.

        What began later excuses nothing, so that many faults in a row do not excuse for ever.
        """
        begin, end = bisect_left(self._began_at, due_at - LONGEST), bisect_left(self._began_at, due_at + limit)
        ends = [each.ended_at + grace for each in self._faults[begin:end] if each.kind in STALLING]
        return max([due_at, *(each for each in ends if each > due_at)]) + limit

    def met(self, asked: float, told: float, grace: float) -> bool:
        """Whether one of them was at work, or had been shortly before, while something was asked (monotonic)."""
        begin = bisect_left(self._began, asked - LONGEST.total_seconds())
        near = self._faults[begin : bisect_left(self._began, told)]
        return any(each.ended + grace > asked for each in near)
