"""What a watchdog tells: one thing that is wrong, where, since when, and how to mend it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class WrongKind(StrEnum):
    """The kinds of what can be wrong by itself, without anybody having done anything."""

    OVERDUE = "overdue operation"
    RESTED_TOO_LONG = "operation paused beyond its time"
    SILENT_WORKER = "silent worker"
    NO_WORKER = "no worker"
    NOT_WATCHED = "patients not watched"
    UNREACHABLE = "database unreachable"


WHY_NOT_WATCHED = {
    "set aside": (
        "their agendas cannot be computed and stand aside",
        "Read the reason: lockstep operation list. Mend it, then: lockstep recalculate patient IDENTIFIER.",
    ),
    "nothing in force": (
        "no version is in force for them, or their agendas were lost",
        "Publish a version or assign another protocol: lockstep enrolment show '#NUMBER' says which.",
    ),
    "behind": (
        "their agendas have been behind what is in force for long",
        "Look whether workers run: lockstep worker --list. Then: lockstep recalculate protocol PROTOCOL.",
    ),
}
"""In words, by the reasons of the view duty_not_watched: why, and how to mend it."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing that is wrong. `where` names it by numbers; no patient is named and no value told."""

    kind: WrongKind
    what: str
    where: str
    since_at: datetime | None
    mend: str

    def __str__(self) -> str:
        since = f", since {self.since_at:%Y-%m-%d %H:%M:%S} UTC" if self.since_at else ""
        return f"{self.what} ({self.where}{since}). {self.mend}"
