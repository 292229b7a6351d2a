"""What a switch would do: figures that are exact, and cautions ranked by what they may cost a patient."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any

from lockstep.domain.acceptance import Accepted
from lockstep.domain.selection import Selection
from lockstep.domain.switch import Effective, Scope, SwitchKind


@dataclass(frozen=True, slots=True)
class SwitchSettings:
    """What an installation decides: above how many patients, or where limits loosen, a second person approves."""

    approve_above_patients: int = 10_000
    approve_loosening: bool = True
    expires_after: timedelta = timedelta(hours=1)


class Rank(IntEnum):
    """How urgent a caution is; the first are shown first."""

    REFUSED = 0
    SILENT = 1
    LOOSER = 2
    ALERTS = 3
    NOTICE = 4


@dataclass(frozen=True, slots=True)
class Caution:
    """One thing to check before accepting; `patients` is how many it concerns, None when it concerns the content."""

    rank: Rank
    code: str
    sentence: str
    patients: int | None = None


@dataclass(frozen=True, slots=True)
class Fates:
    """What happens at E to occurrences of one activity for one cohort's members; counts of occurrences."""

    zone: str
    anchor_on: str
    activity_key: str
    go_on: int = 0
    superseded: int = 0
    asked_at_once: int = 0
    waived: int = 0


@dataclass(frozen=True, slots=True)
class ActivityFigures:
    """An activity now and after: occurrences a week over everybody concerned, and what becomes of it."""

    key: str
    title: str
    change: str
    patients: int
    per_week_now: int
    per_week_after: int


@dataclass(frozen=True, slots=True)
class Conflict:
    """A field with live personal changes that the new content locks or removes."""

    activity_key: str
    field: str
    why: str
    enrolments: int
    examples: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts as of the preview's instant; `patients` are the enrolments concerned, `behind` those not yet in step."""

    patients: int
    behind: int = 0
    skipped: tuple[int, ...] = ()
    per_week_now: int = 0
    per_week_after: int = 0
    activities: tuple[ActivityFigures, ...] = ()
    fates: tuple[Fates, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    changes: tuple[Mapping[str, Any], ...] = ()
    seen_target_number: int | None = None

    def open_now(self) -> dict[str, int]:
        """Occurrences open at E by what happens to them, over all cohorts."""
        names = ("go_on", "superseded", "asked_at_once", "waived")
        return {name: sum(getattr(fates, name) for fates in self.fates) for name in names}

    def to_document(self) -> dict[str, Any]:
        """The figures in plain JSON values."""
        return {**asdict(self), "open_now": self.open_now()}


@dataclass(frozen=True, slots=True)
class Preview:
    """A switch as previewed; nothing has changed yet. `cautions` are what to check, the most urgent first.

    `close_alerts_of_removed` says what becomes of open alerts of removed activities: by the switch, else its version.
    """

    switch_id: int
    kind: SwitchKind
    protocol_id: int
    target_protocol_id: int | None
    scope: Scope
    selection: Selection | None
    effective: Effective
    seen_switch_number: int
    close_alerts_of_removed: bool
    figures: Figures
    cautions: tuple[Caution, ...]
    needs_approval: bool
    previewed_by: str
    previewed_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Shown:
    """A switch with what became of it; figures are those of its preview, with its `cautions`, in plain JSON values."""

    switch_id: int
    kind: SwitchKind
    protocol_id: int
    target_protocol_id: int | None
    scope: Scope
    selection_id: int | None
    effective: Effective
    reason: str
    close_alerts_of_removed: bool
    figures: Mapping[str, Any]
    needs_approval: bool
    approved_by: Sequence[str]
    previewed_by: str
    previewed_at: datetime
    expires_at: datetime
    accepted: Accepted | None = None
    withdrawn_at: datetime | None = None
    withdrawn_by: str | None = None
    content: Mapping[str, Any] | None = field(default=None, repr=False)
    effective_local: datetime | None = None
