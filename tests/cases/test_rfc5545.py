"""RFC 5545 recurrence rules: each is expressed and equal instance by instance, or refused with a reason."""

# ruff: noqa: DTZ901 - local times have no zone

import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from lockstep.domain.schedule import (
    Days,
    EveryDays,
    Monthly,
    OnDays,
    Schedule,
    TimeOfDay,
    Weekly,
    validate,
    windows,
)

CASES = Path(__file__).parents[2].parent / "shared" / "cases" / "rfc5545-recurrence"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the published cases are not beside the project")

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
SECONDS = {"SECONDLY": 1, "MINUTELY": 60, "HOURLY": 3600}
DATED = ("BYMONTH", "BYMONTHDAY", "BYDAY")


class Refused(Exception):
    """A schedule has no words for this rule."""


@dataclass(frozen=True)
class Rule:
    """A recurrence rule with its start, read but not yet understood."""

    parts: dict[str, str]
    start: datetime
    dated: bool  # the start is a date without time

    @property
    def freq(self) -> str:
        return self.parts["FREQ"]

    @property
    def interval(self) -> int:
        return int(self.parts.get("INTERVAL", "1"))

    def numbers(self, name: str) -> list[int]:
        return sorted({int(each) for each in self.parts.get(name, "").split(",") if each})

    def by_day(self) -> list[tuple[int | None, int]]:
        codes = dict.fromkeys(each for each in self.parts.get("BYDAY", "").split(",") if each)
        return [(int(code[:-2]) if code[:-2] else None, WEEKDAYS.index(code[-2:])) for code in codes]


def read_rule(vector: dict[str, Any]) -> Rule:
    parts = dict(part.split("=", 1) for part in vector["RRULE"].split(";") if part)
    return Rule(parts, moment(vector["DTSTART"]), "T" not in vector["DTSTART"])


def moment(text: str) -> datetime:
    form = "%Y%m%dT%H%M%S" if "T" in text else "%Y%m%d"
    return datetime.strptime(text.rstrip("Z"), form)  # noqa: DTZ007 - civil by nature


def to_schedule(rule: Rule) -> Schedule:
    """The schedule that means the same, or `Refused` with the reason."""
    for name in ("BYWEEKNO", "BYYEARDAY"):
        if name in rule.parts:
            raise Refused(f"{name}: no weeks or days of the year")
    if "BYSETPOS" in rule.parts and rule.freq != "WEEKLY":
        raise Refused("BYSETPOS: no positions within a set")
    if rule.freq in SECONDS:
        return within_a_day(rule)
    times = times_of(rule)
    days, anchor_on = {"DAILY": daily, "WEEKLY": weekly, "MONTHLY": monthly, "YEARLY": yearly}[rule.freq](rule)
    if rule.start.time() > times[0]:
        raise Refused("DTSTART: begins within a date")
    return bounded(rule, days, times, anchor_on)


def bounded(rule: Rule, days: Days, times: list[time], anchor_on: date) -> Schedule:
    until_on = None
    if "UNTIL" in rule.parts:
        until = moment(rule.parts["UNTIL"])
        whole = "T" not in rule.parts["UNTIL"] or until.time() >= times[-1]
        if not whole and until.time() >= times[0]:
            raise Refused("UNTIL: ends within a date")
        until_on = until.date() + timedelta(days=1) if whole else until.date()
    count = int(rule.parts["COUNT"]) if "COUNT" in rule.parts else None
    windows_of_day = tuple(TimeOfDay(each.isoformat(), each, 1) for each in times)
    return Schedule(days, windows_of_day, anchor_on, from_on=rule.start.date(), until_on=until_on, count=count)


def times_of(rule: Rule) -> list[time]:
    if rule.dated:  # RFC 5545, 3.3.10: BYHOUR, BYMINUTE and BYSECOND MUST be ignored for a DATE
        return [time(0)]
    start = rule.start
    hours = rule.numbers("BYHOUR") or [start.hour]
    minutes = rule.numbers("BYMINUTE") or [start.minute]
    seconds = rule.numbers("BYSECOND") or [start.second]
    return sorted(time(h, m, s) for h in hours for m in minutes for s in seconds)


