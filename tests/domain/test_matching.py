"""Which occurrence a measurement fulfils."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.domain.matching import Candidate, Match, match

DAY = date(2026, 3, 2)
MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return MIDNIGHT + timedelta(minutes=minutes)


def window(
    slot: str,
    opens: int,
    closes: int,
    grace: int = 0,
    *,
    quantity: int = 1,
    taken: int = 0,
    key: str = "glucose",
) -> Candidate:
    return Candidate(key, DAY, slot, at(opens), at(closes), at(closes + grace), quantity, taken)


@pytest.mark.parametrize(
    ("minutes", "late"),
    [(419.9, None), (420, False), (539.9, False), (540, True), (599.9, True), (600, None)],
    ids=["before", "opens", "last", "closes", "last of grace", "judged"],
)
def test_a_window_takes_answers_until_it_closes_and_late_ones_in_grace(minutes: float, late: bool | None) -> None:
    morning = window("morning", 420, 540, 60)
    found = match([morning], at(minutes))
    assert found == (None if late is None else Match(morning, completes=True, late=late))


def test_nothing_asked_is_nothing_fulfilled() -> None:
    assert match([], at(0)) is None


def test_without_grace_nothing_is_late() -> None:
    assert match([window("morning", 420, 540)], at(540)) is None


def test_the_window_that_closes_first_is_fulfilled_first() -> None:
    long, brief = window("day", 0, 1440), window("morning", 420, 540)
    assert match([long, brief], at(500)) == Match(brief, completes=True, late=False)


def test_an_open_window_goes_before_one_in_grace() -> None:
    morning, noon = window("morning", 420, 540, 120), window("noon", 600, 720)
    assert match([morning, noon], at(610)) == Match(noon, completes=True, late=False)


def test_what_has_its_quantity_leaves_the_measurement_to_the_next() -> None:
    morning, noon = window("morning", 420, 540, 120), window("noon", 600, 720, taken=1)
    assert match([morning, noon], at(610)) == Match(morning, completes=True, late=True)
    assert match([noon], at(610)) is None


def test_a_quantity_is_completed_by_the_last_reading() -> None:
    first, second = window("evening", 0, 60, quantity=2), window("evening", 0, 60, quantity=2, taken=1)
    assert match([first], at(1)) == Match(first, completes=False, late=False)
    assert match([second], at(2)) == Match(second, completes=True, late=False)


def test_a_quantity_may_be_completed_late() -> None:
    evening = window("evening", 0, 60, 30, quantity=2, taken=1)
    assert match([evening], at(61)) == Match(evening, completes=True, late=True)


def test_adjacent_windows_share_no_instant() -> None:
    first, second = window("first", 0, 60, 60), window("second", 60, 120)
    assert match([first, second], at(60)) == Match(second, completes=True, late=False)


def test_among_several_in_grace_the_one_that_closed_first() -> None:
    first, second = window("first", 0, 60, 600), window("second", 60, 120, 600)
    assert match([second, first], at(130)) == Match(first, completes=True, late=True)


@st.composite
def candidates(draw: st.DrawFn) -> list[Candidate]:
    found = []
    for index in range(draw(st.integers(0, 6))):
        opens = draw(st.integers(0, 20))
        closes = opens + draw(st.integers(1, 10))
        quantity = draw(st.integers(1, 3))
        found.append(
            window(
                draw(st.sampled_from("abc")) + str(index),
                opens,
                closes,
                draw(st.integers(0, 10)),
                quantity=quantity,
                taken=draw(st.integers(0, quantity)),
                key=draw(st.sampled_from(["glucose", "weight"])),
            )
        )
    return found


@given(choices=candidates(), minutes=st.integers(-1, 45), order=st.randoms(use_true_random=False))
def test_the_choice_is_right_whatever_the_order(choices: Sequence[Candidate], minutes: int, order: object) -> None:
    found = match(choices, at(minutes))
    shuffled = list(choices)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    assert match(shuffled, at(minutes)) == found
    wanting = [choice for choice in choices if choice.taken_count < choice.quantity]
    opened = [choice for choice in wanting if choice.opens_at <= at(minutes) < choice.closes_at]
    graced = [choice for choice in wanting if choice.closes_at <= at(minutes) < choice.grace_until_at]
    if found is None:
        assert not opened
        assert not graced
        return
    assert found.candidate in (graced if found.late else opened)
    assert found.late is (not opened)
    assert found.candidate.closes_at == min(choice.closes_at for choice in (graced if found.late else opened))
    assert found.completes is (found.candidate.quantity - found.candidate.taken_count == 1)
