"""The world of a stress run: two organisations, protocols at home and in wards, and who is on them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from lockstep.domain.civil import local_of
from lockstep.engine.clock import current_instant
from lockstep.engine.operation import list_operations
from lockstep.engine.switch import list_switches
from lockstep.proof import bulk_world
from lockstep.proof.stress.protocols import at_home, in_ward
from lockstep.store.database import Database

ZONES = ("Europe/Amsterdam", "America/New_York", "Asia/Tokyo", "UTC", "Australia/Sydney")
WARD_ZONES = ("UTC", "America/New_York", "Asia/Tokyo", "Pacific/Auckland")
NORTH, SOUTH = "north", "south"
AFTERWARDS_MINUTES = 30


@dataclass(frozen=True, slots=True)
class Group:
    """Enrolments on one protocol; patients are `prefix` with 1 to `count`, enrolments follow one another."""

    key: str
    organisation_id: int
    protocol_id: int
    prefix: str
    first_id: int
    count: int

    def patient(self, position: int) -> str:
        """The identifier of the patient at a position, counted from 0."""
        return f"{self.prefix}{position + 1}"


@dataclass(frozen=True, slots=True)
class World:
    """What was made; `labels` are the civil times at which the wards' windows begin, in the ward's zone.

    `switches` and `operations` name one of each organisation.
    """

    organisations: dict[str, int]
    programs: dict[str, int]
    groups: tuple[Group, ...]
    ward_zone: str
    labels: tuple[str, ...]
    switches: dict[str, int]
    operations: dict[str, int]

    def group(self, organisation: str, key: str) -> Group:
        """The group of this name in the organisation."""
        organisation_id = self.organisations[organisation]
        return next(each for each in self.groups if each.organisation_id == organisation_id and each.key == key)

    def save(self, file: Path) -> None:
        """The world stands in the file, for processes of its clients."""
        file.write_text(json.dumps(asdict(self)), encoding="utf-8")


def load(file: Path) -> World:
    """The world of the file."""
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    groups = tuple(Group(**each) for each in found.pop("groups"))
    return World(**{**found, "groups": groups, "labels": tuple(found["labels"])})


def build(database: Database, patients: int, minutes: float, told: Callable[[str], None]) -> World:
    """The world exists: `patients` at home in the north, some in its wards, and some in the south."""
    ward_zone, labels = _labels(current_instant(database), minutes)
    organisations: dict[str, int] = {}
    programs: dict[str, int] = {}
    groups: list[Group] = []
    beds = max(20, min(150, patients // 10))
    plan: dict[str, Sequence[tuple[dict[str, Any], int, Sequence[str]]]] = {
        NORTH: [
            (at_home("heart", 1), patients, ZONES),
            (at_home("lungs", 2), max(20, patients // 20), ZONES),
            (in_ward("ward", labels), beds, (ward_zone,)),
            (in_ward("unit", labels), beds // 2, (ward_zone,)),
        ],
        SOUTH: [
            (at_home("heart", 1), max(50, min(2000, patients // 10)), ZONES),
            (in_ward("ward", labels), beds // 2, (ward_zone,)),
        ],
    }
    for name, wanted in plan.items():
        world = bulk_world.found(database, name)
        organisations[name], programs[name] = world.organisation_id, world.program_id
        for document, count, zones in wanted:
            told(f"enrols {count:,} patients: {name}, {document['key']}")
            made = world.add(document, count=count, zones=zones)
            groups.append(
                Group(document["key"], made.organisation_id, made.protocol_id, made.prefix, made.first_id, made.count)
            )
    switches, operations = {}, {}
    for name, organisation_id in organisations.items():
        switches[name] = list_switches(database, organisation_id=organisation_id)[0].switch_id
        operations[name] = list_operations(database, organisation_id=organisation_id)[0].operation_id
    return World(organisations, programs, tuple(groups), ward_zone, labels, switches, operations)


def _labels(at: datetime, minutes: float) -> tuple[str, tuple[str, ...]]:
    """A zone in which the run does not cross midnight, and the minutes of the run and some more."""
    count = int(minutes) + AFTERWARDS_MINUTES
    first_at = at.replace(second=0, microsecond=0)
    for zone in WARD_ZONES:
        begin = local_of(first_at, zone)
        times = [begin + timedelta(minutes=minute) for minute in range(min(count, 1_000))]
        if times[-1].date() == begin.date():
            return zone, tuple(f"{each:%H:%M}" for each in times)
    raise ValueError("a run of more than a day has no place in a civil day")
