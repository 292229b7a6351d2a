"""The demo's world, made through the engine: organisations, programs, protocols, patients, enrolments."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from lockstep.domain.acceptance import Accepted
from lockstep.domain.civil import local_of
from lockstep.domain.content import Content
from lockstep.domain.days import EveryDays, Weekly
from lockstep.domain.enrolment import NewEnrolment
from lockstep.domain.patient import NewPatient
from lockstep.domain.preview import Preview
from lockstep.domain.protocol import parse
from lockstep.domain.schedule import Schedule
from lockstep.domain.switch import SwitchKind
from lockstep.engine.enrolment import enrol_many
from lockstep.engine.organisation import create_organisation
from lockstep.engine.patient import register_patients
from lockstep.engine.program import open_program
from lockstep.engine.protocol import create_protocol
from lockstep.engine.switch import accept_switch, approve_switch, preview_switch
from lockstep.proof.example import example_protocols
from lockstep.proof.plan import ORGANISATIONS, PLACES, WARD, ZONES, Plan, identifier
from lockstep.store.database import Database

ACTOR = "Maria, programme manager"
SECOND = "Dr Okafor, physician"
SLICE = 5_000
WARD_MINUTES = 120


@dataclass(frozen=True, slots=True)
class Ward:
    """Who is asked every minute: the zone they live in, the windows by label, the enrolments by patient's number."""

    zone: str
    protocol_id: int
    windows: tuple[str, ...]
    first_at: datetime
    enrolments: dict[int, int]

    def opens_at(self, label: str) -> datetime:
        """When the window opens."""
        return self.first_at + timedelta(minutes=self.windows.index(label))


@dataclass(frozen=True, slots=True)
class World:
    """What was made, with the numbers it was given; the enrolments of the place that will be switched."""

    plan: Plan
    organisations: dict[str, int]
    protocols: dict[tuple[int, str], int]
    switched: tuple[int, ...]
    ward: Ward

    def organisation_id(self, place: int) -> int:
        """The organisation of a place."""
        return self.organisations[PLACES[place].organisation]

    def protocols_of(self, place: int) -> list[str]:
        """The keys of the protocols of the place's program."""
        return [*PLACES[place].protocols, *(["step-down"] if place == WARD else [])]

    def protocol_id(self, place: int) -> int:
        """The protocol that the patients of a place are on."""
        return self.protocols[place, PLACES[place].protocols[0]]


def build(database: Database, plan: Plan, told: Callable[[int], None]) -> World:
    """The world exists; `told` hears how many patients are enrolled so far."""
    organisations = {
        key: create_organisation(database, key=key, title=title, actor=ACTOR).organisation_id
        for key, title in ORGANISATIONS.items()
    }
    protocols: dict[tuple[int, str], int] = {}
    switched: list[int] = []
    ward: Ward | None = None
    enrolled = 0
    for place, there in enumerate(PLACES):
        organisation_id = organisations[there.organisation]
        program_id = open_program(
            database, organisation_id=organisation_id, key=there.program, title=there.title, actor=ACTOR
        ).program_id
        for key in there.protocols:
            content = example_protocols()[key]
            protocols[place, key] = introduce(
                database, organisation_id=organisation_id, program_id=program_id, content=content
            )

        def count(more: int) -> None:
            nonlocal enrolled
            enrolled += more
            told(enrolled)

        if place == WARD:
            ward = _open_ward(database, plan, organisation_id, program_id, count)
            continue
        made = _enrol(database, plan, place, organisation_id, program_id, protocols[place, there.protocols[0]], count)
        switched = made if place == 0 else switched
    assert ward is not None
    return World(plan, organisations, protocols, tuple(switched), ward)


def introduce(database: Database, *, organisation_id: int, program_id: int, content: Content) -> int:
    """The program has the protocol, in force with this content; returns its number."""
    protocol = create_protocol(
        database,
        organisation_id=organisation_id,
        program_id=program_id,
        key=content.key,
        title=content.title,
        actor=ACTOR,
    )
    preview = preview_publication(
        database,
        organisation_id=organisation_id,
        protocol_id=protocol.protocol_id,
        content=content,
        reason="The example protocol comes into use",
    )
    accept(database, organisation_id=organisation_id, preview=preview)
    return protocol.protocol_id


