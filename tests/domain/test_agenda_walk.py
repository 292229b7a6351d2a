"""Occurrences computed with arithmetic and look-back are those that a plain walk forward in time finds."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from hypothesis import event, given, settings
from hypothesis import strategies as st
from tests.domain.timelines import MONDAY, activity, at, content, course, enrolled, protocol, walk, window

from lockstep.domain.agenda import activity_of
from lockstep.domain.civil import instant_of
from lockstep.domain.content import Activity, timing
from lockstep.domain.schedule import EveryDays, Schedule
from lockstep.domain.timeline import EnrolmentFacts, ProtocolFacts, Segment, Span

# None of these changes its civil time in these days, so that the walk may count in hours.
ZONES = ["UTC", "Europe/Amsterdam", "Asia/Tokyo", "America/Bogota", "Pacific/Kiritimati", "Etc/GMT+12"]
CONTENTS = [
    content(activity()),
    content(activity(title="other words")),
    content(activity("weight", window("morning", 6, 8))),
    content(activity("weight", window("morning", 10, 4), window("evening", 20, 3))),
    content(activity(every=2)),
    content(activity(grace_minutes=0, quantity=2)),
    content(activity("weight", window("night", 22, 12))),
    content(activity("weight", *(window(f"{hour:02}", hour, 2) for hour in range(0, 24, 3)))),
    content(activity("pulse")),
]
half_hours = st.integers(48, 48 * 6).map(lambda n: at(1, n / 2))


@st.composite
def worlds(draw: st.DrawFn) -> tuple[EnrolmentFacts, ProtocolFacts]:
    begins = draw(half_hours.filter(lambda instant: instant < at(4)))
    switches = sorted(draw(st.lists(half_hours, max_size=5, unique=True)))
    versions = [(at(1), draw(st.sampled_from(CONTENTS)))]
    versions += [(instant, draw(st.sampled_from(CONTENTS))) for instant in switches]
    zones = [
        (instant, draw(st.sampled_from(ZONES)))
        for instant in sorted(draw(st.lists(half_hours.filter(lambda each: each > begins), max_size=2, unique=True)))
    ]
    edges = sorted(draw(st.lists(half_hours.filter(lambda each: each >= begins), max_size=4, unique=True)))
    pauses = tuple(Span(*pair) for pair in zip(edges[::2], edges[1::2], strict=False))
    ends = draw(st.none() | half_hours.filter(lambda each: each > begins))
    facts = enrolled(begins, zone=draw(st.sampled_from(ZONES)), zones=zones, pauses=pauses, discharged_at=ends)
    return facts, protocol(*versions)


@dataclass
class Walked:
    key: tuple[date, str]
    version: int
    opens_at: datetime
    closes_at: datetime
    activity: Activity
    fate: str
    ended_at: datetime | None = None


def nominal(segment: Segment, asked: Activity) -> list[Walked]:
    """The activity's windows around these days, date by date."""
    schedule = asked.schedule
    assert isinstance(schedule, Schedule)
    assert isinstance(schedule.days, EveryDays)
    assert segment.version_number is not None
    found = []
    for day in range(-1, 10):
        on = MONDAY + timedelta(days=day)
        if day < 0 or day % schedule.days.n:
            continue
        for each in schedule.times:
            opens = datetime.combine(on, each.opens)
            closes = opens + timedelta(minutes=each.lasts_minutes)
            opens_at, closes_at = instant_of(opens, segment.zone), instant_of(closes, segment.zone)
            found.append(Walked((on, each.label), segment.version_number, opens_at, closes_at, asked, "asked"))
    return sorted(found, key=lambda each: (each.opens_at, each.key))


def walked(timeline: tuple[Segment, ...]) -> list[Walked]:
    found: list[Walked] = []
    for index, segment in enumerate(timeline):
        asked = activity_of(segment, "weight")
        end_open(found, segment, asked)
        for each in nominal(segment, asked) if asked else []:
            is_over = each.closes_at <= segment.from_at
            if not is_over and (segment.until_at is None or each.opens_at < segment.until_at):
                found.extend(begun(found, segment, each, is_first=index == 0))
    last = timeline[-1].until_at
    for each in found:
        if last is not None and each.fate == "asked" and each.closes_at > last:
            each.fate, each.ended_at = "waived", last
    return found


def end_open(found: list[Walked], segment: Segment, asked: Activity | None) -> None:
    for each in found:
        if each.fate == "asked" and each.closes_at > segment.from_at:
            if segment.paused:
                each.fate, each.ended_at = "waived", segment.from_at
            elif asked is None or timing(asked) != timing(each.activity):
                each.fate, each.ended_at = "superseded", segment.from_at


def begun(found: list[Walked], segment: Segment, each: Walked, *, is_first: bool) -> list[Walked]:
    begins = segment.from_at
    if segment.paused:
        return [replace(each, fate="waived", ended_at=each.opens_at)] if is_first or each.opens_at >= begins else []
    if any(known.key == each.key and known.fate == "asked" for known in found):
        return []
    if each.opens_at >= begins:
        return [each]
    if (each.closes_at - begins) * 2 >= each.closes_at - each.opens_at:
        return [replace(each, opens_at=begins)]
    return [replace(each, opens_at=begins, fate="waived", ended_at=begins)]


@settings(max_examples=400, deadline=None)
@given(worlds())
def test_the_walk_finds_the_same(given_world: tuple[EnrolmentFacts, ProtocolFacts]) -> None:
    facts, of = given_world
    found = course(facts, of)
    mine = {
        (each.key, each.version_number, each.opens_at, each.closes_at, each.fate.value, each.ended_at)
        for each in walk(found, until_at=at(9))
    }
    plain = {
        (each.key, each.version, each.opens_at, each.closes_at, each.fate, each.ended_at)
        for each in walked(found.timeline)
        if each.opens_at < at(8, 12)
    }
    for fate in {each[4] for each in plain}:
        event(fate)
    assert {each for each in mine if each[2] < at(8, 12)} == plain


@settings(max_examples=200, deadline=None)
@given(worlds())
def test_no_key_is_asked_twice(given_world: tuple[EnrolmentFacts, ProtocolFacts]) -> None:
    asked = [each.key for each in walk(course(*given_world), until_at=at(9)) if each.fate.value == "asked"]
    assert len(asked) == len(set(asked))


@settings(max_examples=200, deadline=None)
@given(worlds(), half_hours)
def test_seeking_finds_what_walking_from_the_beginning_finds(
    given_world: tuple[EnrolmentFacts, ProtocolFacts], from_at: datetime
) -> None:
    found = course(*given_world)
    whole = [each for each in walk(found, until_at=at(9)) if each.closes_at > from_at]
    assert walk(found, from_at=from_at, until_at=at(9)) == whole
