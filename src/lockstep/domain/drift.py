"""What a check found to differ from what must be."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class DriftKind(StrEnum):
    """Kinds of drift; see the table drift."""

    WRONG_VERSION = "wrong version"
    STALE_AGENDA = "stale agenda"
    MISSING_OCCURRENCE = "missing occurrence"
    EXTRA_OCCURRENCE = "extra occurrence"
    MISSING_ALERT = "missing alert"
    FALSE_ALERT = "false alert"


Evidence = Mapping[str, object]
"""Identifiers, counts and instants as text: never a value that was measured."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One enrolment's difference; no activity where the whole agenda is concerned, None where nothing is there."""

    enrolment_id: int
    activity_key: str | None
    kind: DriftKind
    expected: Evidence | None
    found: Evidence | None

    @property
    def order(self) -> tuple[int, str, str, str]:
        """Where it stands in a list: by enrolment, activity, kind, and what was expected and found."""
        return self.enrolment_id, self.activity_key or "", self.kind, f"{self.expected} {self.found}"


def evidence(**values: object) -> dict[str, object]:
    """The values as they are kept: instants and dates as text."""
    return {name: _text(value) if isinstance(value, date) else value for name, value in values.items()}


def _text(value: date) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
