"""What a version of a protocol says: its activities, their timing and rules, and what happens on a switch."""

from dataclasses import dataclass, field
from datetime import time
from decimal import Decimal
from enum import StrEnum

from lockstep.domain.rule import Rule
from lockstep.domain.schedule import AfterEvent, Schedule


class Policy(StrEnum):
    """What becomes of a personal change when the protocol changes: it stays, ends, or is not allowed."""

    KEEP = "keep"
    FOLLOW = "follow"
    LOCKED = "locked"


@dataclass(frozen=True, slots=True)
class Activity:
    """One thing to do repeatedly; `code` and `unit` (UCUM, empty for answers) say what is measured.

    `plausible` is the lowest and highest believable value in `unit`; `policies` holds what is not *keep*.
    """

    key: str
    title: str
    code: str
    unit: str
    schedule: Schedule | AfterEvent
    grace_minutes: int = 0
    quantity: int = 1
    rules: tuple[Rule, ...] = ()
    policies: tuple[tuple[str, Policy], ...] = ()
    plausible: tuple[Decimal, Decimal] | None = None
    note: str = ""

    def policy(self, name: str) -> Policy:
        """The policy of a field; a single rule (`rules.<key>`) has that of `rules` unless it has its own."""
        known = dict(self.policies)
        return known.get(name) or known.get(name.partition(".")[0]) or Policy.KEEP


@dataclass(frozen=True, slots=True)
class OnSwitch:
    """What happens at a switch to this version (see switching, "What happens around E").

    `ask_at_once` is the share of a window that must remain for it to be asked at once; nothing is asked
    within the quiet hours [quiet_from, quiet_until) of the patient's civil time.
    """

    ask_at_once: Decimal = Decimal("0.5")
    quiet_from: time | None = None
    quiet_until: time | None = None
    keep_alerts_of_removed: bool = True


@dataclass(frozen=True, slots=True)
class Content:
    """The whole content of one version; `note` is free text for people (sources, warnings)."""

    key: str
    title: str
    activities: tuple[Activity, ...]
    on_switch: OnSwitch = field(default_factory=OnSwitch)
    note: str = ""

    def activity(self, key: str) -> Activity | None:
        """The activity with this key, or None."""
        return next((activity for activity in self.activities if activity.key == key), None)


Timing = tuple[Schedule | AfterEvent, int, int]


def timing(activity: Activity) -> Timing:
    """What matters to schedules: (schedule, grace in minutes, quantity); equal ones go on over a switch."""
    return (activity.schedule, activity.grace_minutes, activity.quantity)
