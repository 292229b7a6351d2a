"""Reads instants, civil date-times and dates that people type; those of no patient's lifetime are refused."""

from datetime import UTC, date, datetime

from lockstep.domain.refusal import InvalidChoice, shown

EARLIEST, LATEST = 1850, 2150
"""Years between which everything lies that is asked about a person; beyond them calendars and zones have an end."""


def read_instant(given: str, where: str) -> datetime | None:
    """The instant in UTC; None for an empty text. Raises InvalidChoice, also without an offset."""
    if not given:
        return None
    mend = "Write it with its offset, such as 2026-12-01T08:00:00Z."
    at = read_time(given, where, mend=mend, kind="instant")
    if at.tzinfo is None:
        raise InvalidChoice(f"{shown(given)} is no instant", where=where, mend=mend)
    return at.astimezone(UTC)


def read_time(given: str, where: str, *, mend: str, kind: str = "time") -> datetime:
    """The date-time, with an offset or without. Raises InvalidChoice, also outside of the years above."""
    try:
        at = datetime.fromisoformat(given)
    except ValueError:
        raise InvalidChoice(f"{shown(given)} is no {kind}", where=where, mend=mend) from None
    require_within(at, where)
    return at


def require_within(on: date, where: str) -> None:
    """The date or date-time lies in the years above; raises InvalidChoice."""
    if not EARLIEST <= on.year < LATEST:
        mend = f"Name a year from {EARLIEST} to {LATEST - 1}."
        raise InvalidChoice(f"The year {on.year:04} is out of reach", where=where, mend=mend)
