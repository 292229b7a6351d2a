"""Units convert exactly, there and back, or refuse."""

from decimal import Decimal, getcontext, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.domain.refusal import InvalidMeasurement
from lockstep.domain.unit import (
    convert,
    convertible,
    known_unit,
    require_number,
    require_unit,
    round_half_up,
    ucum,
)

GLUCOSE = "14743-9"
PAIRS = [
    ("mg/dL", "mmol/L", GLUCOSE),
    ("[lb_av]", "kg", ""),
    ("g", "kg", ""),
    ("[degF]", "Cel", ""),
    ("kPa", "mm[Hg]", ""),
    ("mL", "L", ""),
    ("L/s", "L/min", ""),
    ("cm", "m", ""),
    ("[in_i]", "cm", ""),
    ("[ft_i]", "m", ""),
    ("min", "s", ""),
    ("%", "1", ""),
]
sensible = (
    st.decimals(min_value=-1, max_value=1, places=12)
    | st.decimals(min_value=-(10**6), max_value=10**6, places=6)
    | st.decimals(min_value=0, max_value=1000, places=1)
)


@pytest.mark.parametrize(
    ("value", "unit", "to", "expected"),
    [
        ("1", "[lb_av]", "kg", "0.45359237"),
        ("0.45359237", "kg", "[lb_av]", "1"),
        ("98.6", "[degF]", "Cel", "37"),
        ("-40", "Cel", "[degF]", "-40"),
        ("38", "Cel", "[degF]", "100.4"),
        ("1", "mm[Hg]", "kPa", "0.133322"),
        ("16", "kPa", "kPa", "16"),
        ("180.16", "mg/dL", "mmol/L", "10"),
        ("7.8", "mmol/L", "mg/dL", "140.5248"),
        ("250", "mL", "L", "0.25"),
        ("1", "[in_i]", "cm", "2.54"),
        ("1.8", "m", "cm", "180"),
        ("6", "L/s", "L/min", "360"),
        ("97", "%", "%", "97"),
        ("72", "bpm", "/min", "72"),
        ("200", "lbs", "[lb_av]", "200"),
    ],
)
def test_a_conversion_is_exact(value: str, unit: str, to: str, expected: str) -> None:
    assert convert(Decimal(value), unit, to, GLUCOSE) == Decimal(expected)


@pytest.mark.parametrize(("unit", "to", "code"), PAIRS + [(to, unit, code) for unit, to, code in PAIRS])
@given(value=sensible)
def test_there_and_back_is_the_same_number(unit: str, to: str, code: str, value: Decimal) -> None:
    assert convert(convert(value, unit, to, code), to, unit, code) == value


@given(value=st.integers(min_value=1, max_value=2000))
def test_every_whole_mg_per_dl_comes_back(value: int) -> None:
    assert convert(convert(Decimal(value), "mg/dL", "mmol/L", GLUCOSE), "mmol/L", "mg/dL", GLUCOSE) == Decimal(value)


def test_140_mg_per_dl_is_7_8_mmol_per_l() -> None:
    assert round_half_up(convert(Decimal(140), "mg/dL", "mmol/L", "glucose"), 1) == Decimal("7.8")


def test_a_caller_s_decimal_context_changes_nothing() -> None:
    before = convert(Decimal("98.5"), "[degF]", "Cel")
    with localcontext() as context:
        context.prec = 3
        assert convert(Decimal("98.5"), "[degF]", "Cel") == before
        assert round_half_up(Decimal("12345.65"), 1) == Decimal("12345.7")
        assert require_number(Decimal("123456")) == 123456
    assert getcontext().prec > 3


@pytest.mark.parametrize(
    ("value", "decimals", "expected"),
    [
        ("7.75", 1, "7.8"),
        ("7.7499999", 1, "7.7"),
        ("0.5", 0, "1"),
        ("1.5", 0, "2"),
        ("2.5", 0, "3"),
        ("-2.5", 0, "-3"),
        ("7", 1, "7.0"),
    ],
)
def test_halves_are_rounded_up(value: str, decimals: int, expected: str) -> None:
    assert str(round_half_up(Decimal(value), decimals)) == expected


