"""The faults of a run, as the histories tell them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lockstep.proof.stress.history import History

DISABLING = frozenset({
    "restart the database", "kill a worker", "stop a worker", "lock a table", "lock rows", "sleep in a transaction",
    "black hole", "delay", "fill the disk", "exhaust connections", "restart the workers", "dead-lock",
    "cut a backend", "reset connections", "lose a reply", "fail by code",
})  # fmt: skip
"""Kinds during which work may rest."""


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


def excused_until(due_at: datetime, limit: timedelta, faults: Sequence[Fault], grace: timedelta) -> datetime:
    """Until when something due may be late: the limit, and the time that disabling faults took meanwhile."""
    until_at = due_at + limit
    for each in sorted(faults, key=lambda each: each.began_at):
        if each.kind in DISABLING and each.began_at < until_at and each.ended_at + grace > due_at:
            until_at = max(until_at, each.ended_at + grace + limit)
    return until_at
