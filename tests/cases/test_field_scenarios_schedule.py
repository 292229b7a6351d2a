"""What schedules of other systems give, in the field's own cases; where our policy differs, it is said."""

# ruff: noqa: DTZ001 - local times have no zone

import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from lockstep.domain.civil import instant_of, local_of
from lockstep.domain.occurrence import Window
from lockstep.domain.schedule import EveryDays, Schedule, TimeOfDay, Weekly, windows

CASES = Path(__file__).parents[2].parent / "shared" / "cases" / "field-scenarios" / "scenarios.json"
pytestmark = pytest.mark.skipif(not CASES.is_file(), reason="the published cases are not beside the project")

ANCHOR = date(2026, 1, 1)
NEW_YORK = "America/New_York"


def rows(group: str) -> list[Any]:
    found: list[Any] = json.loads(CASES.read_text())[group]["rows"] if CASES.is_file() else []
    return found


def minutes(length: str | None) -> int:
    """The minutes of an ISO 8601 duration as these cases write them; 0 for none."""
    units = {"W": 10080, "D": 1440, "H": 60, "M": 1}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([WDHM])", length or ""))


def ask(schedule: Schedule, anchor: date = ANCHOR, zone: str = "UTC", at: datetime | None = None) -> Iterator[Window]:
    from_at = at or datetime.combine(anchor, time(), UTC) - timedelta(days=2)
    return windows(schedule, anchor_on=anchor, zone=zone, from_at=from_at)


@pytest.mark.parametrize("row", rows("bridge_timeline_days"), ids=str)
def test_days_of_a_timeline(row: list[Any]) -> None:
    study, delay, interval, occurrences, expected = row
    schedule = Schedule(
        EveryDays(minutes(interval) // 1440, minutes(delay) // 1440),
        (TimeOfDay("x", time(8), 60),),
        for_days=minutes(study) // 1440,
        count=occurrences,
    )
    assert [(window.on - ANCHOR).days for window in ask(schedule)] == expected


BOUND_BY_THE_STUDY = [21, "10:00", 7, None, 20]


@pytest.mark.parametrize("row", rows("bridge_window_end_day"), ids=str)
def test_last_day_of_a_window(row: list[Any]) -> None:
    # Our policy differs: a window always says how long it lasts, here to the study's end at midnight.
    lasts = (21 - 7) * 1440 - 10 * 60 if row == BOUND_BY_THE_STUDY else minutes(row[3])
    _, opens, start_day, _, expected = row
    times = (TimeOfDay("x", time.fromisoformat(opens), lasts),)
    (window,) = ask(Schedule(EveryDays(1, start_day), times, count=1))
    last_moment = window.closes_at - timedelta(microseconds=1)
    assert (last_moment.date() - ANCHOR).days == expected


def test_a_rule_by_the_hour_is_asked_from_any_instant() -> None:
    """Spezi: hourly, from 14:59:49, seen between 14:00 and 17:00."""
    row = rows("spezi_versioning")[0]
    times = tuple(TimeOfDay(f"{hour:02}:30", time(hour, 30, 49), 60) for hour in range(24))
    start, end = (datetime.fromisoformat(row[key]).replace(tzinfo=UTC) for key in ("v1_effective", "v2_effective"))
    last = datetime.fromisoformat(row["query"][1]).replace(tzinfo=UTC)
    found = ask(Schedule(EveryDays(1), times), start.date(), at=start)
    opens = []
    for window in found:
        if window.opens_at >= last:
            break
        if window.opens_at >= start:
            opens.append((f"{window.opens_at:%H:%M:%S}", "v1" if window.opens_at < end else "v2"))
    assert opens == [tuple(each) for each in row["expected"]]


def test_three_days_of_half_an_hour() -> None:
    """Spezi: daily 12:35, start 2024-08-24T09:23:25, 3 occurrences, 30 min."""
    row = rows("spezi_versioning")[2]
    schedule = Schedule(EveryDays(1), (TimeOfDay("x", time(12, 35), 30),), count=3)
    found = ask(schedule, date(2024, 8, 24), at=datetime(2024, 8, 24, 9, 23, 25, tzinfo=UTC))
    assert [f"{w.opens_at:%Y-%m-%dT%H:%M}/{w.closes_at:%H:%M}" for w in found] == row["expected"]


def test_weekly_until_a_day() -> None:
    """Spezi: weekly Sunday 12:35, start 2024-08-24, end after 16 days."""
    row = rows("spezi_versioning")[3]
    schedule = Schedule(Weekly(1, (6,)), (TimeOfDay("x", time(12, 35), 30),), for_days=16)
    assert [str(window.on) for window in ask(schedule, date(2024, 8, 24))] == row["expected"]


def test_a_fraction_of_a_second_loses_nothing() -> None:
    row = rows("spezi_versioning")[4]
    schedule = Schedule(EveryDays(1), (TimeOfDay("x", time(12, 35), 30),))
    at = datetime(2024, 8, 24, 9, 23, 25, 999999, tzinfo=UTC)
    assert f"{next(ask(schedule, date(2024, 8, 24), at=at)).opens_at:%Y-%m-%dT%H:%M}" == row["expected"][0]


def test_weekly_in_new_york() -> None:
    row = rows("beiwe_timezones")[0]
    schedule = Schedule(Weekly(1, (4,)), (TimeOfDay("x", time(0), 1440),), count=2)
    now = datetime.fromisoformat(row["now"])
    found = [window.opens_at for window in ask(schedule, now.date(), NEW_YORK, now)]
    assert found == [datetime.fromisoformat(each) for each in row["expected"]]


@pytest.mark.parametrize(
    ("zone", "due"),
    list(rows("beiwe_timezones")[1]["patient_zone_then_due_now_at_12:00_NY"].items() if CASES.is_file() else []),
)
def test_due_is_in_the_patients_zone(zone: str, due: bool) -> None:
    now = instant_of(datetime(2022, 10, 13, 12), NEW_YORK)
    schedule = Schedule(EveryDays(1), (TimeOfDay("x", time(12), 60),))
    window = next(ask(schedule, date(2022, 10, 13), zone, instant_of(datetime(2022, 10, 13), zone)))
    assert (window.opens_at <= now < window.closes_at) is due


def test_a_patient_far_from_the_study_is_asked_in_their_own_noon() -> None:
    """Beiwe's known fault: a patient in GMT waited until noon in New York."""
    schedule = Schedule(EveryDays(1), (TimeOfDay("x", time(12), 60),))
    window = next(ask(schedule, date(2022, 6, 8), "GMT"))
    assert local_of(window.opens_at, "GMT") == datetime(2022, 6, 8, 12)