def test_a_half_that_only_a_conversion_shows_is_rounded_up() -> None:
    # 7.75 * 18.016 = 139.624 exactly; binary arithmetic or a division to 28 digits may fall under the half.
    assert round_half_up(convert(Decimal("139.624"), "mg/dL", "mmol/L", GLUCOSE), 1) == Decimal("7.8")


@pytest.mark.parametrize(
    ("unit", "to", "code"),
    [
        ("mg/dL", "mmol/L", ""),
        ("mg/dL", "mmol/L", "2093-3"),  # cholesterol
        ("mg/dL", "mmol/L", "glucosecorticoid"),
        ("kg", "cm", ""),
        ("", "kg", ""),
        ("kg", "", ""),
        ("/min", "L/min", ""),
        ("stones", "kg", ""),
        ("kg", "stones", ""),
    ],
)
def test_what_is_not_the_same_quantity_is_refused(unit: str, to: str, code: str) -> None:
    assert not convertible(unit, to, code)
    with pytest.raises(InvalidMeasurement) as refused:
        convert(Decimal(1), unit, to, code)
    assert refused.value.where == "unit"
    assert refused.value.mend


@pytest.mark.parametrize(("unit", "to", "code"), PAIRS)
def test_convertible_says_what_convert_does(unit: str, to: str, code: str) -> None:
    assert convertible(unit, to, code)
    assert convertible(to, unit, code)


@pytest.mark.parametrize("code", ["14743-9", "41653-7", "2339-0", "glucose", "Glucose", "fasting-glucose"])
def test_codes_of_glucose_give_the_substance(code: str) -> None:
    assert convertible("mg/dL", "mmol/L", code)


@pytest.mark.parametrize(
    ("alias", "code"),
    [("lb", "[lb_av]"), ("lbs", "[lb_av]"), ("F", "[degF]"), ("°C", "Cel"), ("mmHg", "mm[Hg]"), ("kg", "kg")],
)
def test_what_people_write_is_understood(alias: str, code: str) -> None:
    assert ucum(alias) == code
    assert known_unit(alias)


@pytest.mark.parametrize("unit", ["in", "st", "KG", "M", "mg", "mmol", "kg ", "pounds", "x" * 10_000, "\ud800"])
def test_an_ambiguous_or_unknown_unit_is_refused(unit: str) -> None:
    assert not known_unit(unit)
    with pytest.raises(InvalidMeasurement, match="not known"):
        require_unit(unit)


def test_a_refused_unit_names_the_nearest() -> None:
    with pytest.raises(InvalidMeasurement, match="mmHg"):
        require_unit("mmHG")


@pytest.mark.parametrize(
    "value",
    [
        "NaN",
        "sNaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "1e999999999",
        "-1e13",
        "1e-13",
        "0e999",
        "1234567890123456",
    ],
)
def test_a_number_without_a_sensible_size_is_refused(value: str) -> None:
    with pytest.raises(InvalidMeasurement):
        require_number(Decimal(value))


@pytest.mark.parametrize(
    ("value", "plain"), [("1e3", "1000"), ("-0", "0"), ("-0.0", "0.0"), ("7.80", "7.80"), ("1e-3", "0.001")]
)
def test_a_number_is_written_plainly(value: str, plain: str) -> None:
    assert str(require_number(Decimal(value))) == plain


@pytest.mark.parametrize("value", ["NaN", "sNaN", "Infinity", "1e999999999", "1e-999999999"])
def test_nothing_absurd_is_converted(value: str) -> None:
    with pytest.raises(InvalidMeasurement):
        convert(Decimal(value), "kg", "[lb_av]")
