"""Decisions the rules do not allow, each with a code and a sentence for people."""

from dataclasses import dataclass


class Refusal(Exception):
    """This is not allowed."""

    code = "refused"

    def __init__(self, what: str = "", *, where: str = "", mend: str = "") -> None:
        self.what = what or (type(self).__doc__ or "This is not allowed.").strip()
        self.where = where
        self.mend = mend
        super().__init__(str(self))

    def __str__(self) -> str:
        place = f" (at {self.where})" if self.where else ""
        mend = f" {self.mend}" if self.mend else ""
        return f"{self.what.rstrip('.')}{place}.{mend}"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in a document: where, what, and how to mend it."""

    path: str
    what: str
    mend: str = ""

    def __str__(self) -> str:
        mend = f" {self.mend}" if self.mend else ""
        return f"{self.path or 'document'}: {self.what.rstrip('.')}.{mend}"


class InvalidProtocol(Refusal):
    """The protocol document is not valid."""

    code = "invalid-protocol"

    def __init__(
        self, what: str = "", *, where: str = "", mend: str = "", faults: tuple[Fault, ...] = ()
    ) -> None:
        """Carries every fault; made from a single sentence it carries that one."""
        self.faults = faults or (Fault(where, what or "The protocol document is not valid", mend),)
        first = self.faults[0]
        more = f" ({len(self.faults) - 1} more faults)" if len(self.faults) > 1 else ""
        super().__init__(first.what.rstrip(".") + more, where=first.path, mend=first.mend)


class InvalidSchedule(Refusal):
    """The schedule cannot be expressed exactly, so it is refused."""

    code = "invalid-schedule"


class InvalidMeasurement(Refusal):
    """The measurement cannot be taken in."""

    code = "invalid-measurement"


class UnknownZone(Refusal):
    """The civil time zone is not known."""

    code = "unknown-zone"


class UnknownField(Refusal):
    """There is no such activity or field that could be changed for one patient."""

    code = "unknown-field"


class LockedField(Refusal):
    """The protocol does not allow this value to be changed for one patient."""

    code = "locked-field"


class InvalidMapping(Refusal):
    """The mapping of a measurement file is not valid."""

    code = "invalid-mapping"


def short(given: object) -> str:
    """What was given, as a refusal's path or sentence may hold it: printable, at most 40 characters."""
    try:
        text = str(given)
    except (ValueError, RecursionError):  # a whole number of thousands of digits refuses to be written out
        text = type(given).__name__
    text = text if len(text) <= 40 else text[:39] + "…"
    return text if text.isprintable() else repr(text)[1:-1]


def shown(given: object) -> str:
    """The same in quotes."""
    return f"'{short(given)}'"
