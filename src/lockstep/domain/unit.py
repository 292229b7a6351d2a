"""Units of measurement, and exact conversion between those that mean the same quantity."""

import re
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal
from difflib import get_close_matches
from fractions import Fraction
from typing import NamedTuple

from lockstep.domain.refusal import InvalidMeasurement, short, shown


class _Unit(NamedTuple):
    """One unit: the quantity it measures, and base = value * scale + shift."""

    quantity: str
    scale: Fraction
    shift: Fraction = Fraction(0)


def _unit(quantity: str, scale: str = "1", shift: str = "0") -> _Unit:
    return _Unit(quantity, Fraction(scale), Fraction(shift))


# UCUM codes. Pound, inch and foot are exact by definition (international yard and pound, 1959); UCUM defines
# m[Hg] as 133.3220 kPa, so mm[Hg] is 133.322 Pa here too; 32 degF is 0 Cel and a degree Fahrenheit is 5/9 of
# a Celsius.
_UNITS: dict[str, _Unit] = {
    "": _unit("answer"),
    "1": _unit("ratio"),
    "%": _unit("ratio", "1/100"),
    "{score}": _unit("score"),
    "{count}": _unit("count"),
    "kg": _unit("mass"),
    "g": _unit("mass", "0.001"),
    "[lb_av]": _unit("mass", "0.45359237"),
    "m": _unit("length"),
    "cm": _unit("length", "0.01"),
    "[in_i]": _unit("length", "0.0254"),
    "[ft_i]": _unit("length", "0.3048"),
    "Cel": _unit("temperature"),
    "[degF]": _unit("temperature", "5/9", "-160/9"),
    "kPa": _unit("pressure"),
    "mm[Hg]": _unit("pressure", "0.133322"),
    "L": _unit("volume"),
    "mL": _unit("volume", "0.001"),
    "L/min": _unit("flow"),
    "L/s": _unit("flow", "60"),
    "/min": _unit("rate"),
    "min": _unit("time"),
    "s": _unit("time", "1/60"),
    "h": _unit("time", "60"),
    "mg/dL": _unit("mass concentration"),
    "mmol/L": _unit("substance concentration"),
    "[iU]": _unit("international units"),
}

# What devices and people write for a UCUM code, where it can mean nothing else in monitoring at home. "C" and
# "F" are coulomb and farad in UCUM; nobody measures those here. "in", "st", "P", "units" stay unknown on
# purpose.
_ALIASES: dict[str, str] = {
    "lb": "[lb_av]",
    "lbs": "[lb_av]",
    "kgs": "kg",
    "F": "[degF]",
    "°F": "[degF]",
    "degF": "[degF]",
    "C": "Cel",
    "°C": "Cel",
    "degC": "Cel",
    "mmHg": "mm[Hg]",
    "mm Hg": "mm[Hg]",
    "bpm": "/min",
    "1/min": "/min",
    "l": "L",
    "ml": "mL",
    "l/min": "L/min",
    "l/s": "L/s",
    "mg/dl": "mg/dL",
    "mmol/l": "mmol/L",
}

# Capillary, whole blood and serum or plasma glucose in LOINC, by mass and by substance.
_GLUCOSE = frozenset({"14743-9", "41653-7", "15074-8", "2339-0", "14749-6", "2345-7", "1558-6", "14771-0"})
# 180.16 g/mol: mmol/L * 18.016 = mg/dL (NICE NG3 and the meters' makers round it to 18; we do not).
_GLUCOSE_MG_PER_DL = Fraction("18.016")
_GLUCOSE_WORD = re.compile(r"(?:^|[^a-z])glucose(?:[^a-z]|$)")

_LONG = Context(prec=50, rounding=ROUND_HALF_EVEN)
_SHORT = Context(prec=24, rounding=ROUND_HALF_EVEN)
_NOISE = Fraction(1, 10**32)

_MOST_DIGITS = 15
_MOST_DECIMALS = 12
_MOST_MAGNITUDE = 12


def ucum(unit: str) -> str | None:
    """The UCUM code meant by `unit`, itself or an unambiguous alias; None when unknown."""
    if unit in _UNITS:
        return unit
    return _ALIASES.get(unit)


def known_unit(unit: str) -> bool:
    """Whether `unit` is a UCUM code of our subset or an unambiguous alias of one."""
    return ucum(unit) is not None


def require_unit(unit: str, where: str = "unit") -> str:
    """The UCUM code of `unit`; raises InvalidMeasurement that names the nearest known units."""
    code = ucum(unit)
    if code is not None:
        return code
    near = get_close_matches(unit[:40], [*_UNITS, *_ALIASES], n=3, cutoff=0.5)
    mend = f"Write a UCUM code such as {', '.join(near or ['kg', 'mm[Hg]', 'mmol/L'])}."
    raise InvalidMeasurement(f"The unit {shown(unit)} is not known", where=where, mend=mend)


