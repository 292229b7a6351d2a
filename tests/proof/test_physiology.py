"""Made-up patients are plausible, fit together, and are the same for the same seed."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.domain.measurement import implausible
from lockstep.domain.unit import convertible
from lockstep.proof.behaviour import FORGETFUL, SILENT, STEADY, document, habit, measures
from lockstep.proof.example import example_protocols
from lockstep.proof.physiology import CONDITIONS, Person, person, value
from lockstep.proof.plan import PLACES

AT = datetime(2026, 11, 23, 8, tzinfo=UTC)
ZONE = "Europe/Amsterdam"
EARLIEST, LATEST = datetime(2026, 1, 1), datetime(2027, 12, 31)  # noqa: DTZ001 (Hypothesis adds no zone)
people = st.builds(person, st.integers(0, 99), st.integers(0, 10**6), st.sampled_from(CONDITIONS))
MEASURED = sorted(
    {
        (activity.code, activity.unit)
        for place in PLACES
        for key in place.protocols
        for activity in example_protocols()[key].activities
        if activity.unit
    }
)


def shown(of: Person, code: str, at: datetime = AT, seed: int = 1) -> Decimal:
    """What the person's device shows."""
    number = value(of, code, at, ZONE, random.Random(seed))
    assert number is not None
    return number


@given(seed=st.integers(0, 99), number=st.integers(0, 10**6), condition=st.sampled_from(CONDITIONS))
def test_the_same_seed_makes_the_same_person(seed: int, number: int, condition: str) -> None:
    assert person(seed, number, condition) == person(seed, number, condition)


def test_another_seed_makes_another_person() -> None:
    assert person(1, 7, "copd") != person(2, 7, "copd")
    assert person(1, 7, "copd") != person(1, 8, "copd")


@pytest.mark.parametrize(("code", "unit"), MEASURED)
@given(of=people, at=st.datetimes(EARLIEST, LATEST), seed=st.integers(0, 999))
def test_every_code_of_the_examples_has_plausible_values(
    code: str, unit: str, of: Person, at: datetime, seed: int
) -> None:
    number = shown(of, code, at.replace(tzinfo=UTC), seed)
    assert implausible(code, number, unit, None) is None
    for key in (key for place in PLACES for key in place.protocols):
        for activity in example_protocols()[key].activities:
            if activity.code == code and activity.plausible is not None:
                low, high = activity.plausible
                assert low <= number <= high


@given(of=people)
def test_values_of_one_person_fit_together(of: Person) -> None:
    assert of.diastolic < of.systolic - 20
    assert of.fev1 < of.fvc
    assert of.saturation < 100


def test_a_condition_shows() -> None:
    def usual(condition: str, name: str) -> float:
        return mean(float(getattr(person(1, number, condition), name)) for number in range(300))

    assert usual("copd", "saturation") < usual("recovering", "saturation") - 2
    assert usual("hypertension", "systolic") > usual("diabetes", "systolic") + 10
    assert usual("asthma", "peak_flow") < usual("diabetes", "peak_flow") - 40
    assert usual("covid", "temperature") > usual("copd", "temperature") + 0.5


def test_some_with_heart_failure_gain_weight_within_a_week_and_others_do_not() -> None:
    gains = [person(1, number, "heart failure").gain_a_day for number in range(1200)]
    assert 50 < sum(gain > 0 for gain in gains) < 160
    assert not any(person(1, number, "copd").gain_a_day for number in range(100))


def test_a_day_has_a_rhythm() -> None:
    of = person(1, 1, "hypertension")
    night = mean(shown(of, "8480-6", AT.replace(hour=3), seed) for seed in range(100))
    afternoon = mean(shown(of, "8480-6", AT.replace(hour=15), seed) for seed in range(100))
    assert afternoon > night + 5


def test_answers_without_a_number_have_no_value() -> None:
    assert value(person(1, 1, "copd"), "copd-symptoms", AT, ZONE, random.Random(1)) is None


def test_seven_of_ten_are_steady_two_forgetful_one_silent() -> None:
    kinds = [habit(1, number).kind for number in range(2000)]
    assert abs(kinds.count(STEADY) / 2000 - 0.7) < 0.04
    assert abs(kinds.count(FORGETFUL) / 2000 - 0.2) < 0.04
    assert abs(kinds.count(SILENT) / 2000 - 0.1) < 0.03


def test_the_silent_never_measure_and_the_steady_always_do() -> None:
    for number in range(300):
        did = [measures(1, number, slot) for slot in ("08:00", "08:01", "08:02", "08:03")]
        if habit(1, number).kind == STEADY:
            assert all(did)
        if habit(1, number).kind == SILENT:
            assert not any(did)


@given(number=st.integers(0, 5000), seed=st.integers(0, 999), measured=st.sampled_from(MEASURED))
def test_what_a_device_sends_is_in_a_unit_that_can_be_converted(
    number: int, seed: int, measured: tuple[str, str]
) -> None:
    code, unit = measured
    made = document(
        person(1, number, "heart failure"),
        habit(1, number),
        identifier="x",
        patient="p",
        code=code,
        unit=unit,
        at=AT,
        zone=ZONE,
        chance=random.Random(seed),
    )
    assert made["unit"] == unit or convertible(made["unit"], unit, code)
    assert made["taken_at"] == "this morning" or datetime.fromisoformat(made["taken_at"]) > AT - timedelta(hours=6)
