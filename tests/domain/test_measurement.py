"""Measurements as they come in: what is read, refused, implausible, and when it counts."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.domain.measurement import (
    PLAUSIBLE,
    Measurement,
    Outcome,
    PlacedBy,
    implausible,
    instant_of_judging,
    read,
    read_json,
)
from lockstep.domain.refusal import InvalidMeasurement
from lockstep.domain.unit import convert, known_unit

GOOD: dict[str, Any] = {
    "source": "scale",
    "identifier": "r-1",
    "patient": "p-1",
    "code": "29463-7",
    "value": Decimal("81.40"),
    "unit": "kg",
    "taken_at": "2026-03-29T08:05:00+02:00",
}
RECEIVED = datetime(2026, 3, 29, 8, tzinfo=UTC)


def test_a_measurement_is_read() -> None:
    assert read(GOOD) == Measurement(
        "scale",
        "r-1",
        "p-1",
        "29463-7",
        Decimal("81.40"),
        None,
        "kg",
        datetime(2026, 3, 29, 6, 5, tzinfo=UTC),
    )
    assert str(read(GOOD).value) == "81.40"


def test_everything_optional_is_read() -> None:
    found = read({**GOOD, "clock_flagged": True, "device": "scale 7", "unit": "lbs"})
    assert (found.clock_flagged, found.device, found.unit) == (True, "scale 7", "[lb_av]")


def test_a_finding_needs_no_unit() -> None:
    document = {**GOOD, "value": None, "finding": "above range"}
    del document["unit"]
    assert read(document).finding == "above range"
    assert read(document).value is None


def test_an_answer_has_an_empty_unit() -> None:
    assert read({**GOOD, "code": "phq-9", "unit": "", "value": 12}).unit == ""


@pytest.mark.parametrize(
    ("given_at", "instant"),
    [
        ("2026-03-29T08:05:00Z", datetime(2026, 3, 29, 8, 5, tzinfo=UTC)),
        ("2026-03-29t08:05z", datetime(2026, 3, 29, 8, 5, tzinfo=UTC)),
        ("2026-03-29 08:05:00.25-05:30", datetime(2026, 3, 29, 13, 35, 0, 250_000, tzinfo=UTC)),
        ("2026-03-29T08:05:00.123456789+00:00", datetime(2026, 3, 29, 8, 5, 0, 123_456, tzinfo=UTC)),
        (
            datetime(2026, 3, 29, 8, 5, tzinfo=timezone(timedelta(hours=1))),
            datetime(2026, 3, 29, 7, 5, tzinfo=UTC),
        ),
    ],
)
def test_an_instant_becomes_utc(given_at: object, instant: datetime) -> None:
    found = read({**GOOD, "taken_at": given_at}).taken_at
    assert found == instant
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("value", float("nan"), "not a number"),
        ("value", float("inf"), "not a number"),
        ("value", Decimal("sNaN"), "not a number"),
        ("value", Decimal("-Infinity"), "not a number"),
        ("value", Decimal("1e999"), "absurdly"),
        ("value", 1e300, "absurdly"),
        pytest.param("value", 10**5000, "absurdly", id="5001 digits"),
        ("value", Decimal("0e999"), "absurdly"),
        ("value", Decimal("1.23456789012345678"), "digits|absurdly"),
        ("value", True, "true or false"),
        ("value", "81.4", "a text"),
        ("value", "Hi", "finding"),
        ("value", [81.4], "a list"),
        ("value", {}, "an object"),
        ("value", None, "no value and no finding"),
        ("finding", "above range", "both"),
        ("unit", None, "missing"),
        ("unit", "", "missing"),
        ("unit", "stones", "not known"),
        ("unit", 3, "not a text"),
        ("unit", False, "not a text"),
        ("taken_at", None, "missing"),
        ("taken_at", "2026-03-29T08:05:00", "offset"),
        ("taken_at", "2026-03-29", "offset"),
        ("taken_at", "2026-02-30T08:05:00Z", "exists"),
        ("taken_at", "2026-03-29T24:05:00Z", "exists"),
        ("taken_at", "2026-03-29T08:05:60Z", "exists"),
        ("taken_at", "2026-03-29T08:05:00+15:00", "offset"),
        ("taken_at", "٢٠٢٦-03-29T08:05:00Z", "offset"),
        ("taken_at", "0001-01-01T00:00:00+14:00", "calendar|impossible"),
        ("taken_at", "9999-12-31T23:59:59-14:00", "calendar|impossible"),
        ("taken_at", "1899-12-31T23:59:59Z", "impossible"),
        ("taken_at", "2200-01-01T00:00:00Z", "impossible"),
        ("taken_at", 1_774_764_300, "offset"),
        ("taken_at", datetime(2026, 3, 29, 8, 5), "offset"),  # noqa: DTZ001 - a naive one is the case
        ("source", None, "missing"),
        ("source", 7, "not a text"),
        ("source", "s" * 101, "too long"),
        ("identifier", "", "missing"),
        ("identifier", "   ", "content"),
        ("identifier", "i" * 201, "too long"),
        ("identifier", "a\x00b", "characters"),
        ("identifier", "a\nb", "characters"),
        ("identifier", "\ud800", "characters"),
        ("identifier", " a", "characters"),
        ("patient", "p" * 101, "too long"),
        ("patient", ["p"], "not a text"),
        ("code", "c" * 65, "too long"),
        ("code", None, "missing"),
        ("device", "d" * 101, "too long"),
        ("clock_flagged", "no", "true or false"),
        ("clock_flagged", None, "true or false"),
        ("clock_flagged", 1, "true or false"),
        ("vlaue", 3, "not known"),
    ],
)
def test_bad_input_is_refused_with_what_where_and_mend(field: str, value: object, words: str) -> None:
    with pytest.raises(InvalidMeasurement, match=words) as refused:
        read({**GOOD, field: value}, "measurements[3]")
    both = ("measurements[3].value", f"measurements[3].{field}")
    assert refused.value.where in (both if field == "finding" else both[1:])
    assert refused.value.mend


@pytest.mark.parametrize("field", ["source", "identifier", "patient", "code", "value", "unit", "taken_at"])
def test_what_is_missing_is_named(field: str) -> None:
    with pytest.raises(InvalidMeasurement) as refused:
        read({name: value for name, value in GOOD.items() if name != field}, "m")
    assert refused.value.where == f"m.{field}"


def test_a_misspelt_field_is_not_ignored() -> None:
    with pytest.raises(InvalidMeasurement, match="clock_flagged"):
        read({**GOOD, "clock_flaged": True})


@pytest.mark.parametrize("document", [None, [], "x", 3, True, [GOOD]])
def test_only_an_object_is_a_measurement(document: object) -> None:
    with pytest.raises(InvalidMeasurement):
        read(document)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7.10", "7.10"),
        ("7", "7"),
        ("0.1", "0.1"),
        ("1e2", "100"),
        ("-0", "0"),
        ("5.500000000001", "5.500000000001"),
    ],
)
def test_json_numbers_keep_their_digits(text: str, value: str) -> None:
    body = json.dumps({**GOOD, "value": 0}).replace('"value": 0', f'"value": {text}')
    assert str(read(read_json(body)).value) == value


@given(value=st.decimals(min_value=0, max_value=10_000, places=3))
def test_a_float_is_the_decimal_that_was_written(value: Decimal) -> None:
    assert read({**GOOD, "value": float(value)}).value == value


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1,]", b"\xff\xfe", "1e99999999999999999999", "1" * 5000 + "x", "[" * 100_000, b'"\xff"'],
)
def test_what_is_not_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(InvalidMeasurement):
        read_json(text)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1" * 5000, "1e-999"])
def test_json_numbers_beyond_sense_are_refused(number: str) -> None:
    body = json.dumps({**GOOD, "value": 0}).replace('"value": 0', f'"value": {number}')
    with pytest.raises(InvalidMeasurement):
        read(read_json(body))


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.decimals(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
mutations = st.dictionaries(
    st.sampled_from([*GOOD, "finding", "device", "clock_flagged", "other"]),
    anything | st.datetimes() | st.sampled_from(["2026-13-01T00:00:00Z", "kg", "mmHg"]),
    max_size=3,
)


@given(document=anything | mutations.map(lambda changed: {**GOOD, **changed}))
def test_random_json_never_raises_anything_but_invalid_measurement(document: object) -> None:
    refused, found = None, None
    try:
        found = read(document, "m")
    except InvalidMeasurement as refusal:
        refused = refusal
    assert (refused is None) != (found is None)
    if refused is not None:
        assert refused.where.startswith("m")
        assert refused.mend
        str(refused).encode()
    if found is not None:
        assert found.taken_at.tzinfo is UTC
        assert known_unit(found.unit)
        assert (found.value is None) != (found.finding is None)


@given(text=st.text(max_size=60) | st.binary(max_size=60))
def test_random_text_never_raises_anything_but_invalid_measurement(text: str | bytes) -> None:
    try:
        read(read_json(text))
    except InvalidMeasurement:
        return
    pytest.fail("no random text is a whole measurement")


@pytest.mark.parametrize(
    ("code", "value", "unit"),
    [
        ("29463-7", "81.4", "kg"),
        ("29463-7", "180", "[lb_av]"),
        ("14743-9", "5.5", "mmol/L"),
        ("41653-7", "10", "mg/dL"),
        ("8310-5", "98.6", "[degF]"),
        ("8480-6", "16", "kPa"),
        ("59408-5", "100", "%"),
        ("phq-9", "99999", ""),
    ],
)
def test_what_people_live_with_is_plausible(code: str, value: str, unit: str) -> None:
    assert implausible(code, Decimal(value), unit) is None


@pytest.mark.parametrize(
    ("code", "value", "unit"),
    [
        ("29463-7", "814", "kg"),
        ("29463-7", "0", "kg"),
        ("14743-9", "0", "mg/dL"),
        ("14743-9", "-5.5", "mmol/L"),
        ("8310-5", "98.6", "Cel"),
        ("59408-5", "101", "%"),
        ("8867-4", "999", "/min"),
    ],
)
def test_what_nobody_lives_with_is_set_aside_with_its_reason(code: str, value: str, unit: str) -> None:
    reason = implausible(code, Decimal(value), unit)
    assert reason is not None
    assert value in reason
    assert code in reason


def test_an_activity_s_own_bounds_go_first() -> None:
    bounds = (Decimal(2), Decimal(10), "kg")
    assert implausible("29463-7", Decimal(81), "kg", bounds) is not None
    assert implausible("29463-7", Decimal(5), "lb", bounds) is None


def test_a_value_in_a_foreign_unit_is_refused_not_judged() -> None:
    with pytest.raises(InvalidMeasurement):
        implausible("29463-7", Decimal(81), "cm")


def test_the_table_of_plausible_values_is_in_known_units_and_order() -> None:
    for code, (least, most, unit) in PLAUSIBLE.items():
        assert least < most, code
        assert convert(least, unit, unit) == least


@pytest.mark.parametrize(
    ("taken", "flagged", "instant", "trusted"),
    [
        (timedelta(0), False, timedelta(0), True),
        (timedelta(minutes=-90), False, timedelta(minutes=-90), True),
        (timedelta(days=-30), False, timedelta(days=-30), True),
        (timedelta(days=-30, microseconds=-1), False, timedelta(0), False),
        (timedelta(minutes=5), False, timedelta(0), True),
        (timedelta(minutes=5, microseconds=1), False, timedelta(0), False),
        (timedelta(days=-3650), False, timedelta(0), False),
        (timedelta(minutes=-90), True, timedelta(0), False),
        (timedelta(minutes=3), True, timedelta(0), False),
    ],
)
def test_a_trusted_clock_places_a_measurement_and_the_receipt_any_other(
    taken: timedelta, flagged: bool, instant: timedelta, trusted: bool
) -> None:
    found = instant_of_judging(RECEIVED + taken, RECEIVED, flagged)
    assert found == (RECEIVED + instant, PlacedBy.DEVICE if trusted else PlacedBy.RECEIPT)


@given(taken=st.datetimes(timezones=st.just(UTC)), flagged=st.booleans())
def test_no_measurement_counts_later_than_its_receipt(taken: datetime, flagged: bool) -> None:
    instant, placed_by = instant_of_judging(taken, RECEIVED, flagged)
    assert RECEIVED - timedelta(days=30) <= instant <= RECEIVED
    assert placed_by is PlacedBy.DEVICE or instant == RECEIVED


@given(taken=st.datetimes(timezones=st.just(UTC)))
def test_history_counts_for_the_instant_a_file_states_however_old(taken: datetime) -> None:
    instant, placed_by = instant_of_judging(taken, RECEIVED, False, history=True)
    if taken > RECEIVED + timedelta(minutes=5):
        assert (instant, placed_by) == (RECEIVED, PlacedBy.RECEIPT)
    else:
        assert (instant, placed_by) == (min(taken, RECEIVED), PlacedBy.HISTORY)


def test_the_outcomes_are_the_four_of_the_invariant() -> None:
    assert {outcome.value for outcome in Outcome} == {"stored", "duplicate", "set aside", "refused"}
