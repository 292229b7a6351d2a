"""What checkers look at: the clients' histories, and the rows of the database at the end, as a superuser reads them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from lockstep.domain.audit import Link
from lockstep.proof.stress.history import History


@dataclass(frozen=True, slots=True)
class SwitchRow:
    """An accepted switch; E for every patient lies in [first_at, last_at]."""

    organisation_id: int
    switch_id: int
    protocol_id: int
    number: int
    kind: str
    version_number: int | None
    target_protocol_id: int | None
    selection_id: int | None
    first_at: datetime
    last_at: datetime
    generation: int | None
    operation_id: int
    client_key: str
    accepted_at: datetime
    withdrawn_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class EnrolmentRow:
    """An enrolment with the name of its patient."""

    organisation_id: int
    enrolment_id: int
    patient_id: int
    patient: str
    anchor_on: date
    enrolled_at: datetime
    discharged_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AssignmentRow:
    """A protocol that governs an enrolment from an instant on."""

    enrolment_id: int
    number: int
    protocol_id: int
    from_at: datetime


@dataclass(frozen=True, slots=True)
class PauseRow:
    """A pause; `until_at` is its end as resumed or planned, None while it lasts."""

    enrolment_id: int
    from_at: datetime
    until_at: datetime | None


@dataclass(frozen=True, slots=True)
class ZoneRow:
    """Where a patient lives from an instant on."""

    patient_id: int
    number: int
    zone: str
    from_at: datetime


@dataclass(frozen=True, slots=True)
class HeadRow:
    """For what an enrolment's agenda was computed."""

    organisation_id: int
    enrolment_id: int
    protocol_id: int
    version_number: int
    generation: int
    next_change_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Agenda rows that are the same for `count` enrolments of one zone and first day; `example` is one of them."""

    organisation_id: int
    protocol_id: int
    zone: str
    anchor_on: date
    activity_key: str
    on: date
    slot: str
    opens_at: datetime
    closes_at: datetime
    judge_at: datetime
    count: int
    example: int


@dataclass(frozen=True, slots=True)
class OccurrenceRow:
    """A decided occurrence: how it was first decided, and its state after all corrections."""

    organisation_id: int
    enrolment_id: int
    activity_key: str
    on: date
    slot: str
    protocol_id: int
    version_number: int
    opens_at: datetime
    closes_at: datetime
    judge_at: datetime
    state: str
    last_state: str
    measurement_id: int | None
    decided_at: datetime
    still_open: bool = False


@dataclass(frozen=True, slots=True)
class MeasurementRow:
    """A stored measurement with the name of its patient."""

    organisation_id: int
    measurement_id: int
    patient: str
    code: str
    value: Decimal | None
    unit: str
    taken_at: datetime
    judged_for_at: datetime
    received_at: datetime
    source: str
    identifier: str


@dataclass(frozen=True, slots=True)
class SampleRow:
    """What an alert is about: a missed occurrence (`on`, `slot`) or a measurement."""

    organisation_id: int
    alert_id: int
    enrolment_id: int
    activity_key: str
    rule_key: str
    kind: str
    state: str
    on: date | None = None
    slot: str | None = None
    measurement_id: int | None = None


@dataclass(frozen=True, slots=True)
class OperationRow:
    """Work in the background."""

    organisation_id: int
    operation_id: int
    kind: str
    state: str
    switch_id: int | None
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class EntryRow:
    """An audit entry, without what only the chain needs."""

    organisation_id: int
    action: str
    subject: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TableRow:
    """A table that has an organisation's rows, and whether rows of others are kept from its users, owner included."""

    name: str
    enabled: bool
    forced: bool


@dataclass(frozen=True, slots=True)
class Final:
    """The database after everybody has ended, read in one snapshot at `at`."""

    at: datetime
    switches: Sequence[SwitchRow] = ()
    members: Mapping[int, frozenset[int]] = field(default_factory=dict)
    contents: Mapping[tuple[int, int], Mapping[str, Any]] = field(default_factory=dict)
    """The document of each (protocol, version)."""
    enrolments: Sequence[EnrolmentRow] = ()
    assignments: Sequence[AssignmentRow] = ()
    pauses: Sequence[PauseRow] = ()
    zones: Sequence[ZoneRow] = ()
    outages: Sequence[tuple[int, datetime, datetime]] = ()
    heads: Sequence[HeadRow] = ()
    rows: Sequence[RowGroup] = ()
    occurrences: Sequence[OccurrenceRow] = ()
    measurements: Sequence[MeasurementRow] = ()
    aside: frozenset[tuple[int, str, str]] = frozenset()
    """(organisation, source, identifier) of what was set aside."""
    samples: Sequence[SampleRow] = ()
    operations: Sequence[OperationRow] = ()
    entries: Sequence[EntryRow] = ()
    chains: Mapping[int, Sequence[Link]] = field(default_factory=dict)
    tables: Sequence[TableRow] = ()
    left: Mapping[str, int] = field(default_factory=dict)
    """What was left behind after everybody had ended, by kind."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that checkers look at. Faults are operations of the history too (`fault`)."""

    history: History
    final: Final
