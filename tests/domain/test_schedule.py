"""Schedules: what arithmetic finds is what walking day by day finds."""

# ruff: noqa: DTZ001 - local times have no zone

import sys
from calendar import monthrange
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, pairwise
from types import FrameType
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from lockstep.domain.civil import day_exists, instant_of, local_of
from lockstep.domain.occurrence import Window
from lockstep.domain.refusal import InvalidSchedule
from lockstep.domain.schedule import (
    AfterEvent,
    Days,
    EveryDays,
    Monthly,
    OnDays,
    Schedule,
    TimeOfDay,
    Weekly,
    faults,
    in_words,
    longest_gap_minutes,
    validate,
    windows,
)

MORNING = TimeOfDay("morning", time(8), 120)
EVENING = TimeOfDay("evening", time(20), 120)
NIGHT = TimeOfDay("night", time(23), 240)
ANCHOR = date(2026, 1, 5)
HORIZON = timedelta(days=1100)
ZONES = [
    "Europe/Amsterdam",
    "Pacific/Apia",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "UTC",
]


def ask(schedule: Schedule, at: datetime, *, anchor: date = ANCHOR, zone: str = "UTC") -> Iterator[Window]:
    return windows(schedule, anchor_on=anchor, zone=zone, from_at=at.replace(tzinfo=UTC))


def until(found: Iterator[Window], on: date) -> list[Window]:
    kept = []
    for window in found:
        # Keys come nearly in order of their dates: a gap or a long window moves them by days at most.
        if window.on > on + timedelta(days=5):
            break
        if window.on < on:
            kept.append(window)
    return kept


# The oracle walks every date from the anchor and asks the definition of the pattern.


def belongs(days: Days, anchor: date, on: date) -> bool:
    since = (on - anchor).days
    if since < 0:
        return False
    if isinstance(days, EveryDays):
        return since >= days.offset_days and (since - days.offset_days) % days.n == 0
    if isinstance(days, Weekly):
        monday = anchor - timedelta(days=anchor.weekday())
        return on.weekday() in days.weekdays and (on - monday).days // 7 % days.n == 0
    if isinstance(days, OnDays):
        every = days.every_days
        return any(since == day or (every and since > day and (since - day) % every == 0) for day in days.days)
    months = (on.year - anchor.year) * 12 + on.month - anchor.month
    length = monthrange(on.year, on.month)[1]
    nth, nth_last = (on.day - 1) // 7 + 1, -((length - on.day) // 7 + 1)
    named = on.day in days.days or on.day - length - 1 in days.days
    counted = (nth, on.weekday()) in days.weekdays or (nth_last, on.weekday()) in days.weekdays
    return months % days.n == 0 and (named or counted)


def walk(schedule: Schedule, anchor: date, end: date) -> list[tuple[date, TimeOfDay]]:
    anchor = schedule.anchor_on or anchor
    keys: list[tuple[date, TimeOfDay]] = []
    on = anchor
    while on < end:
        since = (on - anchor).days - schedule.from_day
        inside = since >= 0 and (schedule.for_days is None or since < schedule.for_days)
        inside &= schedule.from_on is None or on >= schedule.from_on
        inside &= schedule.until_on is None or on < schedule.until_on
        if inside and belongs(schedule.days, anchor, on):
            keys += [(on, each) for each in schedule.times]
        on += timedelta(days=1)
    return keys if schedule.count is None else keys[: schedule.count]


