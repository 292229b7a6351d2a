"""Civil time: local date-times of a zone and the instants they mean."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

import tzdata  # type: ignore[import-untyped]

from lockstep.domain.refusal import UnknownZone

# A placeholder of the database ("local time zone must be set"), not a place where somebody lives.
_NOT_PLACES = frozenset({"Factory"})
_LAST_MOMENT = time(23, 59, 59, 999999)
_DAY = timedelta(days=1)
_TICK = timedelta.resolution


def zone_data_version() -> str:
    """The release of the IANA database in use, such as '2026f'; it does not depend on the machine."""
    return str(tzdata.IANA_VERSION)


def require_zone(zone: str) -> str:
    """Return `zone` if it is a name of the IANA database; `UnknownZone` with the nearest names otherwise."""
    if not isinstance(zone, str) or zone not in zone_names():
        raise _unknown(zone)
    return zone


@cache
def zone_names() -> frozenset[str]:
    """Every name of the IANA database, links included; none that only this machine knows."""
    listed = resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
    return frozenset(listed) - _NOT_PLACES


def instant_of(local: datetime, zone: str) -> datetime:
    """The instant (UTC) of a naive local date-time.

    A local time that does not exist moves forward by the gap; of one that exists twice the first is meant.
    """
    # fold=0 is both rules at once: it applies the offset before the change (PEP 495).
    return local.replace(tzinfo=_loaded(zone), fold=0).astimezone(UTC)


def local_of(instant: datetime, zone: str) -> datetime:
    """The naive local date-time that clocks in `zone` show at an aware `instant`."""
    if instant.tzinfo is None:
        raise ValueError("an instant carries its offset; this one has none")
    return instant.astimezone(_loaded(zone)).replace(tzinfo=None, fold=0)


def is_skipped(local: datetime, zone: str) -> bool:
    """Whether clocks in `zone` never show this local date-time."""
    return local_of(instant_of(local, zone), zone) != local


def day_exists(on: date, zone: str) -> bool:
    """Whether any instant falls on this local date; Samoa, for one, had no 30 December 2011."""
    # A gap is one stretch: it swallows the whole date only if it swallows both of its ends.
    start, end = datetime.combine(on, time.min), datetime.combine(on, _LAST_MOMENT)
    return not (is_skipped(start, zone) and is_skipped(end, zone))


def next_midnight(instant: datetime, zone: str) -> datetime:
    """The first instant (UTC), after `instant`, of a local date later than the one at `instant`."""
    today = local_of(instant, zone).date()

    def is_later(at: datetime) -> bool:
        return local_of(at, zone).date() > today

    usual = instant_of(datetime.combine(today + _DAY, time.min), zone)
    if usual > instant and is_later(usual) and not is_later(usual - _TICK):
        return usual
    # A change of civil time surrounds midnight.
    return _first(is_later, instant, instant + 3 * _DAY)


def _first(holds: Callable[[datetime], bool], low: datetime, high: datetime) -> datetime:
    """The first instant in (low, high] at which `holds`; it is false at `low` and true at `high`."""
    low, high = low.astimezone(UTC), high.astimezone(UTC)
    while high - low > _TICK:
        middle = low + (high - low) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


@cache
def _loaded(zone: str) -> ZoneInfo:
    """The rules of a zone, from the packaged database and never the machine's own: machines agree."""
    file = resources.files("tzdata").joinpath("zoneinfo", *require_zone(zone).split("/"))
    with file.open("rb") as data:
        return ZoneInfo.from_file(data, key=zone)


def _unknown(zone: object) -> UnknownZone:
    near = get_close_matches(str(zone), sorted(zone_names()), n=3, cutoff=0.6)
    known = "Use a name of the IANA database, such as Europe/Amsterdam."
    mend = f"Did you mean {' or '.join(near)}?" if near else known
    return UnknownZone(f"The civil time zone {str(zone)[:64]!r} is not known", mend=mend)
