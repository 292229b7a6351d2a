"""Histories and rows made by hand, in which everything holds until a test breaks it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from lockstep.domain.audit import Entry, Link, genesis, sealed
from lockstep.proof.stress.digest import digest
from lockstep.proof.stress.evidence import (
    AssignmentRow,
    EnrolmentRow,
    EntryRow,
    Evidence,
    Final,
    HeadRow,
    MeasurementRow,
    OccurrenceRow,
    OperationRow,
    RowGroup,
    SampleRow,
    SwitchRow,
    TableRow,
    ZoneRow,
)
from lockstep.proof.stress.history import FAIL, OK, History, Operation

BEGIN = datetime(2026, 3, 10, 6, tzinfo=UTC)
"""The run's beginning; the monotonic clock shows 0."""
END = BEGIN + timedelta(hours=8)
ENROLLED_AT = BEGIN - timedelta(hours=18)
ORG, OTHER = 1, 2
HEART, WARD = 10, 11
SWITCHED_AT = BEGIN + timedelta(seconds=100)
"""E of version 2 of HEART, acknowledged 0.05 s later."""


def at(seconds: float) -> datetime:
    """The database's instant so many seconds after the beginning."""
    return BEGIN + timedelta(seconds=seconds)


def op(
    do: str, asked: float, told: float | None = None, *, sent: Any = None, answer: Any = None, **more: Any
) -> Operation:
    """An operation that was answered, by default in a hundredth of a second."""
    told = asked + 0.01 if told is None else told
    values = {
        "client": "client",
        "number": int(asked * 1000),
        "organisation_id": ORG,
        "outcome": OK,
        "told_at": at(told),
        **more,
    }
    return Operation(do=do, sent=sent or {}, asked=asked, asked_at=at(asked), answer=answer or {}, told=told, **values)


def refused(do: str, asked: float, **more: Any) -> Operation:
    """An operation that was refused."""
    return op(do, asked, outcome=FAIL, **more)


def lost(do: str, asked: float, **more: Any) -> Operation:
    """An operation that was never answered."""
    return replace(op(do, asked, **more), outcome="unknown", told=float("inf"), told_at=None, answer={})


def document(days: int = 1, *, above: int = 100) -> dict[str, Any]:
    """A weight every so many days from 8 to 10 with an hour of grace; one missed is an alert."""
    return {
        "key": "heart",
        "activities": [
            {
                "key": "weight",
                "code": "weight",
                "unit": "kg",
                "schedule": {
                    "every": f"{days} days" if days > 1 else "1 day",
                    "times": [{"label": "morning", "opens": "08:00", "closes": "10:00"}],
                },
                "grace": "1h",
                "rules": [
                    {"key": "high", "above": above, "severity": "red"},
                    {"key": "missed", "kind": "missed", "in_a_row": 1, "severity": "grey"},
                ],
            }
        ],
    }


def switch_row(switch_id: int = 5, number: int = 2, **more: Any) -> SwitchRow:
    """The publication of version 2 of HEART."""
    first_at = more.pop("first_at", SWITCHED_AT)
    values: dict[str, Any] = {
        "organisation_id": ORG, "protocol_id": HEART, "kind": "publish", "version_number": number,
        "target_protocol_id": None, "selection_id": None, "generation": number, "operation_id": switch_id * 10,
        "client_key": f"key {switch_id}", "accepted_at": first_at,
    }  # fmt: skip
    return SwitchRow(switch_id=switch_id, number=number, first_at=first_at, last_at=first_at, **{**values, **more})


def accept(asked: float = 100, told: float = 100.05, *, row: SwitchRow | None = None, **more: Any) -> Operation:
    """The acceptance of version 2 of HEART, acknowledged."""
    row = row or switch_row()
    sent = {"key": row.client_key, "switch": row.switch_id, "kind": row.kind, "protocol": row.protocol_id,
            "content": digest(document(row.number))}  # fmt: skip
    answer = {
        "number": row.number, "version": row.version_number, "generation": row.generation,
        "operation": row.operation_id, "accepted_at": row.accepted_at.isoformat(),
        "first_at": row.first_at.isoformat(), "last_at": row.last_at.isoformat(), "repeated": False,
    }  # fmt: skip
    return op("accept", asked, told, sent=sent, answer={**answer, **more})


def read(
    asked: float, version: int, *, coming: Any = None, enrolment: int = 100, known_at: datetime | None = None
) -> Operation:
    """An answer that names a version of HEART, and what comes of it."""
    opens = [at(asked + 3600).isoformat(), at(asked + 90_000).isoformat()]
    answer = {
        "at": at(asked + 0.001).isoformat(), "known_at": (known_at or at(asked + 0.001)).isoformat(),
        "protocol": HEART, "version": version, "coming": coming or [[HEART, version, *opens]],
    }  # fmt: skip
    return op("read", asked, sent={"enrolment": enrolment}, answer=answer)


def enrolment(enrolment_id: int = 100, **more: Any) -> EnrolmentRow:
    """An enrolment on HEART since the noon before the beginning."""
    values: dict[str, Any] = {
        "organisation_id": ORG, "patient_id": enrolment_id + 1000, "patient": f"p{enrolment_id}",
        "anchor_on": date(2026, 3, 10), "enrolled_at": ENROLLED_AT,
    }  # fmt: skip
    return EnrolmentRow(enrolment_id=enrolment_id, **{**values, **more})


