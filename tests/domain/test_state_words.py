"""The sentences for what is in force and what is pending."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.domain.state_words import (
    Behind,
    InForce,
    NewerVersion,
    NothingInForce,
    Paused,
    Pending,
    Recalculating,
    Scheduled,
    StateWords,
    Unconfirmed,
    instant_words,
    percent_done,
    state_words,
)

AT = datetime(2026, 11, 23, 9, 44, 5, 987654, tzinfo=UTC)
ZONE = "Europe/Amsterdam"


def in_force(personal_changes: int = 1) -> InForce:
    return InForce("Heart failure", "Titration", 3, AT, ZONE, "p.manager", personal_changes)


def test_the_two_lines_of_a_patient_in_step() -> None:
    assert state_words(in_force()) == StateWords(
        in_force="In force: Heart failure › Titration, version 3, since 2026-11-23 10:44:05 Europe/Amsterdam, "
        "by p.manager, 1 personal change",
        pending="Nothing pending",
    )


@pytest.mark.parametrize(
    ("count", "words"), [(0, "no personal changes"), (1, "1 personal change"), (2, "2 personal changes")]
)
def test_personal_changes_are_counted_in_words(count: int, words: str) -> None:
    assert state_words(in_force(count)).in_force.endswith(f", {words}")


def test_nothing_in_force_says_why() -> None:
    assert state_words(NothingInForce()).in_force == "Nothing in force"
    assert state_words(NothingInForce("discharged")).in_force == "Nothing in force (discharged)"


@pytest.mark.parametrize(
    ("pending", "words"),
    [
        (
            Scheduled("version 4", "p.manager", at=AT + timedelta(days=1), zone=ZONE),
            "Scheduled for 2026-11-24 10:44:05 Europe/Amsterdam: version 4, by p.manager",
        ),
        (
            Scheduled("version 4", "p.manager", at=AT),
            "Scheduled for 2026-11-23 09:44:05 UTC: version 4, by p.manager",
        ),
        (
            Scheduled("Stable", "p.manager", local=datetime(2026, 12, 1, 6)),  # noqa: DTZ001 (a civil time)
            "Scheduled for 2026-12-01 06:00:00 in each patient's zone: Stable, by p.manager",
        ),
        (Scheduled("version 4", "p.manager"), "Scheduled for each patient's next day: version 4, by p.manager"),
        (Behind(), "This patient's agenda is being brought up to date"),
        (Recalculating(619, 1000), "Recalculating 61 %"),
        (Recalculating(0, None), "Recalculating"),
        (Recalculating(0, 9, "Measurements come first."), "Recalculating 0 %, waiting: Measurements come first"),
        (
            Paused(AT, ZONE, "Deploying.", "o.perator"),
            "Recalculation paused until 2026-11-23 10:44:05 Europe/Amsterdam, by o.perator: Deploying",
        ),
        (
            Paused(AT, ZONE, "Deploying"),
            "Recalculation paused until 2026-11-23 10:44:05 Europe/Amsterdam: Deploying",
        ),
        (NewerVersion(4), "A newer version exists: version 4"),
        (Unconfirmed(), "The app has not yet confirmed"),
    ],
)
def test_each_thing_that_is_pending(pending: Pending, words: str) -> None:
    assert state_words(in_force(), [pending]).pending == words


def test_several_things_that_are_pending_stand_in_their_order() -> None:
    assert (
        state_words(in_force(), [Behind(), NewerVersion(4)]).pending
        == "This patient's agenda is being brought up to date; A newer version exists: version 4"
    )


def test_a_time_that_exists_twice_is_told_apart() -> None:
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert instant_words(first, ZONE) == "2026-10-25 02:30:00 Europe/Amsterdam"
    assert instant_words(first + timedelta(hours=1), ZONE) == "2026-10-25 02:30:00 Europe/Amsterdam, the second time"


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001 (made UTC below)
    st.sampled_from([ZONE, "Australia/Lord_Howe", "Africa/Casablanca", "America/St_Johns", "Pacific/Apia"]),
)
def test_no_two_seconds_read_alike(naive: datetime, zone: str) -> None:
    at = naive.replace(tzinfo=UTC, microsecond=0)
    for minutes in (30, 60):
        assert instant_words(at, zone) != instant_words(at + timedelta(minutes=minutes), zone)


@given(st.integers(0, 10**7), st.integers(0, 10**7))
def test_a_hundred_percent_is_said_only_when_all_is_done(done: int, total: int) -> None:
    percent = percent_done(done, total)
    assert 0 <= percent <= 100
    assert (percent == 100) == (done >= total)
