"""Reading a document of plain values: every value has a path, and every fault is kept with its mend."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Any, TypeVar

from lockstep.domain import duration
from lockstep.domain.refusal import Fault, InvalidProtocol, Refusal

T = TypeVar("T")
KEY = r"^[a-z0-9][a-z0-9._-]{0,79}$"
TIME = r"^(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?$"
DATE = r"^[12][0-9]{3}-[01][0-9]-[0-3][0-9]$"
MOST_DIGITS = 15
MOST_FAULTS = 200


@dataclass(slots=True)
class Reading:
    """The faults found so far; every reader below returns None (or an empty value) after writing one down."""

    faults: list[Fault] = field(default_factory=list)

    def fault(self, path: str, what: str, mend: str = "") -> None:
        """Writes a fault down; after MOST_FAULTS no more are kept."""
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(Fault(path, what, mend))

    def finish(self) -> None:
        """Raises InvalidProtocol with all faults, if there are any."""
        if self.faults:
            raise InvalidProtocol(faults=tuple(self.faults))

    def attempt(self, path: str, made: Callable[[], T]) -> T | None:
        """What `made` returns; a refusal becomes faults whose paths are made to begin with `path`."""
        try:
            return made()
        except InvalidProtocol as refusal:
            for fault in refusal.faults:
                self.fault(_below(path, fault.path), fault.what, fault.mend)
        except Refusal as refusal:
            self.fault(_below(path, refusal.where), refusal.what, refusal.mend)
        return None

    def mapping(self, value: object, path: str, known: Sequence[str], needed: Sequence[str] = ()) -> Mapping[str, Any]:
        """A mapping with known keys; what is unknown or missing is a fault, the rest can still be read."""
        if not isinstance(value, Mapping):
            self.fault(path, f"This must be a mapping, not {_kind(value)}", f"It has: {', '.join(known)}.")
            return {}
        for key in value:
            if key not in known:
                self._unknown(str(key), path, known)
        for key in needed:
            if key not in value:
                self.fault(joined(path, key), "This is missing", f"Add {key}.")
        return value

    def _unknown(self, key: str, path: str, known: Sequence[str]) -> None:
        near = get_close_matches(key, known, n=1)
        mend = f"Did you mean {near[0]}?" if near else f"Known here: {', '.join(known)}."
        self.fault(joined(path, shown(key).strip("'")), "This is not known", mend)

    def items(self, value: object, path: str, *, least: int = 0, most: int) -> list[tuple[str, Any]]:
        """The items of a list with their paths; too few or too many is a fault."""
        if not isinstance(value, list | tuple):
            self.fault(path, f"This must be a list, not {_kind(value)}", "Write it as a list.")
            return []
        if not least <= len(value) <= most:
            self.fault(path, f"This has {len(value)} items", f"It must have {least} to {most}.")
        return [(f"{path}[{index}]", item) for index, item in enumerate(value[:most])]

    def text(self, value: object, path: str, *, least: int = 0, most: int = 200) -> str:
        """A text of a length within bounds and without control characters, blanks at its ends removed."""
        if not isinstance(value, str):
            mend = "Put it in quotes." if isinstance(value, int | Decimal) else ""
            self.fault(path, f"This must be a text, not {_kind(value)}", mend)
            return ""
        if not least <= len(value.strip()) <= most:
            what = f"This text has {len(value)} characters"
            self.fault(path, what, f"It must have {least} to {most}.")
            return ""
        if any((sign < " " and sign not in "\n\t") or "\x7f" <= sign <= "\x9f" or _surrogate(sign) for sign in value):
            self.fault(path, "This text has control characters", "Remove them.")
            return ""
        return value.strip()

    def key(self, value: object, path: str) -> str:
        """A key: small letters, digits, dots, dashes and underscores."""
        if isinstance(value, str) and re.fullmatch(KEY, value):
            return value
        what = f"{shown(value)} is not a key"
        self.fault(path, what, "Use small letters, digits and - . _ only, at most 80, for example heart-rate.")
        return ""

    def whole(self, value: object, path: str, *, least: int, most: int) -> int | None:
        """A whole number within bounds."""
        if isinstance(value, Decimal) and value.is_finite() and value.adjusted() < MOST_DIGITS:
            value = int(value) if value == value.to_integral_value() else value
        if isinstance(value, bool) or not isinstance(value, int):
            self.fault(path, f"This must be a whole number, not {shown(value)}", f"{least} to {most}.")
            return None
        if not least <= value <= most:
            self.fault(path, f"{shown(value)} is out of bounds", f"It must be {least} to {most}.")
            return None
        return value

    def number(self, value: object, path: str) -> Decimal | None:
        """A finite decimal number of at most 15 digits before and after the point, without needless zeros."""
        made = decimal_of(value)
        if made is None:
            mend = "Write a number such as 36.5."
            self.fault(path, f"{shown(value)} is not a number that can be used", mend)
        return made

    def flag(self, value: object, path: str) -> bool | None:
        """True or false."""
        if isinstance(value, bool):
            return value
        self.fault(path, f"This must be true or false, not {shown(value)}", "Write true or false.")
        return None

    def choice(self, value: object, path: str, choices: Sequence[str]) -> str | None:
        """One of a few words."""
        if isinstance(value, str) and value in choices:
            return value
        self.fault(path, f"{shown(value)} is not one of the choices", f"Choose {', '.join(choices)}.")
        return None

    def minutes(self, value: object, path: str, *, least: int = 0, most: int) -> int | None:
        """The minutes of a length of time such as "2h"; a bare 0 is allowed."""
        made = 0 if not isinstance(value, str) and decimal_of(value) == 0 else None
        if isinstance(value, str):
            made = duration.minutes_of(value)
        if made is None:
            what = f"{shown(value)} is not a length of time"
            self.fault(path, what, 'Write it with its unit, for example "90 min", "2h" or "1 day".')
            return None
        if not least <= made <= most:
            bounds = f"{duration.in_words(least)} to {duration.in_words(most)}"
            self.fault(path, f"{duration.in_words(made)} is out of bounds", f"It must be {bounds}.")
            return None
        return made

    def time(self, value: object, path: str) -> time | None:
        """A time of day such as "07:30"."""
        if isinstance(value, str) and re.fullmatch(TIME, value):
            return time.fromisoformat(value)
        self.fault(path, f"{shown(value)} is not a time of day", 'Write hours and minutes in quotes: "07:30".')
        return None

    def date(self, value: object, path: str) -> date | None:
        """A date such as "2026-11-23"."""
        if isinstance(value, str) and re.fullmatch(DATE, value):
            try:
                return date.fromisoformat(value)
            except ValueError:
                pass
        self.fault(path, f"{shown(value)} is not a date", 'Write year, month and day: "2026-11-23".')
        return None


def decimal_of(value: object) -> Decimal | None:
    """The exact decimal of a number, or of a text that is one; None for anything else or of absurd size."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    if isinstance(value, str) and not re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", value):
        return None
    if isinstance(value, int) and abs(value) >= 10**MOST_DIGITS:
        return None
    try:
        made = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    except InvalidOperation:
        return None
    if not made.is_finite():
        return None
    digits = made.as_tuple()
    assert isinstance(digits.exponent, int)
    if made.adjusted() >= MOST_DIGITS or digits.exponent < -MOST_DIGITS or len(digits.digits) > 2 * MOST_DIGITS:
        return None
    made = made.normalize() if made else Decimal(0)
    return made.quantize(Decimal(1)) if made == made.to_integral_value() else made


