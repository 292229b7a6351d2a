"""Timing: what each part means, and the path of each part that is refused."""

from collections.abc import Mapping
from datetime import date, time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.domain.refusal import InvalidSchedule
from lockstep.domain.schedule import AfterEvent, EveryDays, Schedule, TimeOfDay, Weekly, validate
from lockstep.fhir.timing import read

GTS = "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation"
DAY = TimeOfDay("day", time(0), 1440)
EIGHT = TimeOfDay("08:00", time(8), 60)
TWENTY = TimeOfDay("20:00", time(20), 60)


def timing(**repeat: Any) -> dict[str, Any]:
    return {"repeat": repeat}


@pytest.mark.parametrize(
    ("repeat", "schedule", "quantity"),
    [
        ({"frequency": 3, "period": 1, "periodUnit": "d"}, Schedule(EveryDays(1), (DAY,)), 3),
        ({"period": 0.5, "periodUnit": "wk", "timeOfDay": ["08:00:00"]}, None, 0),
        ({"period": 24, "periodUnit": "h"}, Schedule(EveryDays(1), (DAY,)), 1),
        ({"timeOfDay": ["20:00:00", "08:00:00"]}, Schedule(EveryDays(1), (EIGHT, TWENTY)), 1),
        (
            {"frequency": 2, "period": 1, "periodUnit": "d", "timeOfDay": ["08:00:00", "20:00:00"]},
            Schedule(EveryDays(1), (EIGHT, TWENTY)),
            1,
        ),
        ({"period": 3, "periodUnit": "d", "timeOfDay": ["08:00:00"]}, Schedule(EveryDays(3), (EIGHT,)), 1),
        ({"dayOfWeek": ["wed", "mon"], "timeOfDay": ["08:00:00"]}, Schedule(Weekly(1, (0, 2)), (EIGHT,)), 1),
        (
            {"frequency": 2, "period": 2, "periodUnit": "wk", "dayOfWeek": ["mon", "fri"]},
            Schedule(Weekly(2, (0, 4)), (DAY,)),
            1,
        ),
        ({"dayOfWeek": ["sun"]}, Schedule(Weekly(1, (6,)), (DAY,)), 1),
        (
            {"frequency": 3, "period": 1, "periodUnit": "wk", "count": 12},
            Schedule(EveryDays(7), (TimeOfDay("7 days", time(0), 10080),), count=4),
            3,
        ),
        (
            {
                "timeOfDay": ["08:00:00"],
                "duration": 2,
                "durationUnit": "h",
                "boundsDuration": {"value": 2, "code": "wk"},
            },
            Schedule(EveryDays(1), (TimeOfDay("08:00", time(8), 120),), for_days=14),
            1,
        ),
        (
            {"timeOfDay": ["08:00:00"], "boundsPeriod": {"start": "2026-02", "end": "2026-03-04"}},
            Schedule(
                EveryDays(1),
                (EIGHT,),
                anchor_on=date(2026, 2, 1),
                from_on=date(2026, 2, 1),
                until_on=date(2026, 3, 5),
            ),
            1,
        ),
    ],
)
def test_what_a_timing_means(repeat: dict[str, Any], schedule: Schedule | None, quantity: int) -> None:
    if schedule is None:
        with pytest.raises(InvalidSchedule):
            read(timing(**repeat))
        return
    found = read(timing(**repeat))
    assert found.schedule == schedule
    assert found.quantity == quantity


def test_a_period_that_divides_a_day_becomes_times_from_midnight() -> None:
    found = read(timing(frequency=2, period=8, periodUnit="h"))
    assert isinstance(found.schedule, Schedule)
    assert [(each.opens.hour, each.lasts_minutes) for each in found.schedule.times] == [
        (0, 480),
        (8, 480),
        (16, 480),
    ]
    assert found.quantity == 2


