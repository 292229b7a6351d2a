"""An element of a resource with its path, so that a refusal can say where."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import isfinite
from typing import Any

from lockstep.domain.refusal import InvalidSchedule

_ALWAYS = frozenset({"id", "extension"})


@dataclass(frozen=True, slots=True)
class Element:
    """The values of an element, and where it stands."""

    values: Mapping[str, Any]
    path: str

    @classmethod
    def of(cls, values: object, path: str) -> "Element":
        """The element at `path`; a refusal if `values` is not an object."""
        if not isinstance(values, Mapping):
            raise InvalidSchedule("This is not an object", where=path, mend="Give an object.")
        return cls(values, path)

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def child(self, name: str) -> "Element | None":
        """The element of that name, None if absent."""
        return Element.of(self.values[name], f"{self.path}.{name}") if name in self.values else None

    def only(self, names: Iterable[str]) -> None:
        """A refusal for the first part that is not honoured; plain extensions may be ignored."""
        for name in self.values:
            if name not in names and name not in _ALWAYS:
                raise self.refusal(str(name)[:64], "This part is not honoured", "Leave it out.")

    def number(self, name: str) -> Fraction | None:
        """An exact positive number, None if absent."""
        value = self.values.get(name)
        if value is None and name not in self.values:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not isfinite(value):
            raise self.refusal(name, "This is not a number", "Give a number, without quotes.")
        # A float stands for the decimal that was written, not for its binary neighbour.
        exact = Fraction(str(value))
        if not 0 < exact <= 1_000_000:
            raise self.refusal(name, f"{str(value)[:20]} is out of range", "Give a positive number.")
        return exact

    def whole(self, name: str) -> int | None:
        """A positive whole number, None if absent."""
        value = self.number(name)
        if value is not None and value.denominator != 1:
            raise self.refusal(name, f"{float(value)} is not a whole number", "Give a whole number.")
        return None if value is None else value.numerator

    def text(self, name: str) -> str | None:
        """A string, None if absent."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, str):
            raise self.refusal(name, "This is not a string", "Give a string.")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """The strings of a repeating part, each once; empty only if it is absent."""
        if name not in self.values:
            return ()
        value = self.values[name]
        if not isinstance(value, list) or not value or not all(isinstance(each, str) for each in value):
            raise self.refusal(name, "This is not a list of strings", "Give a list of strings.")
        if len(set(value)) != len(value):
            raise self.refusal(name, "Something is named twice", "Name it once.")
        return tuple(value)

    def refusal(self, name: str, what: str, mend: str) -> InvalidSchedule:
        """A refusal that points at the part `name`."""
        return InvalidSchedule(what, where=f"{self.path}.{name}", mend=mend)