dates = st.dates(date(2009, 1, 1), date(2030, 12, 31))
numbers = st.integers(1, 40)
weekdays = st.lists(st.integers(0, 6), min_size=1, max_size=7, unique=True).map(tuple)
month_days = st.integers(-31, 31).filter(bool)
nths = st.tuples(st.sampled_from([1, 2, 3, 4, 5, -1, -2, -5]), st.integers(0, 6))
every_days = st.builds(EveryDays, numbers, st.integers(0, 60))
weekly = st.builds(Weekly, st.integers(1, 6), weekdays)
on_days = st.builds(
    OnDays,
    st.lists(st.integers(0, 60), min_size=1, max_size=6, unique=True).map(tuple),
    st.one_of(st.none(), numbers),
)
monthly = st.builds(
    Monthly,
    st.integers(1, 13),
    st.lists(month_days, min_size=1, max_size=4, unique=True).map(tuple),
    st.lists(nths, max_size=2, unique=True).map(tuple),
)
patterns: st.SearchStrategy[Days] = st.one_of(every_days, weekly, on_days, monthly)
clocks = st.sampled_from([time(0), time(0, 30), time(2, 30), time(8), time(12, 15, 30), time(23, 45)])


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    opens = draw(st.lists(st.tuples(clocks, st.sampled_from([1, 60, 1440, 3000, 20_000])), min_size=1, max_size=3))
    times = sorted(
        (TimeOfDay(str(i), at, lasts) for i, (at, lasts) in enumerate(opens)),
        key=lambda t: (t.opens, t.label),
    )
    found = Schedule(
        draw(patterns),
        tuple(times),
        from_day=draw(st.sampled_from([0, 0, 10, 200])),
        for_days=draw(st.one_of(st.none(), st.integers(1, 900))),
        from_on=draw(st.one_of(st.none(), dates)),
        until_on=draw(st.one_of(st.none(), dates)),
        count=draw(st.one_of(st.none(), st.integers(1, 60))),
    )
    assume(not list(faults(found)))
    return found


@settings(max_examples=150, deadline=None)
@given(schedules(), dates, st.sampled_from(ZONES))
@example(Schedule(EveryDays(1), (MORNING,)), date(2011, 12, 1), "Pacific/Apia")
@example(Schedule(Monthly(1, (31, -1, 29)), (MORNING, EVENING), count=9), date(2024, 1, 31), "UTC")
@example(Schedule(OnDays((0, 10, 17), 7), (MORNING,), count=5), ANCHOR, "UTC")
def test_windows_are_those_of_a_walk_from_the_anchor(schedule: Schedule, anchor: date, zone: str) -> None:
    end = anchor + HORIZON
    expected = [(on, each.label) for on, each in walk(schedule, anchor, end) if day_exists(on, zone)]
    found = until(ask(schedule, datetime(2000, 1, 1), anchor=anchor, zone=zone), end)
    assert sorted((w.on, w.slot) for w in found) == sorted(expected)
    for window, following in pairwise(found):
        assert (window.opens_at, window.slot) < (following.opens_at, following.slot)
    assert len({(w.on, w.slot) for w in found}) == len(found)
    lasts = {each.label: timedelta(minutes=each.lasts_minutes) for each in schedule.times}
    opens = {each.label: each.opens for each in schedule.times}
    for window in found:
        assert window.opens_at == instant_of(datetime.combine(window.on, opens[window.slot]), zone)
        # Half of the window always remains, and no change of civil time is longer than a day.
        assert lasts[window.slot] / 2 <= window.closes_at - window.opens_at <= lasts[window.slot] + timedelta(days=1)


@settings(max_examples=150, deadline=None)
@given(schedules(), dates, st.sampled_from(ZONES), st.integers(-50, 1000), clocks)
def test_a_seek_is_the_suffix_of_the_walk(schedule: Schedule, anchor: date, zone: str, days: int, clock: time) -> None:
    end = anchor + HORIZON
    at = datetime.combine(anchor + timedelta(days=days), clock)
    whole = until(ask(schedule, datetime(2000, 1, 1), anchor=anchor, zone=zone), end)
    suffix = until(ask(schedule, at, anchor=anchor, zone=zone), end)
    assert suffix == [window for window in whole if window.closes_at > at.replace(tzinfo=UTC)]


@settings(max_examples=100, deadline=None)
@given(schedules(), dates)
def test_keys_are_the_same_in_every_zone_but_for_skipped_dates(schedule: Schedule, anchor: date) -> None:
    end = anchor + HORIZON
    keys = {}
    for zone in ZONES:
        found = until(ask(schedule, datetime(2000, 1, 1), anchor=anchor, zone=zone), end)
        keys[zone] = {(window.on, window.slot) for window in found}
    for zone in ZONES:
        assert keys[zone] == {key for key in keys["UTC"] if day_exists(key[0], zone)}