@pytest.mark.parametrize(
    ("repeat", "schedule"),
    [
        ({"when": ["PCM"], "offset": 60}, AfterEvent("breakfast", 60, 60)),
        ({"when": ["PC"], "duration": 30, "durationUnit": "min"}, AfterEvent("meal", 0, 30)),
        (
            {"when": ["WAKE"], "frequency": 1, "period": 1, "periodUnit": "d", "offset": 0},
            AfterEvent("waking", 0, 60),
        ),
    ],
)
def test_what_follows_an_event(repeat: dict[str, Any], schedule: AfterEvent) -> None:
    assert read(timing(**repeat)).schedule == schedule


def test_the_caller_says_how_long_a_moment_stays_open() -> None:
    found = read(timing(timeOfDay=["08:00:00"]), window_minutes=15).schedule
    assert isinstance(found, Schedule)
    assert found.times[0].lasts_minutes == 15


@pytest.mark.parametrize("repeat", [{}, {"boundsPeriod": {"start": "2026-01-01"}}, {"frequency": 2}])
def test_an_abbreviation_stands_for_its_frequency(repeat: dict[str, Any]) -> None:
    found = read({"code": {"coding": [{"system": GTS, "code": "BID"}]}, "repeat": repeat})
    assert isinstance(found.schedule, Schedule)
    assert found.schedule.days == EveryDays(1)
    assert found.quantity == 2


REFUSED: list[tuple[Any, str]] = [
    ([], "Timing"),
    ({}, "Timing.repeat"),
    ({"repeat": {}}, "Timing.repeat"),
    ({"repeat": []}, "Timing.repeat"),
    ({"event": ["2026-01-01"]}, "Timing.event"),
    ({"modifierExtension": [], "repeat": {"period": 1, "periodUnit": "d"}}, "Timing.modifierExtension"),
    ({"code": {"text": "twice a day"}}, "Timing.code"),
    ({"code": {"coding": [{"system": GTS, "code": "AM"}]}}, "Timing.code"),
    ({"code": {"coding": [{"system": GTS, "code": "BID"}]}, "repeat": {"frequency": 3}}, "Timing.code"),
    (timing(period=1, periodUnit="mo"), "Timing.repeat.periodUnit"),
    (timing(period=1, periodUnit="fortnight"), "Timing.repeat.periodUnit"),
    (timing(period=1), "Timing.repeat.periodUnit"),
    (timing(period=7, periodUnit="h"), "Timing.repeat.period"),
    (timing(period=36, periodUnit="h"), "Timing.repeat.period"),
    (timing(period="1", periodUnit="d"), "Timing.repeat.period"),
    (timing(period=True, periodUnit="d"), "Timing.repeat.period"),
    (timing(period=-1, periodUnit="d"), "Timing.repeat.period"),
    (timing(period=float("nan"), periodUnit="d"), "Timing.repeat.period"),
    (timing(frequency=1.5, period=1, periodUnit="d"), "Timing.repeat.frequency"),
    (timing(frequency=1, frequencyMax=2, period=1, periodUnit="d"), "Timing.repeat.frequencyMax"),
    (timing(frequency=2, period=1, periodUnit="d", timeOfDay=["08:00:00"]), "Timing.repeat.frequency"),
    (timing(frequency=2, timeOfDay=["08:00:00"]), "Timing.repeat.frequency"),
    (
        timing(frequency=2, period=2, periodUnit="d", timeOfDay=["08:00:00", "20:00:00"]),
        "Timing.repeat.period",
    ),
    (timing(frequency=1, period=1, periodUnit="wk", dayOfWeek=["mon", "tue"]), "Timing.repeat.frequency"),
    (timing(period=2, periodUnit="d", dayOfWeek=["mon"]), "Timing.repeat.dayOfWeek"),
    (timing(dayOfWeek=["Monday"]), "Timing.repeat.dayOfWeek"),
    (timing(dayOfWeek=["mon", "mon"]), "Timing.repeat.dayOfWeek"),
    (timing(dayOfWeek="mon"), "Timing.repeat.dayOfWeek"),
    (timing(timeOfDay=["25:00:00"]), "Timing.repeat.timeOfDay"),
    (timing(timeOfDay=["08:00:00Z"]), "Timing.repeat"),
    (timing(timeOfDay=["08:00:00"], offset=10), "Timing.repeat.offset"),
    (timing(timeOfDay=[]), "Timing.repeat.timeOfDay"),
    (timing(when=["HS"]), "Timing.repeat.when"),
    (timing(when=["MORN"]), "Timing.repeat.when"),
    (timing(when=["CM", "CV"]), "Timing.repeat.when"),
    (timing(when=["C"], count=3), "Timing.repeat.count"),
    (timing(when=["PC"], frequency=1, period=1, periodUnit="d"), "Timing.repeat.frequency"),
    (timing(frequency=2, period=1, periodUnit="d", count=3), "Timing.repeat.count"),
    (timing(frequency=2, period=1, periodUnit="d", duration=1, durationUnit="h"), "Timing.repeat.duration"),
    (timing(period=1, periodUnit="h", duration=2, durationUnit="h"), "Timing.repeat.duration"),
    (timing(period=1, periodUnit="d", boundsRange={}), "Timing.repeat.boundsRange"),
    (
        timing(period=1, periodUnit="d", boundsPeriod={"start": "2026-02-30"}),
        "Timing.repeat.boundsPeriod.start",
    ),
    (
        timing(period=1, periodUnit="d", boundsPeriod={"end": "2026-02-01T08:00:00Z"}),
        "Timing.repeat.boundsPeriod.end",
    ),
    (
        timing(period=1, periodUnit="d", boundsPeriod={"start": "2026-02-02", "end": "2026-02-01"}),
        "Timing.repeat.boundsPeriod.end",
    ),
    (timing(period=1, periodUnit="wk", boundsPeriod={"end": "2026-02-01"}), "Timing.repeat.boundsPeriod"),
    (
        timing(period=1, periodUnit="wk", boundsDuration={"value": 10, "code": "d"}),
        "Timing.repeat.boundsDuration",
    ),
    (
        timing(period=1, periodUnit="d", boundsDuration={"value": 1, "code": "mo"}),
        "Timing.repeat.boundsDuration.code",
    ),
    (
        timing(period=1, periodUnit="d", boundsDuration={"value": 1, "code": "h"}),
        "Timing.repeat.boundsDuration.value",
    ),
    (
        timing(period=1, periodUnit="d", boundsDuration={"value": 1, "comparator": "<", "code": "d"}),
        "Timing.repeat.boundsDuration.comparator",
    ),
]


