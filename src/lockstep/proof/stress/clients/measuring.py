"""Measures: patients in wards in some of their minutes, patients at home now and then; late, doubled, out of order."""

import hashlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from lockstep.domain.civil import local_of
from lockstep.domain.measurement import Measurement
from lockstep.domain.refusal import InvalidMeasurement, Refusal
from lockstep.engine.measurement import ItemOutcome, record_measurements
from lockstep.proof.stress.clients.client import Client, Order
from lockstep.proof.stress.protocols import SATURATION, WEIGHT
from lockstep.proof.stress.world import Group

SOURCE = "stress"
STRANGER = "nobody"
MOST_AT_ONCE = 6
CANARIES = 8
"""One of so many patients never measures anything."""
MEASURED_SHARE = 70
UNITS = {"kg": Decimal(1), "g": Decimal(1000), "[lb_av]": Decimal("2.2")}


@dataclass(frozen=True, slots=True)
class Item:
    """What is sent, and how the history tells it."""

    document: Mapping[str, Any]
    sent: Measurement | Refusal


class Measuring(Client):
    """Sends measurements until told to stop; whatever is not answered is sent again."""

    def __init__(self, order: Order) -> None:
        super().__init__(order)
        self.number = 0
        self.before: dict[int, deque[Item]] = {}
        self.slots: dict[str, int] = {}
        self.at_home = [each for each in self.world.groups if each.key in ("heart", "lungs")]
        self.wards = [each for each in self.world.groups if each.key in ("ward", "unit")]

    def step(self) -> None:
        """One request: of a ward, or of people at home."""
        ward = self.chance.choice(self.wards)
        items = self._of_ward(ward) if self.chance.random() < 0.6 else []
        if items:
            self.send(ward.organisation_id, items)
        else:
            group = self.chance.choice(self.at_home)
            self.send(group.organisation_id, self._of_home(group))

    def send(self, organisation_id: int, items: Sequence[Item]) -> None:
        """The items were answered, each of them."""
        self.before.setdefault(organisation_id, deque(maxlen=300)).extend(items)
        self.insist(
            "measure",
            organisation_id,
            lambda: record_measurements(
                self.database, organisation_id=organisation_id, items=[each.sent for each in items]
            ),
            lambda outcomes: {"outcomes": [_told(each) for each in outcomes]},
            items=[each.document for each in items],
        )

    # -- what is measured

    def _of_ward(self, ward: Group) -> list[Item]:
        """The next few in the ward who measure in this minute."""
        at = datetime.now(UTC)  # a device has a clock of its own
        slot = f"{local_of(at, self.world.ward_zone):%H:%M}"
        place = f"{ward.organisation_id} {ward.key}"
        begin = self.slots.get(f"{place} {slot}", self.order.share)
        items: list[Item] = []
        position = begin
        while position < ward.count and len(items) < MOST_AT_ONCE:
            if position % CANARIES and measures(self.order.seed, place, position, slot):
                value = str(self.chance.randint(90, 99))
                items.append(self._item(ward.patient(position), SATURATION, value, "%", at))
            position += self.order.shares
        self.slots = {key: each for key, each in self.slots.items() if key.endswith(slot)}
        self.slots[f"{place} {slot}"] = position
        return items

    def _of_home(self, group: Group) -> list[Item]:
        """Some of those at home; what was sent before may be among it once more."""
        items: list[Item] = []
        before = self.before.get(group.organisation_id)
        for _ in range(self.chance.randint(1, MOST_AT_ONCE)):
            if before and self.chance.random() < 0.1:
                items.append(self.chance.choice(before))
                continue
            patient = STRANGER if self.chance.random() < 0.01 else group.patient(self._position(group.count))
            unit = self.chance.choice(("kg", "kg", "g", "[lb_av]"))
            value = str(round(Decimal(self.chance.randint(600, 1200)) / 10 * UNITS[unit], 1))
            at = datetime.now(UTC) - timedelta(milliseconds=self.chance.randint(0, 2000))
            if self.chance.random() < 0.05:
                at -= timedelta(seconds=self.chance.randint(5, 1200))
            items.append(self._item(patient, WEIGHT, value, unit, at))
        self.chance.shuffle(items)
        return items

    def _position(self, count: int) -> int:
        position = self.chance.randrange(count)
        return position if position % CANARIES else (position + 1) % count

    def _item(self, patient: str, code: str, value: str, unit: str, at: datetime, *, flagged: bool = False) -> Item:
        self.number += 1
        broken = self.chance.random() < 0.01
        return made(f"{self.order.name}-{self.number}", patient, code, value, unit, at, flagged=flagged, broken=broken)


def made(
    identifier: str,
    patient: str,
    code: str,
    value: str,
    unit: str,
    at: datetime,
    *,
    flagged: bool = False,
    broken: bool = False,
) -> Item:
    """A measurement, or one that cannot be read."""
    document: dict[str, Any] = {
        "source": SOURCE, "identifier": identifier, "patient": patient, "code": code, "value": value, "unit": unit,
        "taken_at": at.isoformat(),
    }  # fmt: skip
    if flagged:
        document["flagged"] = True
    if broken:
        return Item({**document, "broken": True}, InvalidMeasurement("No unit", where="unit", mend="Send the unit."))
    return Item(
        document, Measurement(SOURCE, identifier, patient, code, Decimal(value), None, unit, at, clock_flagged=flagged)
    )


def measures(seed: int, place: str, position: int, slot: str) -> bool:
    """Whether the patient at this place measures in this minute; pure."""
    drawn = hashlib.sha256(f"{seed} {place} {position} {slot}".encode()).digest()[0]
    return drawn * 100 < MEASURED_SHARE * 256


def _told(outcome: ItemOutcome) -> dict[str, Any]:
    return {"outcome": outcome.outcome.value, "id": outcome.measurement_id, "code": outcome.code}
