"""A measurement as it comes in: read, judged for plausibility, and placed in time."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from enum import StrEnum

from lockstep.domain.refusal import InvalidMeasurement, short, shown
from lockstep.domain.unit import convert, require_number, require_unit


class Outcome(StrEnum):
    """What became of a measurement that was sent; the four add up to all that were sent (invariant S2)."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    SET_ASIDE = "set aside"
    REFUSED = "refused"


class PlacedBy(StrEnum):
    """Why a measurement belongs to the instant it belongs to."""

    DEVICE = "device"
    HISTORY = "history"
    RECEIPT = "receipt"


ABOVE_RANGE = "above range"
BELOW_RANGE = "below range"


@dataclass(frozen=True, slots=True)
class Measurement:
    """A value with unit, or a finding in words, taken at an instant in UTC; (source, identifier) makes it
    unique.

    `history`: a file that a person imported states the instant, so it is believed however old; else a device does.
    """

    source: str
    identifier: str
    patient: str
    code: str
    value: Decimal | None
    finding: str | None
    unit: str
    taken_at: datetime
    clock_flagged: bool = False
    device: str = ""
    history: bool = False


_LONGEST = {
    "source": 100,
    "identifier": 200,
    "patient": 100,
    "code": 64,
    "finding": 100,
    "unit": 32,
    "device": 100,
}
_KNOWN = {*_LONGEST, "value", "taken_at", "clock_flagged"}
# RFC 3339 with an offset; seconds may be left out, as FHIR's instant does not but many devices do.
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-](0\d|1[0-4]):[0-5]\d)", re.ASCII)
_NUMBER_MEND = 'Send a number without quotes; send words such as "Hi" as finding.'
_INSTANT_MEND = "Write the instant with its offset, such as 2026-03-29T08:05:00+02:00."
_EARLIEST, _LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)

OLDEST_TRUSTED = timedelta(days=30)
_NEWEST_TRUSTED = timedelta(minutes=5)

Bounds = tuple[Decimal, Decimal, str]
# Bounds no value of a living person measured at home lies outside of, by code: (least, most, unit). They are
# wide on purpose, chosen by us: a value outside is set aside for a person to look at, so a bound that is too
# narrow hides an emergency, while one that is too wide only shows an odd number. A protocol may narrow them
# per activity. Sources: heaviest person recorded 635 kg; home cuffs show up to 299 mm[Hg]; 1:1 flutter
# reaches about 300 beats a minute; a saturation is a percentage, and oximeters are not calibrated under 70;
# survived body temperatures 13.7 (Gilbert, Lancet 2000;355:375) and 46.5 Cel (Slovis, Ann Emerg Med
# 1982;11:269); home meters of glucose show 10 to 600 mg/dL, and about 2,660 has been survived; spirometers
# must span 8 L and 14 L/s (ATS/ERS 2019); tallest person 272 cm.
_WEIGHT = (Decimal("0.3"), Decimal(700), "kg")
_SYSTOLIC = (Decimal(30), Decimal(300), "mm[Hg]")
_DIASTOLIC = (Decimal(10), Decimal(300), "mm[Hg]")
_PULSE = (Decimal(15), Decimal(350), "/min")
_BREATHS = (Decimal(1), Decimal(120), "/min")
_SATURATION = (Decimal(20), Decimal(100), "%")
_TEMPERATURE = (Decimal(13), Decimal(47), "Cel")
_GLUCOSE = (Decimal(10), Decimal(2700), "mg/dL")
_FORCED_VOLUME = (Decimal("0.05"), Decimal(15), "L")
_PEAK_FLOW = (Decimal(10), Decimal(1200), "L/min")
_HEIGHT = (Decimal(20), Decimal(280), "cm")

PLAUSIBLE: dict[str, Bounds] = {
    **dict.fromkeys(("29463-7", "3141-9", "weight"), _WEIGHT),
    **dict.fromkeys(("8480-6", "systolic"), _SYSTOLIC),
    **dict.fromkeys(("8462-4", "diastolic"), _DIASTOLIC),
    **dict.fromkeys(("8867-4", "heart-rate", "pulse"), _PULSE),
    **dict.fromkeys(("9279-1", "breathing-rate"), _BREATHS),
    **dict.fromkeys(("2708-6", "59408-5", "spo2"), _SATURATION),
    **dict.fromkeys(("8310-5", "temperature"), _TEMPERATURE),
    **dict.fromkeys(("14743-9", "41653-7", "15074-8", "2339-0", "14749-6", "2345-7", "glucose"), _GLUCOSE),
    **dict.fromkeys(("20150-9", "fev1"), _FORCED_VOLUME),
    **dict.fromkeys(("19935-6", "peak-flow"), _PEAK_FLOW),
    **dict.fromkeys(("8302-2", "height"), _HEIGHT),
}