def within_a_day(rule: Rule) -> Schedule:
    """A rule by hours, minutes or seconds, where it repeats every day or ends on its first."""
    if any(name in rule.parts for name in (*DATED, "BYHOUR", "BYMINUTE", "BYSECOND")):
        raise Refused(f"{rule.freq} with a filter")
    step = timedelta(seconds=SECONDS[rule.freq] * rule.interval)
    starts = [rule.start]
    until = moment(rule.parts["UNTIL"]) if "UNTIL" in rule.parts else datetime.max
    count = int(rule.parts.get("COUNT", "100000"))
    while len(starts) < count and starts[-1] + step <= until and starts[-1].date() == rule.start.date():
        starts.append(starts[-1] + step)
    if starts[-1].date() != rule.start.date():
        raise Refused(f"{rule.freq} over several dates: begins or ends within a date")
    times = tuple(TimeOfDay(at.time().isoformat(), at.time(), 1) for at in starts)
    return Schedule(OnDays((0,)), times, rule.start.date())


def daily(rule: Rule) -> tuple[Days, date]:
    if rule.interval > 1 and any(name in rule.parts for name in DATED):
        raise Refused("DAILY with an interval and a filter")
    if "BYMONTH" in rule.parts:
        days = rule.numbers("BYMONTHDAY") or range(1, 32)
        if "BYDAY" in rule.parts:
            raise Refused("DAILY with BYMONTH and BYDAY")
        return months_of_year(rule, Monthly(1, tuple(days)), years=1)
    if "BYMONTHDAY" in rule.parts:
        if "BYDAY" in rule.parts:
            raise Refused("BYDAY and BYMONTHDAY: no intersection of two patterns")
        return Monthly(1, tuple(rule.numbers("BYMONTHDAY"))), rule.start.date()
    if "BYDAY" in rule.parts:
        return Weekly(1, tuple(weekday for _, weekday in rule.by_day())), rule.start.date()
    return EveryDays(rule.interval), rule.start.date()


def weekly(rule: Rule) -> tuple[Days, date]:
    if "BYMONTH" in rule.parts:
        raise Refused("WEEKLY with BYMONTH")
    first = WEEKDAYS.index(rule.parts.get("WKST", "MO"))
    # Positions in the week as the rule counts it, 0 for its first day.
    positions = sorted((weekday - first) % 7 for _, weekday in rule.by_day()) or [(rule.start.weekday() - first) % 7]
    if "BYSETPOS" in rule.parts:
        if len(times_of(rule)) > 1:
            raise Refused("BYSETPOS: no positions within a set")
        chosen = rule.numbers("BYSETPOS")
        positions = [each for n, each in enumerate(positions, 1) if {n, n - len(positions) - 1} & set(chosen)]
    if first == 0:
        return Weekly(rule.interval, tuple(positions)), rule.start.date()
    # Weeks that begin elsewhere are blocks of days from their first.
    anchor_on = rule.start.date() - timedelta(days=(rule.start.weekday() - first) % 7)
    return OnDays(tuple(positions), 7 * rule.interval), anchor_on


def monthly(rule: Rule) -> tuple[Days, date]:
    days = monthly_days(rule)
    if "BYMONTH" not in rule.parts:
        return Monthly(rule.interval, days.days, days.weekdays), rule.start.date()
    if rule.interval > 1:
        raise Refused("MONTHLY with an interval and BYMONTH")
    return months_of_year(rule, days, years=1)


def yearly(rule: Rule) -> tuple[Days, date]:
    if "BYMONTH" in rule.parts:
        return months_of_year(rule, monthly_days(rule), years=rule.interval)
    if "BYMONTHDAY" in rule.parts:
        raise Refused("YEARLY with BYMONTHDAY and no month: read in two ways")
    if "BYDAY" not in rule.parts:
        return Monthly(12 * rule.interval, (rule.start.day,)), rule.start.date()
    if rule.interval > 1 or any(nth for nth, _ in rule.by_day()):
        raise Refused("YEARLY with BYDAY: no weeks or days of the year")
    return Weekly(1, tuple(weekday for _, weekday in rule.by_day())), rule.start.date()


def monthly_days(rule: Rule) -> Monthly:
    if "BYDAY" in rule.parts and "BYMONTHDAY" in rule.parts:
        raise Refused("BYDAY and BYMONTHDAY: no intersection of two patterns")
    if "BYDAY" in rule.parts:
        nths = [(n, day) for nth, day in rule.by_day() for n in ([nth] if nth else range(1, 6))]
        return Monthly(1, (), tuple(nths))
    return Monthly(1, tuple(rule.numbers("BYMONTHDAY")) or (rule.start.day,))