def occurrence(**more: Any) -> OccurrenceRow:
    """The weight of the day of the run, missed, in UTC."""
    day = datetime(2026, 3, 10, tzinfo=UTC)
    values: dict[str, Any] = {
        "organisation_id": ORG, "enrolment_id": 100, "activity_key": "weight", "on": date(2026, 3, 10),
        "slot": "morning", "protocol_id": HEART, "version_number": 1, "opens_at": day.replace(hour=8),
        "closes_at": day.replace(hour=10), "judge_at": day.replace(hour=11), "state": "missed",
        "last_state": "missed", "measurement_id": None, "decided_at": day.replace(hour=11, second=3),
    }  # fmt: skip
    return OccurrenceRow(**{**values, **more})


def sample(**more: Any) -> SampleRow:
    """The alert about that missed weight."""
    values: dict[str, Any] = {
        "organisation_id": ORG, "alert_id": 1, "enrolment_id": 100, "activity_key": "weight", "rule_key": "missed",
        "kind": "missed", "state": "open", "on": date(2026, 3, 10), "slot": "morning",
    }  # fmt: skip
    return SampleRow(**{**values, **more})


def item(identifier: str = "1", *, seconds: float = 9000, value: str = "80.5", **more: Any) -> dict[str, Any]:
    """A weight as sent, taken so many seconds after the beginning."""
    return {
        "source": "stress", "identifier": identifier, "patient": "p100", "code": "weight", "value": value,
        "unit": "kg", "taken_at": at(seconds).isoformat(), **more,
    }  # fmt: skip


def measure(asked: float, *items: dict[str, Any], outcome: str = "stored", **more: Any) -> Operation:
    """A request of measurements, answered."""
    outcomes = [{"outcome": outcome, "id": 1, "code": ""} for _ in items]
    return op("measure", asked, sent={"items": list(items)}, answer={"outcomes": outcomes}, **more)


def measurement(identifier: str = "1", *, seconds: float = 9000, **more: Any) -> MeasurementRow:
    """The row of such an item, received a moment after it was taken."""
    taken_at = at(seconds)
    values: dict[str, Any] = {
        "organisation_id": ORG, "measurement_id": 1, "patient": "p100", "code": "weight", "value": Decimal("80.5"),
        "unit": "kg", "taken_at": taken_at, "judged_for_at": taken_at, "received_at": taken_at + timedelta(seconds=1),
        "source": "stress",
    }  # fmt: skip
    return MeasurementRow(identifier=identifier, **{**values, **more})


def row_group(**more: Any) -> RowGroup:
    """What is asked next of those in UTC: the weight of the next day that version 2 (every two days) names."""
    day = datetime(2026, 3, 12, tzinfo=UTC)
    values: dict[str, Any] = {
        "organisation_id": ORG, "protocol_id": HEART, "zone": "UTC", "anchor_on": date(2026, 3, 10),
        "activity_key": "weight", "on": date(2026, 3, 12), "slot": "morning", "opens_at": day.replace(hour=8),
        "closes_at": day.replace(hour=10), "judge_at": day.replace(hour=11), "count": 1, "example": 100,
    }  # fmt: skip
    return RowGroup(**{**values, **more})


def chain(*entries: EntryRow) -> dict[int, list[Link]]:
    """The sealed chain of the organisation."""
    made = [
        Entry(number, f"{number}.000000", "somebody", each.action, each.subject, "{}")
        for number, each in enumerate(entries, start=1)
    ]
    seals = sealed(ORG, made, position=0, previous=genesis(ORG), sealed_at="9.000000")
    return {ORG: [Link(seal, entry) for seal, entry in zip(seals, made, strict=True)]}


def entries() -> list[EntryRow]:
    """An entry for each decision of the world."""
    return [
        EntryRow(ORG, "enrol", "enrolment 100", {"count": 1}),
        EntryRow(ORG, "accept switch", "switch 1"),
        EntryRow(ORG, "accept switch", "switch 5"),
    ]


def final(**more: Any) -> Final:
    """A world of one enrolment that was switched once, in which all is in order."""
    values: dict[str, Any] = {
        "switches": [switch_row(1, 1, first_at=BEGIN - timedelta(days=30)), switch_row()],
        "contents": {(HEART, 1): document(1), (HEART, 2): document(2)},
        "enrolments": [enrolment()],
        "assignments": [AssignmentRow(100, 1, HEART, ENROLLED_AT)],
        "zones": [ZoneRow(1100, 1, "UTC", ENROLLED_AT)],
        "heads": [HeadRow(ORG, 100, HEART, 2, 2)],
        "rows": [row_group()],
        "operations": [
            OperationRow(ORG, 10, "recalculation", "succeeded", 1, BEGIN, BEGIN),
            OperationRow(ORG, 50, "recalculation", "succeeded", 5, SWITCHED_AT, SWITCHED_AT + timedelta(seconds=3)),
        ],
        "entries": entries(),
        "chains": chain(*entries()),
        "tables": [TableRow("agenda", True, True)],
        "left": {"idle transactions": 0},
    }  # fmt: skip
    return Final(at=END, **{**values, **more})


def evidence(*operations: Operation, **more: Any) -> Evidence:
    """These operations, and the world in order but for what is said otherwise."""
    ordered = tuple(sorted(operations, key=lambda each: each.asked))
    return Evidence(History(ordered), final(**more))
