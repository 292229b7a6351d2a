"""One due window of one activity on one local date."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class OccurrenceState(StrEnum):
    """What became of an occurrence; only fulfilled, fulfilled late and missed are stored, the others are derived."""

    COMING = "coming"
    OPEN = "open"
    GRACE = "grace"
    FULFILLED = "fulfilled"
    FULFILLED_LATE = "fulfilled late"
    MISSED = "missed"
    SUPERSEDED = "superseded"
    WAIVED = "waived"


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """A window of an activity within a local date: its key is (on, label)."""

    on: "date"
    label: str


@dataclass(frozen=True, slots=True)
class Window:
    """A nominal window as a schedule yields it: answers count in [opens_at, closes_at), UTC."""

    on: date
    slot: str
    opens_at: datetime
    closes_at: datetime
