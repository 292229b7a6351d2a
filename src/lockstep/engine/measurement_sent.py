"""A measurement that was sent, on its way: placed at an instant, then believed, set aside or refused."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lockstep.domain.measurement import (
    Bounds,
    Measurement,
    PlacedBy,
    implausible,
    instant_of_judging,
    is_future,
)
from lockstep.domain.measurement_file import SetAside
from lockstep.domain.refusal import InvalidMeasurement, Refusal
from lockstep.domain.unit import convertible
from lockstep.engine.alert import judging
from lockstep.engine.matching_agenda import Agenda, Agendas
from lockstep.store import measurement as store


@dataclass(slots=True)
class Sent:
    """An item on its way: where it was sent, and what is known of it."""

    index: int
    item: Measurement | SetAside
    content_hash: bytes
    patient_id: int | None = None
    at: datetime | None = None
    placed_by: PlacedBy = PlacedBy.RECEIPT
    aside: tuple[str, str] | None = None
    refused: Refusal | None = None

    @property
    def key(self) -> store.SourceKey:
        return (self.item.source, self.item.identifier)


def place(each: Sent, person: tuple[int, Any] | None, now: datetime) -> None:
    """The item has its patient and instant, or is set aside."""
    item = each.item
    if isinstance(item, SetAside):
        each.aside = (f"impossible-{item.kind}", item.reason)
        return
    each.at, each.placed_by = instant_of_judging(item.taken_at, now, item.clock_flagged, item.history)
    if person is None:
        each.aside = ("unknown-patient", f"No patient is called {item.patient}")
        return
    each.patient_id = person[0]
    if item.history and is_future(item.taken_at, now):
        # A slip of the file; its receipt says nothing about when it was taken, and would fulfil what is asked now.
        each.aside = ("future-instant", f"It is stated as history, but {item.taken_at.isoformat()} has not come yet")


def oldest_of(sent: Iterable[Sent]) -> dict[int, datetime]:
    """The earliest instant of each patient."""
    oldest: dict[int, datetime] = {}
    for each in sent:
        if each.patient_id is not None and each.at is not None:
            oldest[each.patient_id] = min(each.at, oldest.get(each.patient_id, each.at))
    return oldest


def judge(each: Sent, agendas: Agendas) -> None:
    """Whether the item is believed, or refused, by what was in force at its instant."""
    item = each.item
    if each.aside is not None or isinstance(item, SetAside) or item.value is None:
        return
    assert each.patient_id is not None
    assert each.at is not None
    try:
        reason = _implausible(item, each.at, agendas.of_patient.get(each.patient_id, ()))
    except InvalidMeasurement as refusal:
        each.refused = refusal
        return
    if reason is not None:
        each.aside = ("implausible", reason)


def _implausible(item: Measurement, at: datetime, agendas: Sequence[Agenda]) -> str | None:
    assert item.value is not None
    bounds: list[Bounds | None] = []
    for _, _, activities in judging(agendas, at, item.code):
        for activity in activities:
            if item.unit != activity.unit and not convertible(item.unit, activity.unit, item.code):
                what = f"A value in {item.unit or 'no unit'} cannot be expressed in {activity.unit or 'no unit'}"
                mend = f"The protocol measures {activity.title} in {activity.unit or 'no unit'}."
                raise InvalidMeasurement(what, where="unit", mend=mend)
            bounds.append((*activity.plausible, activity.unit) if activity.plausible else None)
    for bound in bounds or [None]:
        reason = implausible(item.code, item.value, item.unit, bound)
        if reason is not None:
            return reason
    return None
