"""Which enrolments of a protocol a switch is for, before they are frozen."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Filter:
    """Enrolments on the protocol that meet every condition given; the first so many of them in order of enrolment.

    `anchored_from` and `anchored_until` bound the anchor of schedules (half open). `without_selections` leaves out
    members of earlier selections, for a next batch; `members_of` keeps those of one. `assigned_protocols` keeps those
    whose own last assignment is to one of these: the others came by a move.
    """

    zones: tuple[str, ...] = ()
    anchored_from: date | None = None
    anchored_until: date | None = None
    version_numbers: tuple[int, ...] = ()
    without_selections: tuple[int, ...] = ()
    members_of: int | None = None
    assigned_protocols: tuple[int, ...] = ()
    first: int | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """Enrolments frozen when a preview was made; `skipped` are those named that were not on the protocol."""

    selection_id: int
    description: str
    member_count: int
    skipped: tuple[int, ...] = ()


def describe(chosen: Filter) -> str:
    """The filter in words, as a person reads it before a switch."""
    words = []
    if chosen.zones:
        words.append(f"in {', '.join(chosen.zones)}")
    if chosen.anchored_from:
        words.append(f"with days counted from {chosen.anchored_from} or later")
    if chosen.anchored_until:
        words.append(f"with days counted from before {chosen.anchored_until}")
    if chosen.version_numbers:
        words.append(f"with version {' or '.join(map(str, chosen.version_numbers))}")
    if chosen.without_selections:
        words.append("in none of the earlier selections")
    if chosen.members_of is not None:
        words.append("of an earlier selection")
    if chosen.assigned_protocols:
        words.append("that came by a move")
    who = "enrolments" if chosen.first is None else f"the first {chosen.first:,} enrolments"
    return " ".join([who, ", ".join(words)]).strip()