def read(document: object, where: str = "measurement") -> Measurement:
    """The measurement that one JSON object describes, units as UCUM codes, the instant in UTC.

    Required: source, identifier, patient, code, taken_at with an offset, and either value with unit or
    finding. Instants are kept to the microsecond. Raises InvalidMeasurement, and nothing else, whatever the
    object holds; the refusal says what, where (`where` and the field) and how to mend. Implausible values are
    read: see `implausible`.
    """
    if not isinstance(document, Mapping):
        what = f"A measurement must be an object, not {_shape(document)}"
        raise InvalidMeasurement(what, where=where, mend="Send {...} with its fields.")
    _require_known(document, where)
    value = read_value(document.get("value"), f"{where}.value")
    finding = _text(document, "finding", where) if document.get("finding") is not None else None
    if (value is None) == (finding is None):
        what = "There are both a value and a finding" if value is not None else "There is no value and no finding"
        raise InvalidMeasurement(what, where=f"{where}.value", mend="Send a value with its unit, or a finding.")
    code = _text(document, "code", where)
    return Measurement(
        source=_text(document, "source", where),
        identifier=_text(document, "identifier", where),
        patient=_text(document, "patient", where),
        code=code,
        value=value,
        finding=finding,
        unit=_unit(document, code, value is not None, where),
        taken_at=read_instant(document.get("taken_at"), f"{where}.taken_at"),
        clock_flagged=_flag(document, where),
        device=_text(document, "device", where) if document.get("device") not in (None, "") else "",
    )


def read_json(text: str | bytes, where: str = "body") -> object:
    """What a JSON text holds, numbers as exact decimals; raises InvalidMeasurement where it is not JSON."""
    try:
        return json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=Decimal)
    except (ValueError, InvalidOperation, RecursionError) as fault:
        what = f"This is not JSON: {str(fault)[:100]}"
        raise InvalidMeasurement(what, where=where, mend="Send JSON in UTF-8.") from fault


def read_value(given: object, where: str = "value") -> Decimal | None:
    """A JSON number as a plain decimal, None as None; raises InvalidMeasurement for anything else."""
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float | Decimal):
        what = f"The value is not a number but {_shape(given)}"
        raise InvalidMeasurement(what, where=where, mend=_NUMBER_MEND)
    if isinstance(given, int) and abs(given) >= 10**15:
        raise InvalidMeasurement("The value is absurdly large", where=where, mend="Send a number below 10^12.")
    # The shortest decimal that reads back as the float is what the sender wrote; binary noise never enters.
    return require_number(given if isinstance(given, Decimal) else Decimal(repr(given)), where)


def read_instant(given: object, where: str = "taken_at") -> datetime:
    """An RFC 3339 instant, or an aware datetime, in UTC; raises InvalidMeasurement for anything else."""
    if isinstance(given, str) and _INSTANT.fullmatch(given):
        try:
            given = datetime.fromisoformat(given.upper())
        except ValueError as fault:
            what = f"{given!r} is not a date and time that exists"
            raise InvalidMeasurement(what, where=where, mend=_INSTANT_MEND) from fault
    if not isinstance(given, datetime) or given.utcoffset() is None:
        what = "The instant is missing" if given is None else f"{shown(given)} is not an instant with an offset"
        raise InvalidMeasurement(what, where=where, mend=_INSTANT_MEND)
    try:
        instant = given.astimezone(UTC)
    except OverflowError as fault:
        raise InvalidMeasurement("The instant is beyond the calendar", where=where, mend=_INSTANT_MEND) from fault
    if not _EARLIEST <= instant < _LATEST:
        mend = "Set the device's clock; instants from 1900 to 2199 are taken in."
        raise InvalidMeasurement(f"The year {instant.year} is impossible", where=where, mend=mend)
    return instant


