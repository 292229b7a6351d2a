"""Decisions the rules do not allow, each with a code and a sentence for people."""


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


class InvalidProtocol(Refusal):
    """The protocol document is not valid."""

    code = "invalid-protocol"


class InvalidSchedule(Refusal):
    """The schedule cannot be expressed exactly, so it is refused."""

    code = "invalid-schedule"


class InvalidMeasurement(Refusal):
    """The measurement cannot be taken in."""

    code = "invalid-measurement"


class UnknownZone(Refusal):
    """The civil time zone is not known."""

    code = "unknown-zone"