def preview_publication(
    database: Database, *, organisation_id: int, protocol_id: int, content: Content, reason: str
) -> Preview:
    """The preview of publishing the content for everyone on the protocol, now."""
    return preview_switch(
        database,
        organisation_id=organisation_id,
        kind=SwitchKind.PUBLISH,
        protocol_id=protocol_id,
        content=content,
        reason=reason,
        actor=ACTOR,
    )


def approve(database: Database, *, organisation_id: int, preview: Preview) -> bool:
    """A second person has approved the preview if that is needed; returns whether it was."""
    if preview.needs_approval:
        approve_switch(database, organisation_id=organisation_id, switch_id=preview.switch_id, actor=SECOND)
    return preview.needs_approval


def accept(database: Database, *, organisation_id: int, preview: Preview) -> Accepted:
    """The previewed switch is in force, approved where that is needed."""
    approve(database, organisation_id=organisation_id, preview=preview)
    return accept_switch(
        database,
        organisation_id=organisation_id,
        switch_id=preview.switch_id,
        client_key=f"demo-{preview.switch_id}",
        actor=ACTOR,
    )


def every_day(content: Content) -> Content:
    """The content with every activity that has days of the week asked every day instead."""
    activities = [
        replace(activity, schedule=replace(activity.schedule, days=EveryDays(1)))
        if isinstance(activity.schedule, Schedule) and isinstance(activity.schedule.days, Weekly)
        else activity
        for activity in content.activities
    ]
    return replace(content, activities=tuple(activities))


def _enrol(
    database: Database,
    plan: Plan,
    place: int,
    organisation_id: int,
    program_id: int,
    protocol_id: int,
    count: Callable[[int], None],
    zone: str | None = None,
) -> list[int]:
    """The patients of the place are registered and enrolled; returns the enrolments in order of number."""
    enrolments: list[int] = []
    today = datetime.now(UTC).date()
    everybody = plan.numbers(place)
    for begin in range(0, len(everybody), SLICE):
        numbers = everybody[begin : begin + SLICE]
        patients = register_patients(
            database,
            organisation_id=organisation_id,
            patients=[NewPatient(identifier(number), zone or plan.zone(number)) for number in numbers],
            actor=ACTOR,
        )
        made = enrol_many(
            database,
            organisation_id=organisation_id,
            enrolments=[
                NewEnrolment(
                    patient.patient_id, program_id, protocol_id, today - timedelta(days=plan.anchor_days_ago(number))
                )
                for number, patient in zip(numbers, patients, strict=True)
            ],
            actor=ACTOR,
        )
        enrolments += [each.enrolment_id for each in made]
        count(len(made))
    return enrolments


def _open_ward(
    database: Database, plan: Plan, organisation_id: int, program_id: int, count: Callable[[int], None]
) -> Ward:
    """Patients who are asked every minute from about now on, so that windows close while somebody watches."""
    at = datetime.now(UTC)
    zone = next(zone for zone in ZONES if local_of(at, zone).hour < 21)
    # A minute that has hardly begun can still be met by those who measure; another one cannot.
    first_at = at.replace(second=0, microsecond=0) + timedelta(minutes=0 if at.second < 40 else 1)
    local = local_of(first_at, zone)
    labels = tuple(f"{local + timedelta(minutes=minute):%H:%M}" for minute in range(WARD_MINUTES))
    protocol_id = introduce(
        database, organisation_id=organisation_id, program_id=program_id, content=parse(step_down(labels))
    )
    made = _enrol(database, plan, WARD, organisation_id, program_id, protocol_id, count, zone)
    return Ward(zone, protocol_id, labels, first_at, dict(zip(plan.numbers(WARD), made, strict=True)))


def step_down(labels: tuple[str, ...]) -> dict[str, Any]:
    """A protocol that asks for the oxygen saturation in windows of one minute, beginning at these civil times."""
    return {
        "key": "step-down",
        "title": "Virtual ward, step down",
        "note": "Made for the demonstration: no ward asks its patients every minute.",
        "on_switch": {"ask_at_once": 0},
        "activities": [
            {
                "key": "spo2",
                "title": "Oxygen saturation",
                "code": "59408-5",
                "unit": "%",
                "schedule": {
                    "every": "1 day",
                    "times": [{"label": label, "opens": label, "lasts": "1 min"} for label in labels],
                },
                "rules": [
                    {"key": "low", "at_or_below": 91, "severity": "red"},
                    {"key": "missed", "kind": "missed", "in_a_row": 1, "severity": "grey"},
                ],
            }
        ],
    }
