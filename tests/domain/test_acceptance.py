"""What acceptance decides by itself: from when to when, whether agendas change, whether moves go round."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.domain.acceptance import Publication, Redirect, draws_generation, find_loop, on_the_way_back, span_of
from lockstep.domain.civil import local_of, next_midnight, zone_names
from lockstep.domain.refusal import InThePast
from lockstep.domain.switch import Effective, Scope, ZoneSpan, effective_instant

ACCEPTED = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
TICK = timedelta(microseconds=1)
instants = st.datetimes(datetime(2024, 1, 1), datetime(2036, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
zones = st.sampled_from(sorted(zone_names()))


@given(instants, zones)
def test_next_day_lies_in_its_bounds_and_is_the_patients_next_midnight(accepted_at: datetime, zone: str) -> None:
    first_at, last_at = span_of(Effective.NEXT_DAY, None, None, accepted_at=accepted_at)
    at = effective_instant(
        Effective.NEXT_DAY, None, None, accepted_at=accepted_at, zones=(ZoneSpan(accepted_at, zone),)
    )
    assert accepted_at < first_at <= at <= last_at
    assert at == next_midnight(accepted_at, zone)


@given(instants, zones, st.integers(-60 * 40, 60 * 24 * 400), st.lists(zones, max_size=3))
def test_civil_lies_in_its_bounds_and_is_the_first_instant_that_shows_it(
    accepted_at: datetime, zone: str, minutes: int, later: list[str]
) -> None:
    local = local_of(accepted_at, zone).replace(microsecond=0) + timedelta(minutes=minutes)
    spans = (
        ZoneSpan(accepted_at, zone),
        *(ZoneSpan(accepted_at + timedelta(hours=7 * (index + 1)), moved) for index, moved in enumerate(later)),
    )
    at = effective_instant(Effective.CIVIL, local, None, accepted_at=accepted_at, zones=spans)
    where = [span.zone for span in spans if span.from_at <= at][-1]
    assert local_of(at, where) >= local
    if at > accepted_at and not any(span.from_at == at for span in spans):
        assert local_of(at - TICK, where) < local or local_of(at - TICK, where) > local_of(at, where)
    try:
        first_at, last_at = span_of(Effective.CIVIL, local, None, accepted_at=accepted_at)
    except InThePast:
        assert at == accepted_at
    else:
        assert first_at <= at <= last_at


@pytest.mark.parametrize(
    ("zone", "accepted", "local", "expected"),
    [
        # Clocks jump from 02:00 to 03:00: 02:30 is reached at the jump.
        ("Europe/Amsterdam", "2026-03-28T12:00", "2026-03-29T02:30", "2026-03-29T01:00"),
        # 02:30 comes twice: the first.
        ("Europe/Amsterdam", "2026-10-24T12:00", "2026-10-25T02:30", "2026-10-25T00:30"),
        # Accepted in the second passing of the hour, at 02:10: its own 02:30.
        ("Europe/Amsterdam", "2026-10-25T01:10", "2026-10-25T02:30", "2026-10-25T01:30"),
        # Accepted in the first passing, at 02:40: reached already.
        ("Europe/Amsterdam", "2026-10-25T00:40", "2026-10-25T02:30", "2026-10-25T00:40"),
        # Samoa had no 30 December 2011: reached when the 31st began.
        ("Pacific/Apia", "2011-12-29T12:00", "2011-12-30T08:00", "2011-12-30T10:00"),
    ],
)
def test_civil_times_that_do_not_exist_or_come_twice(zone: str, accepted: str, local: str, expected: str) -> None:
    accepted_at = datetime.fromisoformat(accepted).replace(tzinfo=UTC)
    at = effective_instant(
        Effective.CIVIL,
        datetime.fromisoformat(local),
        None,
        accepted_at=accepted_at,
        zones=(ZoneSpan(accepted_at, zone),),
    )
    assert at == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def publication(number: int, timing: str, scope: Scope = Scope.EVERYONE, days: int = -1) -> Publication:
    at = ACCEPTED + timedelta(days=days)
    return Publication(number, number, scope, at, f"content {number}", timing, None, at)


@pytest.mark.parametrize(
    ("publications", "draws"),
    [
        ([], True),
        ([publication(1, "a")], False),
        ([publication(1, "b")], True),
        ([publication(1, "b"), publication(2, "a")], False),
        ([publication(1, "a"), publication(2, "b", Scope.SELECTION)], True),
        ([publication(1, "a"), publication(2, "a", Scope.SELECTION)], False),
        ([publication(1, "a"), publication(2, "b", days=1)], True),
        ([publication(1, "b"), publication(2, "a", days=1)], True),
        ([publication(1, "a", Scope.SELECTION)], True),
    ],
)
def test_a_generation_is_drawn_unless_everybody_has_this_timing(publications: list[Publication], draws: bool) -> None:
    assert draws_generation("a", publications, at=ACCEPTED) == draws


def test_loops() -> None:
    chain = [Redirect(1, 2, None), Redirect(2, 3, None), Redirect(3, 4, 7), Redirect(5, 6, None)]
    seven, eight, both = frozenset({7}), frozenset({8}), frozenset({7, 8})
    assert find_loop(Redirect(4, 1, None), chain, [seven]) == (4, 1, 2, 3, 4)
    assert find_loop(Redirect(4, 1, None), chain, []) is None
    assert find_loop(Redirect(4, 1, 8), chain, [seven, eight]) is None
    assert find_loop(Redirect(4, 1, 8), chain, [both]) == (4, 1, 2, 3, 4)
    assert find_loop(Redirect(4, 5, None), chain, [both]) is None
    # A circle that stands already (two selections changing places) does not catch the walker.
    standing = [Redirect(1, 2, 1), Redirect(2, 1, 2)]
    assert find_loop(Redirect(9, 1, None), standing, [frozenset({1, 2})]) is None


def test_only_what_leads_back_is_looked_at() -> None:
    chain = [Redirect(1, 2, None), Redirect(2, 3, 7), Redirect(2, 5, 8), Redirect(6, 2, 9)]
    assert on_the_way_back(Redirect(3, 1, None), chain) == chain[:2]
    assert on_the_way_back(Redirect(5, 3, None), chain) == []