@pytest.mark.parametrize(("document", "where"), REFUSED, ids=str)
def test_what_is_not_honoured_is_refused_with_its_path(document: Any, where: str) -> None:
    with pytest.raises(InvalidSchedule) as refusal:
        read(document)
    assert refusal.value.where == where
    assert refusal.value.what
    assert refusal.value.mend


def test_the_path_is_the_callers() -> None:
    with pytest.raises(InvalidSchedule, match=r"CarePlan\.activity\[0\]\.detail\.scheduledTiming\.repeat\.when"):
        read(timing(when=["HS"]), path="CarePlan.activity[0].detail.scheduledTiming")


words = st.sampled_from(["d", "wk", "h", "mo", "mon", "08:00:00", "2026-01-01", "MORN", "PCM", ""])
scraps = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 2000), st.floats(), words, st.text(max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=2)),
    max_leaves=4,
)
names = st.sampled_from(
    """frequency period periodUnit count countMax duration durationUnit dayOfWeek timeOfDay when offset
    boundsPeriod boundsDuration boundsRange periodMax other""".split()  # noqa: SIM905
)
bounds = st.dictionaries(st.sampled_from(["start", "end", "value", "code", "system", "x"]), scraps, max_size=3)
repeats = st.dictionaries(names, st.one_of(scraps, bounds, st.lists(words, max_size=2)), max_size=5)


@settings(max_examples=500, deadline=None)
@given(st.one_of(scraps, st.fixed_dictionaries({"repeat": repeats}, optional={"code": scraps})))
def test_any_document_is_read_or_refused(document: Any) -> None:
    try:
        found = read(document)
    except InvalidSchedule:
        return
    assert isinstance(document, Mapping)
    assert found.quantity >= 1
    validate(found.schedule)