def implausible(code: str, value: Decimal, unit: str, bounds: Bounds | None = None) -> str | None:
    """Why a value is outside what is possible, in words for people; None when it is plausible or nothing is
    known.

    `bounds` are (least, most, unit) of the activity and go before our own table PLAUSIBLE. Such a value is
    set aside, never dropped. Raises InvalidMeasurement when the unit does not measure what the bounds do.
    """
    chosen = bounds or PLAUSIBLE.get(code)
    if chosen is None:
        return None
    least, most, own_unit = chosen
    if least <= convert(value, unit, own_unit, code) <= most:
        return None
    given = f"{value:f} {unit}".strip()
    return f"{given} is implausible for {code}: possible is {least:f} to {most:f} {own_unit}".strip()


def instant_of_judging(
    taken_at: datetime, received_at: datetime, clock_flagged: bool, history: bool = False
) -> tuple[datetime, PlacedBy]:
    """The instant a measurement belongs to, and why. Never later than the receipt (invariant S10).

    A device is trusted if received - 30 days <= taken <= received + 5 minutes and its clock is not flagged;
    else the receipt counts (switching.md, late values). What a file states as history is believed however old.
    """
    if clock_flagged or is_future(taken_at, received_at):
        return received_at, PlacedBy.RECEIPT
    if not history and taken_at < received_at - OLDEST_TRUSTED:
        return received_at, PlacedBy.RECEIPT
    return min(taken_at, received_at), PlacedBy.HISTORY if history else PlacedBy.DEVICE


def is_future(taken_at: datetime, received_at: datetime) -> bool:
    """Whether the instant lies further ahead of the receipt than two clocks may differ: 5 minutes."""
    return taken_at > received_at + _NEWEST_TRUSTED


def require_text(given: object, name: str, where: str) -> str:
    """A field's text, which PostgreSQL can keep; raises InvalidMeasurement with the field's path."""
    most = _LONGEST[name]
    if not isinstance(given, str) or not given.strip():
        what = f"The {name} is missing" if given is None or given == "" else f"The {name} is not a text with content"
        raise InvalidMeasurement(what, where=where, mend=f"Send {name} as a text of 1 to {most} characters.")
    if len(given) > most:
        raise InvalidMeasurement(f"The {name} is too long", where=where, mend=f"Send at most {most} characters.")
    if not given.isprintable() or given != given.strip():
        mend = f"Send {name} without control characters and without blanks around it."
        raise InvalidMeasurement(f"The {name} holds characters that cannot be kept", where=where, mend=mend)
    return given


def _text(document: Mapping[object, object], name: str, where: str) -> str:
    return require_text(document.get(name), name, f"{where}.{name}")


def _unit(document: Mapping[object, object], code: str, has_value: bool, where: str) -> str:
    """The UCUM code; an answer or a score says so with an empty unit, a physical quantity has one."""
    given = document.get("unit")
    if given is None and not has_value:
        return ""
    if not isinstance(given, str) or (given == "" and has_value and code in PLAUSIBLE):
        what = "The unit is missing" if given is None or given == "" else f"The unit is not a text but {_shape(given)}"
        mend = 'Send the UCUM code the value was measured in, such as kg or mm[Hg]; "" for an answer.'
        raise InvalidMeasurement(what, where=f"{where}.unit", mend=mend)
    return require_unit(given, f"{where}.unit")


def _flag(document: Mapping[object, object], where: str) -> bool:
    given = document.get("clock_flagged", False)
    if not isinstance(given, bool):
        what = f"clock_flagged is not true or false but {_shape(given)}"
        raise InvalidMeasurement(what, where=f"{where}.clock_flagged", mend="Send true or false, or leave it out.")
    return given


def _require_known(document: Mapping[object, object], where: str) -> None:
    for name in document:
        if name not in _KNOWN:
            given = short(name)
            near = get_close_matches(given, sorted(_KNOWN), n=1, cutoff=0.6)
            mend = f"Did you mean {near[0]}?" if near else f"Use only {', '.join(sorted(_KNOWN))}."
            raise InvalidMeasurement(f"The field {shown(name)} is not known", where=f"{where}.{given}", mend=mend)


def _shape(given: object) -> str:
    shapes = {bool: "true or false", str: "a text", list: "a list", dict: "an object"}
    return shapes.get(type(given), "something else")