@settings(max_examples=300, deadline=None)
@given(patterns, dates, st.integers(-40, 1500))
def test_counting_by_arithmetic_is_counting_one_by_one(days: Days, anchor: date, span: int) -> None:
    start, end = anchor.toordinal(), anchor.toordinal() + span
    named = [on for on in range(start, end) if belongs(days, anchor, date.fromordinal(on))]
    assert days.count(start, end) == len(named)
    assert list(islice(days.dates(start, start), len(named))) == named


@settings(max_examples=30, deadline=None)
@given(monthly, dates)
def test_months_are_counted_over_centuries(days: Monthly, anchor: date) -> None:
    start, end = anchor.toordinal(), anchor.toordinal() + 400_000
    assert days.count(start, end) == sum(1 for on in _before(days.dates(start, start), end))


def _before(ordinals: Iterator[int], end: int) -> Iterator[int]:
    for ordinal in ordinals:
        if ordinal >= end:
            return
        yield ordinal


def steps_of(work: Callable[[], Any]) -> int:
    """How many lines of the domain run: a measure of cost that does not depend on the machine."""
    steps = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal steps
        if "/lockstep/domain/" not in frame.f_code.co_filename:
            return None
        steps += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return steps


@pytest.mark.parametrize("count", [None, 1_000_000])
@pytest.mark.parametrize(
    "days",
    [
        EveryDays(3, 1),
        Weekly(2, (0, 3, 6)),
        OnDays((0, 3, 8), 7),
        Monthly(1, (15, -1)),
        Monthly(5, (31,), ((2, 1),)),
    ],
    ids=lambda days: type(days).__name__,
)
def test_the_first_window_costs_the_same_however_old_the_anchor(days: Days, count: int | None) -> None:
    schedule = Schedule(days, (MORNING, EVENING), count=count)
    at = datetime(2026, 6, 1, 12)

    def first(years: int) -> Callable[[], Window]:
        return lambda: next(ask(schedule, at, anchor=date(2026 - years, 1, 1), zone="Europe/Amsterdam"))

    for years in (1, 400, 1600):
        first(years)()  # fills the tables of the calendar, which do not depend on the anchor's age either
    young, old = steps_of(first(1)), steps_of(first(1600))
    assert abs(old - young) <= 60, "differences come from how near the next date is, not from the age"
    assert old < 250


def test_the_calendars_table_is_bounded_too() -> None:
    schedule = Schedule(Monthly(7, (29, 31)), (MORNING,), count=1_000_000)
    assert steps_of(lambda: next(ask(schedule, datetime(2026, 1, 1), anchor=date(3, 2, 1)))) < 40_000


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_a_count_may_end_within_a_date(count: int) -> None:
    schedule = Schedule(EveryDays(2), (MORNING, EVENING), count=count)
    found = list(ask(schedule, datetime(2026, 1, 1)))
    assert len(found) == count
    assert found[-1].slot == ("morning" if count % 2 else "evening")
    late = datetime.combine(found[-1].on, time(7))
    assert [window.slot for window in ask(schedule, late)] == ["morning", "evening"][: 2 - count % 2]


def test_a_count_counts_from_the_first_within_the_bounds() -> None:
    schedule = Schedule(EveryDays(1), (MORNING,), from_day=3, from_on=ANCHOR + timedelta(days=5), count=2)
    assert [window.on.day for window in ask(schedule, datetime(2020, 1, 1))] == [10, 11]


def test_a_skipped_date_uses_up_its_count() -> None:
    schedule = Schedule(EveryDays(1), (MORNING,), count=3)
    found = ask(schedule, datetime(2011, 1, 1), anchor=date(2011, 12, 29), zone="Pacific/Apia")
    assert [window.on.day for window in found] == [29, 31]


