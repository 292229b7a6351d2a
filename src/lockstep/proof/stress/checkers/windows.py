"""Windows of a protocol document in civil time, computed from the document by the standard library alone."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

Window = tuple[str, datetime, datetime, datetime]
"""Slot, opening, close, judgement."""


def windows_on(activity: Mapping[str, Any], zone: str, on: date) -> Iterator[Window]:
    """The windows of an activity on a nominal date, whether or not its recurrence names that date."""
    grace = minutes(activity.get("grace", "0 min"))
    for slot in activity["schedule"]["times"]:
        opens_at = instant_of(zone, on, clock(slot["opens"]))
        if "lasts" in slot:
            closes_at = opens_at + minutes(slot["lasts"])
        else:
            begins, ends = clock(slot["opens"]), clock(slot["closes"])
            closes_at = instant_of(zone, on + timedelta(days=ends <= begins), ends)
        yield str(slot.get("label", slot["opens"])), opens_at, closes_at, closes_at + grace


@cache
def instant_of(zone: str, on: date, at: time) -> datetime:
    """The instant of a civil time: one that does not exist moves forward by the gap, the first of two that do."""
    return datetime.combine(on, at, ZoneInfo(zone)).astimezone(UTC)


@cache
def clock(text: str) -> time:
    """A time of day such as 08:00; 24:00 is midnight."""
    hour, minute = map(int, text.split(":"))
    return time(hour % 24, minute)


@cache
def minutes(text: str) -> timedelta:
    """A length such as '10 min', '2h', '1 h 30 min' or '1 day'."""
    units = {"m": 1, "h": 60, "d": 1440}
    total, number = 0.0, ""
    for letter in str(text):
        if letter.isdigit() or letter == ".":
            number += letter
        elif letter in units and number:
            total, number = total + float(number) * units[letter], ""
    return timedelta(minutes=total)


def every_days(activity: Mapping[str, Any]) -> int | None:
    """The recurrence in days counted from the anchor; None for one that counts otherwise."""
    words = str(activity["schedule"].get("every", "")).split()
    if len(words) == 2 and words[1].startswith("day") and words[0].isdigit():
        return int(words[0])
    return None


def activities(content: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The activities of a document by key."""
    return {each["key"]: each for each in content["activities"]}
