"""A decision to put enrolments on another version or protocol, and when it takes effect for each patient."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum

from lockstep.domain.civil import instant_of, is_skipped, local_of


class SwitchKind(StrEnum):
    """Publish puts a new version in force; move sends enrolments to another protocol."""

    PUBLISH = "publish"
    MOVE = "move"


class Scope(StrEnum):
    """Whom a switch concerns: everyone on the protocol at E, or the frozen members of a selection."""

    EVERYONE = "everyone"
    SELECTION = "selection"


class Effective(StrEnum):
    """The four ways to say when a switch takes effect."""

    NOW = "now"
    NEXT_DAY = "next day"
    CIVIL = "civil"
    INSTANT = "instant"


@dataclass(frozen=True, slots=True)
class ZoneSpan:
    """From `from_at` on (until the next one's) a patient lives in `zone`."""

    from_at: datetime
    zone: str


@dataclass(frozen=True, slots=True)
class AcceptedSwitch:
    """A switch on its protocol's timeline; `number` orders acceptances, `generation` is None when schedules stayed.

    `first_at` is E in the first civil time zone: before it the switch is in force for nobody.
    """

    protocol_id: int
    number: int
    kind: SwitchKind
    version_number: int | None
    target_protocol_id: int | None
    scope: Scope
    selection_id: int | None
    effective: Effective
    effective_local: datetime | None
    effective_at: datetime | None
    accepted_at: datetime
    generation: int | None
    first_at: datetime

    def holds(self, selections: frozenset[int]) -> bool:
        """Whether the scope holds an enrolment that is a member of these selections."""
        return self.selection_id is None or self.selection_id in selections

    def effective_for(self, zones: tuple[ZoneSpan, ...]) -> datetime:
        """E for a patient with these zones: see `effective_instant`."""
        return effective_instant(
            self.effective, self.effective_local, self.effective_at, accepted_at=self.accepted_at, zones=zones
        )


def effective_instant(
    effective: Effective,
    local: datetime | None,
    at: datetime | None,
    *,
    accepted_at: datetime,
    zones: tuple[ZoneSpan, ...],
) -> datetime:
    """The first instant, not before acceptance, that shows the civil date-time or a later one in the zone of then.

    `zones` are ordered by `from_at`; the first is taken to hold before its own beginning too.
    """
    if effective is Effective.NOW:
        return accepted_at
    if effective is Effective.INSTANT:
        assert at is not None
        return max(at, accepted_at)
    if effective is Effective.NEXT_DAY:
        local = _next_local_midnight(accepted_at, zone_at(zones, accepted_at))
    assert local is not None
    return _first_at_or_after(local, accepted_at, zones)


def zone_at(zones: tuple[ZoneSpan, ...], at: datetime) -> str:
    """The zone in force at the instant; before the first span, the first zone."""
    zone = zones[0].zone
    for span in zones:
        if span.from_at <= at:
            zone = span.zone
    return zone


def _next_local_midnight(at: datetime, zone: str) -> datetime:
    return datetime.combine(local_of(at, zone).date() + timedelta(days=1), time())


def _first_at_or_after(local: datetime, accepted_at: datetime, zones: tuple[ZoneSpan, ...]) -> datetime:
    for index, span in enumerate(zones):
        begins = accepted_at if index == 0 else max(span.from_at, accepted_at)
        ends = zones[index + 1].from_at if index + 1 < len(zones) else None
        if ends is not None and ends <= begins:
            continue
        candidate = _reached(local, span.zone, begins)
        if ends is None or candidate < ends:
            return candidate
    raise AssertionError("the last zone span has no end")


def _reached(local: datetime, zone: str, begins: datetime) -> datetime:
    """The first instant from `begins` on at which clocks in the zone show the local date-time or a later one."""
    shown = local_of(begins, zone)
    if shown >= local:
        return begins
    at = instant_of(local, zone)
    if at < begins:
        # The clocks show this hour for the second time: the first passing was before.
        return begins + (local - shown)
    if not is_skipped(local, zone):
        return at
    # Clocks jump over it: the instant of the jump, not the time moved forward by it.
    low, high = begins, at
    while high - low > timedelta.resolution:
        middle = low + (high - low) / 2
        low, high = (low, middle) if local_of(middle, zone) >= local else (middle, high)
    return high