def is_glucose(code: str) -> bool:
    """Whether a code (LOINC, or a local one with the word glucose) means glucose, the only substance we
    convert.
    """
    return code in _GLUCOSE or _GLUCOSE_WORD.search(code.lower()) is not None


def convertible(unit: str, to: str, code: str = "") -> bool:
    """Whether a value in `unit` can be expressed in `to`, for what `code` measures."""
    first, second = ucum(unit), ucum(to)
    if first is None or second is None:
        return False
    return _UNITS[first].quantity == _UNITS[second].quantity or _by_substance(first, second, code)


def convert(value: Decimal, unit: str, to: str, code: str = "") -> Decimal:
    """`value`, given in `unit`, expressed in `to`: exact where a short decimal is, else to 50 digits.

    There and back gives the same number, for numbers that `require_number` lets through. Between mg/dL and
    mmol/L the substance must be known, hence `code`; glucose is 18.016 mg/dL per mmol/L. Raises
    InvalidMeasurement for an unknown unit, for units of different quantities, and for numbers without a
    sensible size.
    """
    if unit == to and unit in _UNITS and value.is_finite():
        return value  # by far the most frequent case, and nothing is computed
    first, second = require_unit(unit), require_unit(to)
    _require_size(value)
    if first == second:
        return value
    if _by_substance(first, second, code):
        ratio = _GLUCOSE_MG_PER_DL if first == "mmol/L" else 1 / _GLUCOSE_MG_PER_DL
        return _decimal(Fraction(value) * ratio)
    before, after = _UNITS[first], _UNITS[second]
    if before.quantity != after.quantity:
        raise _not_the_same(first, second, code)
    return _decimal((Fraction(value) * before.scale + before.shift - after.shift) / after.scale)


def round_half_up(value: Decimal, decimals: int) -> Decimal:
    """`value` rounded to `decimals` places, halves away from zero, as people and meters round."""
    return value.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP, context=_LONG)


def require_number(value: Decimal, where: str = "value") -> Decimal:
    """`value` written plainly (no exponent, no minus zero); raises InvalidMeasurement where it is no sensible
    number.

    Sensible: finite, below 10^12, at most 15 significant digits and 12 decimals. So nobody can make us build
    a number of a billion digits with 1e999999999, and every value survives a round trip through JSON and
    PostgreSQL.
    """
    if not value.is_finite():
        raise InvalidMeasurement(f"The value {value} is not a number", where=where, mend="Send a finite number.")
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    zero = not value
    if not -_MOST_DECIMALS <= exponent <= _MOST_MAGNITUDE or (not zero and value.adjusted() >= _MOST_MAGNITUDE):
        mend = "Send a number below 10^12 with at most 12 decimals, in a unit that suits it."
        raise InvalidMeasurement("The value is absurdly large or small", where=where, mend=mend)
    if len(digits) > _MOST_DIGITS:
        mend = f"Send at most {_MOST_DIGITS} significant digits."
        raise InvalidMeasurement("The value has too many digits", where=where, mend=mend)
    plain = value.quantize(Decimal(1), context=_LONG) if exponent > 0 else value
    return plain.copy_abs() if zero else plain


def _require_size(value: Decimal) -> None:
    """Wider than `require_number`, because what a conversion gave may be converted again."""
    if not value.is_finite() or len(value.as_tuple().digits) > 2 * _LONG.prec or abs(value.adjusted()) > _LONG.prec:
        what = f"The value {short(value)} cannot be converted"
        raise InvalidMeasurement(what, where="value", mend="Send a sensible number.")


def _by_substance(first: str, second: str, code: str) -> bool:
    return {first, second} == {"mg/dL", "mmol/L"} and is_glucose(code)


def _not_the_same(first: str, second: str, code: str) -> InvalidMeasurement:
    if {first, second} == {"mg/dL", "mmol/L"}:
        mend = "Only glucose can be converted; send the value in the unit that the protocol uses."
        return InvalidMeasurement(f"mg/dL and mmol/L of {code or 'an unnamed substance'!r}", where="unit", mend=mend)
    mend = f"Send a value in a unit of {_UNITS[second].quantity}."
    what = f"A value in {first or 'no unit'!r} cannot be expressed in {second or 'no unit'!r}"
    return InvalidMeasurement(what, where="unit", mend=mend)


def _decimal(exact: Fraction) -> Decimal:
    """The short decimal that `exact` is, or is but for the noise of an earlier conversion; else 50 digits of
    it.
    """
    long = _LONG.divide(Decimal(exact.numerator), Decimal(exact.denominator))
    brief = _SHORT.plus(long)
    if abs(exact) <= _NOISE:  # 0 degF comes back from Celsius as -4E-49
        return Decimal(0)
    if abs(Fraction(brief) - exact) <= abs(exact) * _NOISE:
        return _plain(brief)
    return long


def _plain(value: Decimal) -> Decimal:
    shortest = value.normalize(_LONG)
    exponent = shortest.as_tuple().exponent
    assert isinstance(exponent, int)
    return shortest.quantize(Decimal(1), context=_LONG) if exponent > 0 else shortest
