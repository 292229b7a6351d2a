"""S2: no acknowledged measurement is lost, altered or invented: stored + duplicate + set aside + refused = sent."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from lockstep.proof.stress.evidence import Evidence, MeasurementRow
from lockstep.proof.stress.finding import Finding, Looking
from lockstep.proof.stress.history import instant

Name = tuple[int, str, str]
KEPT = ("stored", "duplicate")


def check_measurements(evidence: Evidence) -> Finding:
    """Each item of the histories is where its answers say, as it was sent; and nothing else is there."""
    looking = Looking("measurements", "S2")
    items, answers = collect(evidence)
    stored: dict[Name, list[MeasurementRow]] = defaultdict(list)
    for row in evidence.final.measurements:
        stored[row.organisation_id, row.source, row.identifier].append(row)
    for name, documents in items.items():
        outcomes, rows = answers[name], stored.pop(name, [])
        looking.look(*_judged(name, documents, outcomes, rows, name in evidence.final.aside))
    for name in stored:
        looking.look(False, f"{name} is stored, and nobody sent it")
    sums = Counter(outcome for each in answers.values() for outcome in each)
    looking.figures = {"sent": sum(map(len, items.values())), **sums}
    for operation in evidence.history.of("measure"):
        if operation.ok and len(operation.answer["outcomes"]) != len(operation.sent["items"]):
            looking.look(False, f"{operation.client} #{operation.number}: not one outcome for each item")
    return looking.finding()


def collect(evidence: Evidence) -> tuple[dict[Name, list[Mapping[str, Any]]], dict[Name, list[str]]]:
    """Every item sent, by its name, with each document sent under it, and the outcomes that were told."""
    items: dict[Name, list[Mapping[str, Any]]] = defaultdict(list)
    answers: dict[Name, list[str]] = defaultdict(list)
    for operation in evidence.history.of("measure"):
        assert operation.organisation_id is not None
        outcomes = operation.answer.get("outcomes", []) if operation.ok else []
        for position, item in enumerate(operation.sent["items"]):
            name = (operation.organisation_id, item["source"], item["identifier"])
            items[name].append(item)
            if position < len(outcomes):
                answers[name].append(outcomes[position]["outcome"])
    return items, answers


def _judged(
    name: Name, documents: list[Mapping[str, Any]], outcomes: list[str], rows: list[MeasurementRow], aside: bool
) -> tuple[bool, str]:
    if len(rows) > 1:
        return False, f"{name} is stored {len(rows)} times"
    if rows and not any(_is(rows[0], document) for document in documents):
        return False, f"{name} is not stored as it was sent: {rows[0]}"
    if any(outcome in KEPT for outcome in outcomes) and not rows:
        return False, f"{name} was acknowledged ({outcomes}) and is lost"
    if "set aside" in outcomes and not aside:
        return False, f"{name} was set aside and is lost"
    if rows and aside:
        return False, f"{name} is stored and set aside"
    only_refused = bool(outcomes) and set(outcomes) == {"refused"} and len(outcomes) == len(documents)
    if only_refused and (rows or aside):
        return False, f"{name} was refused and is there"
    return True, ""


def _is(row: MeasurementRow, document: Mapping[str, Any]) -> bool:
    value = document["value"]
    return (
        row.patient == document["patient"]
        and row.code == document["code"]
        and row.unit == document["unit"]
        and row.value == (None if value is None else Decimal(value))
        and row.taken_at == instant(document["taken_at"])
    )


def kept_at(row: MeasurementRow) -> datetime:
    """The instant to which a measurement belongs, by the rule of the design (late values)."""
    early, late = row.received_at - row.taken_at, row.taken_at - row.received_at
    trusted = early.total_seconds() <= 30 * 86_400 and late.total_seconds() <= 300
    return min(row.taken_at, row.received_at) if trusted else row.received_at