def test_a_window_keeps_its_civil_ends_across_changes() -> None:
    schedule = Schedule(EveryDays(1), (TimeOfDay("night", time(22), 600),))
    for anchor, hours in ((date(2026, 3, 28), 9), (date(2026, 10, 24), 11), (date(2026, 6, 1), 10)):
        window = next(ask(schedule, datetime.combine(anchor, time()), anchor=anchor, zone="Europe/Amsterdam"))
        assert local_of(window.closes_at, "Europe/Amsterdam").time() == time(8)
        assert window.closes_at - window.opens_at == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("opens", "lasts", "shown"),
    [
        (time(2), 30, (time(3), time(3, 30))),  # both ends are moved
        (time(2, 30), 30, (time(3, 30), time(4))),  # would be empty
        (time(2, 30), 61, (time(3, 30), time(4, 31))),  # would be one minute
        (time(2, 30), 120, (time(3, 30), time(4, 30))),  # half remains: the civil close stands
        (time(1, 30), 60, (time(1, 30), time(3, 30))),  # the close is moved
        (time(1, 30), 90, (time(1, 30), time(3))),
    ],
)
def test_a_window_in_a_gap_is_never_empty(opens: time, lasts: int, shown: tuple[time, time]) -> None:
    schedule = Schedule(EveryDays(1), (TimeOfDay("x", opens, lasts),))
    on, zone = date(2026, 3, 29), "Europe/Amsterdam"
    window = next(ask(schedule, datetime(2026, 3, 28, 12), anchor=on, zone=zone))
    assert tuple(local_of(at, zone).time() for at in (window.opens_at, window.closes_at)) == shown


def test_windows_whose_order_a_gap_changes_come_in_order_of_opening() -> None:
    times = (TimeOfDay("a", time(2, 30), 60), TimeOfDay("b", time(3), 60), TimeOfDay("c", time(3, 30), 60))
    on = date(2026, 3, 29)
    found = ask(Schedule(EveryDays(1), times, count=3), datetime(2026, 3, 29), anchor=on, zone="Europe/Amsterdam")
    assert [window.slot for window in found] == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("clocks_of_day", "order"),
    [
        ([time(0, 30), time(23, 45)], ["00:30", "23:45 of the day before"]),
        ([time(0, 15), time(0, 40), time(23, 45)], ["00:40", "23:45 of the day before", "00:15"]),
    ],
)
def test_a_gap_over_midnight_changes_the_order_of_two_dates(clocks_of_day: list[time], order: list[str]) -> None:
    """Toronto went from 23:30 on 30 March 1919 to 00:30."""
    on, zone = date(1919, 3, 31), "America/Toronto"
    times = tuple(TimeOfDay(f"{each:%H:%M}", each, 30) for each in clocks_of_day)
    found = ask(Schedule(EveryDays(1), times, count=20), datetime(1919, 3, 29), anchor=date(1919, 3, 29), zone=zone)
    night = instant_of(datetime(1919, 3, 30, 23), zone), instant_of(datetime(1919, 3, 31, 2), zone)
    shown = [window for window in found if night[0] <= window.opens_at < night[1]]
    assert [w.slot if w.on == on else f"{w.slot} of the day before" for w in shown] == order


@pytest.mark.parametrize(
    ("opens", "lasts", "days_later"),
    [(time(23, 45), 60, 1), (time(0), 1441, 1), (time(23, 45), 1440 + 60, 2), (time(8), 10 * 1440 + 600, 10)],
)
def test_a_window_that_began_on_an_earlier_date_is_found_while_it_is_open(
    opens: time, lasts: int, days_later: int
) -> None:
    schedule = Schedule(EveryDays(1), (TimeOfDay("x", opens, lasts),))
    at = datetime.combine(ANCHOR + timedelta(days=days_later), opens) + timedelta(minutes=lasts - 1)
    at -= timedelta(days=days_later)
    found = next(ask(schedule, at))
    assert found.on == ANCHOR
    assert at.date() == ANCHOR + timedelta(days=days_later)


def test_a_window_that_a_skipped_date_carries_on_is_found_while_it_is_open() -> None:
    """Its close falls on the date that Samoa skipped, so it moves to the date after."""
    schedule = Schedule(EveryDays(1), (TimeOfDay("x", time(23, 45), 1435),))
    at = instant_of(datetime(2011, 12, 31, 23), "Pacific/Apia")
    found = next(windows(schedule, anchor_on=date(2011, 12, 1), zone="Pacific/Apia", from_at=at))
    assert found.on == date(2011, 12, 29)
    assert local_of(found.closes_at, "Pacific/Apia") == datetime(2011, 12, 31, 23, 40)


