"""What is stored of enrolments, gathered by value: the other side of a check."""

from dataclasses import dataclass, field
from datetime import date, datetime

from lockstep.domain.occurrence import Key, Occurrence

FULFILLED = frozenset({"fulfilled", "fulfilled late"})
MISSED = "missed"
WAIVED = "waived"


@dataclass(frozen=True, slots=True)
class Held:
    """What an agenda row holds."""

    activity_key: str
    on: date
    slot: str
    opens_at: datetime
    closes_at: datetime
    judge_at: datetime
    protocol_id: int
    version_number: int
    cohort_id: int

    @property
    def key(self) -> Key:
        """Nominal local date and slot label."""
        return (self.on, self.slot)


@dataclass(frozen=True, slots=True)
class Decided:
    """A decided occurrence: `first` is what was decided, `state` what it is after corrections.

    `code` is that of the measurement that fulfilled it, None where there is none; `odd_at` is the instant of one that
    lies outside [opens_at, judge_at). Decided between `decided_from_at` and `decided_until_at`, over the enrolments.
    """

    activity_key: str
    on: date
    slot: str
    opens_at: datetime
    closes_at: datetime
    judge_at: datetime
    first: str
    state: str
    code: str | None
    odd_at: datetime | None
    decided_from_at: datetime
    decided_until_at: datetime

    @property
    def key(self) -> Key:
        """Nominal local date and slot label."""
        return (self.on, self.slot)


Listed = tuple[str, str, date, str]
"""Activity, rule and the missed occurrence (on, slot) that an alert of the rule lists."""
AlertKey = tuple[str, str]
"""Activity and rule."""
Shown = tuple[Listed, str]
"""What an open alert lists, and how severe that alert is."""


@dataclass(slots=True)
class Stored:
    """What is stored of the members of one group, each value with the enrolments that have it."""

    rows: dict[str, list[tuple[Held, set[int]]]] = field(default_factory=dict)
    decided: dict[str, list[tuple[Decided, set[int]]]] = field(default_factory=dict)
    listed: dict[Listed, set[int]] = field(default_factory=dict)
    open_alerts: dict[AlertKey, set[int]] = field(default_factory=dict)
    shown: dict[Shown, set[int]] = field(default_factory=dict)

    def activity_keys(self) -> set[str]:
        """Activities of which anything is stored."""
        return {*self.rows, *self.decided, *(key for key, _ in self.open_alerts)}


@dataclass(frozen=True, slots=True)
class Question:
    """Whether these enrolments measured enough for an occurrence that was missed, or is not decided yet."""

    occurrence: Occurrence
    code: str
    missed: bool
    enrolment_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Unsure:
    """A decision that the facts known today do not explain: was it right by those known then?"""

    decided: Decided
    enrolment_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """Missed in a row up to an occurrence as far as the period shows: a rule wants `in_a_row`, `counts` were seen."""

    occurrence: Occurrence
    rule_key: str
    in_a_row: int
    counts: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """An open alert whose reason the period does not show."""

    activity_key: str
    rule_key: str
    enrolment_ids: tuple[int, ...]