def plain(value: Decimal) -> int | float | str:
    """The number as JSON holds it exactly: a whole number, a float that reads back the same, else a text."""
    if value == value.to_integral_value():
        return int(value)
    near = float(value)
    return near if Decimal(repr(near)) == value else format(value, "f")


def joined(path: str, key: str) -> str:
    """The path of a key below a path."""
    return f"{path}.{key}" if path else key


def shown(value: object) -> str:
    """A value in a fault's sentence: short, in one line."""
    if isinstance(value, int) and abs(value) >= 10**MOST_DIGITS:
        return "a number of too many digits"
    if isinstance(value, Mapping | list | tuple | set | bytes):
        return _kind(value)
    text = repr(str(value)) if isinstance(value, str) else str(value)
    text = text.encode("ascii", "backslashreplace").decode() if any(map(_surrogate, text)) else text
    return text if len(text) <= 60 else text[:57] + "..."


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, bool):
        return "true or false"
    return "a text" if isinstance(value, str) else f"{type(value).__name__}"


def _surrogate(sign: str) -> bool:
    return "\ud800" <= sign <= "\udfff"


def _below(path: str, inner: str) -> str:
    if not inner or inner == path or inner.startswith((path + ".", path + "[")):
        return inner or path
    return f"{path}{inner}" if inner.startswith("[") else joined(path, inner)