@pytest.mark.parametrize("days", [EveryDays(3, 1), Weekly(2, (0, 3)), OnDays((2, 9), 7), Monthly(1, (1, 20))])
def test_no_date_lies_before_the_anchor(days: Days) -> None:
    anchor = date(2026, 1, 14).toordinal()
    assert list(islice(days.dates(anchor, anchor - 400), 5)) == list(islice(days.dates(anchor, anchor), 5))
    assert days.count(anchor, anchor) == days.count(anchor, anchor - 400) == 0


def test_a_whole_day_begins_when_the_day_does_and_ends_at_midnight() -> None:
    schedule = Schedule(EveryDays(1), (TimeOfDay("day", time(0), 1440),))
    zone = "America/Sao_Paulo"
    window, following = islice(ask(schedule, datetime(2018, 11, 4, 4), anchor=date(2018, 11, 4), zone=zone), 2)
    assert window.closes_at - window.opens_at == timedelta(hours=23)
    assert following.opens_at == window.closes_at


def test_a_repeated_hour_asks_once() -> None:
    schedule = Schedule(EveryDays(1), (TimeOfDay("x", time(2, 30), 15),))
    found = ask(schedule, datetime(2026, 10, 24, 12), anchor=date(2026, 10, 25), zone="Europe/Amsterdam")
    first, second = islice(found, 2)
    assert (first.on.day, second.on.day) == (25, 26)
    assert second.opens_at - first.opens_at == timedelta(hours=25)


def test_an_anchor_of_the_schedule_goes_before_the_enrolments() -> None:
    schedule = Schedule(EveryDays(10), (MORNING,), anchor_on=date(2026, 1, 3))
    assert next(ask(schedule, datetime(2026, 1, 4))).on == date(2026, 1, 13)


def test_a_pattern_without_any_date_ends() -> None:
    assert list(ask(Schedule(Monthly(12, (30,)), (MORNING,)), datetime(2026, 1, 1), anchor=date(2026, 2, 1))) == []


@pytest.mark.parametrize("at", [datetime(1, 1, 1), datetime(9999, 12, 31)])
@pytest.mark.parametrize("anchor", [date(1, 1, 1), date(9999, 12, 31)])
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
@pytest.mark.parametrize("days", [EveryDays(1), Weekly(1, (0,)), Monthly(1, (1,)), OnDays((0,))])
def test_the_ends_of_the_calendar_are_no_error(days: Days, at: datetime, anchor: date, zone: str) -> None:
    long = TimeOfDay("x", time(0), 366 * 1440)
    schedule = Schedule(days, (long,), from_on=date(2, 1, 1), count=1_000_000)
    list(islice(ask(schedule, at, anchor=anchor, zone=zone), 3))


@settings(max_examples=150, deadline=None)
@given(patterns, dates, st.lists(st.sampled_from([MORNING, EVENING, NIGHT]), min_size=1, unique=True))
def test_no_gap_between_openings_is_longer_than_the_longest(days: Days, anchor: date, times: list[TimeOfDay]) -> None:
    schedule = Schedule(days, tuple(sorted(times, key=lambda each: each.opens)))
    longest = timedelta(minutes=longest_gap_minutes(schedule, anchor_on=anchor))
    found = list(islice(ask(schedule, datetime(2000, 1, 1), anchor=anchor), 400))
    gaps = [later.opens_at - earlier.opens_at for earlier, later in pairwise(found)]
    assert all(gap <= longest for gap in gaps)
    if not isinstance(days, Monthly) and gaps:
        assert longest == max(gaps)
    assert longest <= timedelta(minutes=longest_gap_minutes(schedule))


@pytest.mark.parametrize(
    ("days", "minutes"),
    [
        (EveryDays(1), 1440),
        (Weekly(1, (0, 2, 4)), 3 * 1440),
        (OnDays((0, 3, 8), None), 5 * 1440),
        (OnDays((4,)), 0),
        (Monthly(1, (31,)), 61 * 1440),  # March to May
        (Monthly(12, (29,)), 2921 * 1440),  # 29 February 2096 to 2104
    ],
)
def test_longest_gaps_of_known_patterns(days: Days, minutes: int) -> None:
    assert longest_gap_minutes(Schedule(days, (MORNING,))) == minutes


