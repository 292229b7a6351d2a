"""Every change of civil time of every zone of the database, and something daily through each of them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache

from lockstep.domain.civil import day_exists, instant_of, is_skipped, local_of, zone_names
from lockstep.domain.schedule import EveryDays, Schedule, TimeOfDay, windows

SINCE, UNTIL = datetime(2024, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def offset(at: datetime, zone: str) -> timedelta:
    return local_of(at, zone) - at.replace(tzinfo=None)


def changes(zone: str, since: datetime, until: datetime, step: timedelta, least: timedelta) -> Iterator[datetime]:
    """Instants at which the offset changes by at least `least`, found by halving steps."""
    at = since
    while at < until:
        low, high = at, at + step
        if abs(offset(high, zone) - offset(low, zone)) >= least:
            while high - low > timedelta(seconds=1):
                middle = (low + (high - low) / 2).replace(microsecond=0)
                low, high = (middle, high) if offset(middle, zone) == offset(low, zone) else (low, middle)
            yield high
        at += step


@cache
def all_changes() -> tuple[tuple[str, datetime], ...]:
    # The step is shorter than any span between two changes in these years.
    step, least = timedelta(days=5), timedelta(seconds=1)
    return tuple((zone, at) for zone in sorted(zone_names()) for at in changes(zone, SINCE, UNTIL, step, least))


def test_there_are_changes_to_look_at() -> None:
    assert len(all_changes()) > 2000
    assert len({zone for zone, _ in all_changes()}) > 150


def test_something_daily_comes_once_a_day_through_every_change_of_every_zone() -> None:
    for zone, at in all_changes():
        before, after = offset(at - timedelta(seconds=1), zone), offset(at, zone)
        shown = at.replace(tzinfo=None) + min(before, after) + abs(after - before) / 2
        assert is_skipped(shown, zone) is (after > before)
        schedule = Schedule(EveryDays(1), (TimeOfDay("x", shown.time(), 20),), count=3)
        from_at = instant_of(shown - 2 * DAY, zone)
        found = list(windows(schedule, anchor_on=shown.date() - DAY, zone=zone, from_at=from_at))
        assert [window.on - shown.date() for window in found] == [-DAY, timedelta(), DAY], (zone, at)
        expected = [shown - DAY - before, shown - before, shown + DAY - after]
        assert [window.opens_at.replace(tzinfo=None) for window in found] == expected, (zone, at)
        assert all(window.closes_at > window.opens_at for window in found), (zone, at)


def test_the_dates_that_some_zone_skipped_since_1970() -> None:
    skipped = set()
    since = datetime(1970, 1, 1, tzinfo=UTC)
    for zone in zone_names():
        # Nothing else moves a clock by half a day, so that long steps miss no skipped date.
        for at in changes(zone, since, SINCE, timedelta(days=100), timedelta(hours=12)):
            on = (local_of(at, zone) - DAY).date()
            assert not day_exists(on, zone)
            assert day_exists(on - DAY, zone)
            assert day_exists(on + DAY, zone)
            skipped.add(on.isoformat())
    assert skipped == {"1993-08-21", "1994-12-31", "2011-12-30"}
