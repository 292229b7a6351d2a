"""Changes of civil time: something daily stays daily through every transition of every zone."""

# ruff: noqa: DTZ001 - local times have no zone

import csv
import json
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from lockstep.domain.civil import day_exists, instant_of, is_skipped, local_of, zone_data_version
from lockstep.domain.schedule import EveryDays, Schedule, TimeOfDay, windows

CASES = Path(__file__).parents[2].parent / "shared" / "cases" / "dst-vectors"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the published cases are not beside the project")

DAY = timedelta(days=1)


@cache
def transitions() -> list[dict[str, str]]:
    with (CASES / "iana_transitions_2024_2030.csv").open() as lines:
        return list(csv.DictReader(lines))


@cache
def oddities() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CASES / "oddities.json").read_text())
    return found


def disturbed(row: dict[str, str]) -> datetime:
    """A local time in the middle of the gap or the overlap."""
    before, after = datetime.fromisoformat(row["local_before"]), datetime.fromisoformat(row["local_after"])
    return min(before, after) + abs(after - before) / 2


def test_something_daily_in_a_gap_or_an_overlap_comes_once_a_day_at_the_right_instant() -> None:
    assert len(transitions()) == 1229
    assert len({row["zone"] for row in transitions()}) == 93
    for row in transitions():
        local, zone = disturbed(row).replace(microsecond=0), row["zone"]
        before = timedelta(seconds=int(row["offset_before_s"]))
        after = timedelta(seconds=int(row["offset_after_s"]))
        schedule = Schedule(EveryDays(1), (TimeOfDay("x", local.time(), 30),), count=3)
        found = list(
            windows(schedule, anchor_on=local.date() - DAY, zone=zone, from_at=instant_of(local - 2 * DAY, zone))
        )
        assert [window.on for window in found] == [local.date() - DAY, local.date(), local.date() + DAY], row
        # The offset before the change gives the first of two, and moves a gap's times forward.
        expected = [local - DAY - before, local - before, local + DAY - after]
        assert [window.opens_at for window in found] == [each.replace(tzinfo=UTC) for each in expected], row
        assert all(window.closes_at > window.opens_at for window in found), row


def test_each_transition_is_where_the_table_says() -> None:
    for row in transitions():
        at, zone = datetime.fromisoformat(row["utc_instant"]), row["zone"]
        tick = timedelta(microseconds=1)
        assert local_of(at, zone) == datetime.fromisoformat(row["local_after"])
        assert local_of(at - tick, zone) + tick == datetime.fromisoformat(row["local_before"])
        assert is_skipped(disturbed(row), zone) is (row["kind"] == "gap")


def test_named_oddities_at_eight_in_the_morning() -> None:
    cases = oddities()["cases"]
    assert len(cases) == 21
    for case in cases:
        rows = [(datetime.fromisoformat(row["wall_08:00"]), row) for row in case["daily_0800"]]
        first = rows[0][0]
        schedule = Schedule(EveryDays(1), (TimeOfDay("x", first.time(), 60),), count=len(rows))
        from_at = instant_of(first, case["zone"])
        found = windows(schedule, anchor_on=first.date(), zone=case["zone"], from_at=from_at)
        expected = [(at.date(), datetime.fromisoformat(row["utc"])) for at, row in rows if row["exists"]]
        assert [(window.on, window.opens_at) for window in found] == expected, case["why"]
        for at, row in rows:
            assert day_exists(at.date(), case["zone"]) is row["exists"], case["why"]


def test_a_year_of_days_is_asked_once_each_in_every_zone_with_changes() -> None:
    schedule = Schedule(EveryDays(1), (TimeOfDay("day", datetime.min.time(), 1440),), for_days=366)
    for zone in sorted({row["zone"] for row in transitions()}):
        start = instant_of(datetime(2024, 1, 1), zone)
        found = list(windows(schedule, anchor_on=date(2024, 1, 1), zone=zone, from_at=start))
        assert [window.on for window in found] == [date(2024, 1, 1) + n * DAY for n in range(366)], zone


def test_the_table_and_the_zone_data_are_of_one_release() -> None:
    """A newer release may differ from the table; then these cases must be read again, not bent."""
    assert zone_data_version() >= oddities()["tzdata"]