BAD: list[tuple[Schedule | AfterEvent, str]] = [
    (Schedule(EveryDays(0), (MORNING,)), "days.n"),
    (Schedule(EveryDays(1, -1), (MORNING,)), "days.offset_days"),
    (Schedule(Weekly(1, ()), (MORNING,)), "days.weekdays"),
    (Schedule(Weekly(1, (1, 7)), (MORNING,)), "days.weekdays[1]"),
    (Schedule(Weekly(1, (1, 1)), (MORNING,)), "days.weekdays[1]"),
    (Schedule(OnDays(()), (MORNING,)), "days.days"),
    (Schedule(OnDays((-1,)), (MORNING,)), "days.days[0]"),
    (Schedule(OnDays((1,), 0), (MORNING,)), "days.every_days"),
    (Schedule(Monthly(1, ()), (MORNING,)), "days.days"),
    (Schedule(Monthly(1, (0,)), (MORNING,)), "days.days[0]"),
    (Schedule(Monthly(1, (), ((6, 0),)), (MORNING,)), "days.weekdays[0]"),
    (Schedule(EveryDays(1), ()), "times"),
    (Schedule(EveryDays(1), (EVENING, MORNING)), "times"),
    (Schedule(EveryDays(1), (MORNING, replace(EVENING, label="morning"))), "times[1].label"),
    (Schedule(EveryDays(1), (replace(MORNING, label=" "),)), "times[0].label"),
    (Schedule(EveryDays(1), (replace(MORNING, lasts_minutes=0),)), "times[0].lasts_minutes"),
    (Schedule(EveryDays(1), (replace(MORNING, opens=time(8, tzinfo=UTC)),)), "times[0].opens"),
    (Schedule(EveryDays(1), (MORNING,), from_day=-1), "from_day"),
    (Schedule(EveryDays(1), (MORNING,), for_days=0), "for_days"),
    (Schedule(EveryDays(1), (MORNING,), count=0), "count"),
    (Schedule(EveryDays(1), (MORNING,), from_on=ANCHOR, until_on=ANCHOR), "until_on"),
    (AfterEvent("", 0, 60), "event"),
    (AfterEvent("meal", -1, 60), "delay_minutes"),
    (AfterEvent("meal", 0, 0), "lasts_minutes"),
]


@pytest.mark.parametrize(("schedule", "where"), BAD, ids=lambda value: value if isinstance(value, str) else "")
def test_what_cannot_be_honoured_is_refused_with_place_and_mend(schedule: Schedule | AfterEvent, where: str) -> None:
    with pytest.raises(InvalidSchedule) as refusal:
        validate(schedule)
    assert refusal.value.where == where
    assert refusal.value.what
    assert refusal.value.mend


def test_all_faults_are_told() -> None:
    assert len(list(faults(Schedule(EveryDays(0), (), count=0)))) == 3


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (Schedule(EveryDays(2), (MORNING,)), "every 2 days at 08:00–10:00 (morning)"),
        (Schedule(EveryDays(1), (NIGHT,), count=1), "every day at 23:00–03:00 the next day (night) 1 time"),
        (Schedule(Weekly(1, (0, 3)), (MORNING,)), "every Monday and Thursday at 08:00–10:00 (morning)"),
        (Schedule(Weekly(2, (6,)), (MORNING,)), "every 2 weeks on Sunday at 08:00–10:00 (morning)"),
        (
            Schedule(OnDays((0, 3), 7), (MORNING,)),
            "on days 0 and 3, again every 7 days at 08:00–10:00 (morning)",
        ),
        (
            Schedule(Monthly(3, (1, -1), ((2, 1),)), (MORNING,), for_days=90),
            "every 3 months on the 1st, the last day and the 2nd Tuesday at 08:00–10:00 (morning) for 90 days",
        ),
        (AfterEvent("meal", 60, 30), "1 hour after meal, for 30 minutes"),
        (AfterEvent("waking", 0, 1440), "immediately after waking, for 1 day"),
    ],
)
def test_schedules_in_words(schedule: Schedule | AfterEvent, words: str) -> None:
    assert in_words(schedule) == words
