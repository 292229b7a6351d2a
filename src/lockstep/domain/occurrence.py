"""One due window of one activity on one local date."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum


class OccurrenceState(StrEnum):
    """What became of an occurrence; only fulfilled, fulfilled late and missed are stored, the others are derived.

    Where one was stored as missed and a pause entered afterwards waives it, a correction says so.
    """

    COMING = "coming"
    OPEN = "open"
    GRACE = "grace"
    FULFILLED = "fulfilled"
    FULFILLED_LATE = "fulfilled late"
    MISSED = "missed"
    SUPERSEDED = "superseded"
    WAIVED = "waived"


Key = tuple[date, str]
"""What names an occurrence within an activity of an enrolment: nominal local date and slot label."""


@dataclass(frozen=True, slots=True)
class Window:
    """A nominal window as a schedule yields it: answers count in [opens_at, closes_at), UTC.

    `extended_by` is how much of it outages have added at its end.
    """

    on: date
    slot: str
    opens_at: datetime
    closes_at: datetime
    extended_by: timedelta = timedelta()


class Fate(StrEnum):
    """What the timeline alone makes of an occurrence."""

    ASKED = "asked"
    SUPERSEDED = "superseded"
    WAIVED = "waived"


@dataclass(frozen=True, slots=True)
class Occurrence:
    """An occurrence on an enrolment's timeline, before anything was measured.

    `opens_at` is when it was really asked: E for one asked at once, else the nominal opening. `nominal_at` is the
    nominal opening. `judge_at` is closes plus grace. `ended_at` says when it was superseded or waived.
    """

    activity_key: str
    on: date
    slot: str
    opens_at: datetime
    closes_at: datetime
    judge_at: datetime
    nominal_at: datetime
    quantity: int
    protocol_id: int
    version_number: int
    fate: Fate
    ended_at: datetime | None = None

    @property
    def key(self) -> Key:
        """Nominal local date and slot label."""
        return (self.on, self.slot)

    @property
    def takes_until_at(self) -> datetime:
        """Until when a measurement counts for it as one in time: it closes, or ends earlier."""
        return self.ended_at or self.closes_at