def months_of_year(rule: Rule, days: Monthly, *, years: int) -> tuple[Days, date]:
    """The months as every n-th from a first one; other sets of months have no words."""
    months = rule.numbers("BYMONTH")
    step = 12 // len(months)
    if months != list(range(months[0], 13, step)) or (years > 1 and len(months) > 1):
        raise Refused("BYMONTH: several months that are not evenly spaced")
    return Monthly(step * years, days.days, days.weekdays), date(rule.start.year, months[0], 1)


def vectors(name: str, key: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((CASES / name).read_text())[key] if CASES.is_dir() else []
    return found


LIBICAL = vectors("libical_icalrecur_vectors.json", "vectors")
CONTESTED = vectors("contested_dateutil_vs_libical.json", "contested")
BEYOND = timedelta(days=400)


def instances(schedule: Schedule, from_at: datetime, until: datetime) -> list[datetime]:
    found = []
    for window in windows(schedule, anchor_on=date(1, 1, 1), zone="UTC", from_at=from_at.replace(tzinfo=UTC)):
        if window.opens_at > until.replace(tzinfo=UTC):
            break
        found.append(window.opens_at.replace(tzinfo=None))
    return found


@pytest.mark.parametrize("vector", LIBICAL, ids=lambda vector: f"{vector['RRULE']}@{vector['DTSTART']}")
def test_a_rule_is_expressed_exactly_or_refused(vector: dict[str, Any]) -> None:
    try:
        schedule = to_schedule(read_rule(vector))
    except Refused:
        return
    validate(schedule)
    expected = [moment(text) for text in vector["expected"]]
    assert instances(schedule, expected[0], expected[-1] + BEYOND) == expected
    for n, at in enumerate(expected):
        assert instances(schedule, at, expected[-1]) == expected[n:], "from every instance on"
    if "START-AT" in vector:
        at = moment(vector["START-AT"])
        assert instances(schedule, at, expected[-1]) == [each for each in expected if each >= at]


def outcome(vector: dict[str, Any]) -> str:
    try:
        to_schedule(read_rule(vector))
    except Refused as refusal:
        return str(refusal).partition(":")[0]
    return "expressed"


def test_the_share_that_is_expressed() -> None:
    """The figure in docs/decisions/0011-recurrence.md; the test above compares each instance."""
    assert Counter(outcome(vector) for vector in LIBICAL) == {
        "expressed": 58,
        "BYWEEKNO": 29,
        "BYSETPOS": 16,
        "BYYEARDAY": 12,
        "BYMONTH": 10,
        "SECONDLY with a filter": 6,
        "BYDAY and BYMONTHDAY": 3,
        "HOURLY with a filter": 3,
        "DAILY with an interval and a filter": 2,
        "HOURLY over several dates": 2,
        "YEARLY with BYMONTHDAY and no month": 2,
        "MINUTELY with a filter": 1,
        "MONTHLY with an interval and BYMONTH": 1,
        "YEARLY with BYDAY": 1,
    }


def test_the_contested_rules_are_decided() -> None:
    """docs/decisions/0011-recurrence.md says why, rule by rule."""
    assert len(CONTESTED) == 22
    expressed = {vector["RRULE"] for vector in CONTESTED if outcome(vector) == "expressed"}
    assert expressed == {
        "FREQ=WEEKLY;INTERVAL=1;COUNT=2;BYDAY=MO;",
        "FREQ=DAILY;BYMINUTE=1,2,3,4;INTERVAL=2;COUNT=3",
        "FREQ=WEEKLY;BYDAY=MO,TU,SU,SA,TH;BYSETPOS=3,2;COUNT=4",
        "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1,3;COUNT=3",
    }
    refused = Counter(outcome(vector) for vector in CONTESTED if outcome(vector) != "expressed")
    assert refused == {"BYWEEKNO": 16, "YEARLY with BYMONTHDAY and no month": 2}


@pytest.mark.parametrize("vector", CONTESTED, ids=lambda vector: f"{vector['RRULE']}@{vector['DTSTART']}")
def test_an_expressed_contested_rule_is_libicals(vector: dict[str, Any]) -> None:
    if outcome(vector) == "expressed":
        expected = [moment(text) for text in vector["expected"]]
        assert instances(to_schedule(read_rule(vector)), expected[0], expected[-1] + BEYOND) == expected
