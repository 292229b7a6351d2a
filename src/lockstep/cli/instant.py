"""Reads instants that people type."""

from datetime import UTC, datetime

from lockstep.domain.refusal import InvalidChoice, shown


def read_instant(given: str, where: str) -> datetime | None:
    """The instant in UTC; None for an empty text. Raises InvalidChoice, also without an offset."""
    if not given:
        return None
    try:
        at = datetime.fromisoformat(given)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        mend = "Write it with its offset, such as 2026-12-01T08:00:00Z."
        raise InvalidChoice(f"{shown(given)} is no instant", where=where, mend=mend)
    return at.astimezone(UTC)
