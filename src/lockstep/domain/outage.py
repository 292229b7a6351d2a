"""A span in which measurements could not come in, as the signs of life of ingestion tell."""

from datetime import datetime, timedelta

from lockstep.domain.timeline import Span

LONGEST_SILENCE = timedelta(seconds=60)
"""Longer without a sign of life, and ingestion was down; see switching.md "Outage"."""


def find_outage(
    last_seen_at: datetime | None, seen_at: datetime, *, longest_silence: timedelta = LONGEST_SILENCE
) -> Span | None:
    """The outage between two signs of life, if they lie further apart than the silence that is usual; else None."""
    if last_seen_at is None or seen_at - last_seen_at <= longest_silence:
        return None
    return Span(last_seen_at, seen_at)
