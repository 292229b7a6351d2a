"""A small world for the tests of switches: one organisation, two protocols, patients in several zones."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lockstep.domain.acceptance import Accepted
from lockstep.domain.content import Content
from lockstep.domain.enrolment import NewEnrolment
from lockstep.domain.patient import NewPatient
from lockstep.domain.preview import Preview
from lockstep.domain.protocol import parse
from lockstep.domain.timeline import in_force, segments
from lockstep.engine.agenda import bring_in_step
from lockstep.engine.enrolment import enrol_many
from lockstep.engine.organisation import create_organisation
from lockstep.engine.patient import register_patients
from lockstep.engine.preview import preview_switch
from lockstep.engine.program import open_program
from lockstep.engine.protocol import create_protocol
from lockstep.engine.switch import accept_switch
from lockstep.store.clock import now
from lockstep.store.database import Database
from lockstep.store.timeline import load_enrolments, load_world


def activity(key: str = "weight", *, opens: str = "08:00", closes: str = "10:00", **more: Any) -> dict[str, Any]:
    """An activity once a day, with a limit at 100."""
    return {
        "key": key,
        "title": key,
        "code": key,
        "unit": "kg",
        "schedule": {"every": "1 day", "times": [{"label": "morning", "opens": opens, "closes": closes}]},
        "grace": "1h",
        "rules": [{"key": "high", "above": 100, "severity": "red"}],
        **more,
    }


def every(days: int, *times: tuple[str, str, str]) -> dict[str, Any]:
    """A schedule every so many days at times (label, opens, closes)."""
    chosen = times or (("morning", "08:00", "10:00"),)
    return {
        "every": f"{days} days" if days > 1 else "1 day",
        "times": [{"label": label, "opens": opens, "closes": closes} for label, opens, closes in chosen],
    }


def content(*activities: dict[str, Any], **more: Any) -> Content:
    """A protocol's content with these activities."""
    return parse({"key": "p", "title": "P", "activities": list(activities), **more})


@dataclass
class World:
    """An organisation with a program, protocols and enrolments."""

    database: Database
    organisation_id: int
    program_id: int
    keys: int = 0
    enrolments: dict[str, int] = field(default_factory=dict)

    def protocol(self, key: str) -> int:
        return create_protocol(
            self.database,
            organisation_id=self.organisation_id,
            program_id=self.program_id,
            key=key,
            title=key,
            actor="t.ester",
        ).protocol_id

    def enrol(
        self, protocol_id: int, names: Sequence[str], *, zone: str = "Europe/Amsterdam", **more: Any
    ) -> list[int]:
        patients = register_patients(
            self.database,
            organisation_id=self.organisation_id,
            patients=[NewPatient(identifier=name, zone=zone) for name in names],
            actor="t.ester",
        )
        enrolled = enrol_many(
            self.database,
            organisation_id=self.organisation_id,
            enrolments=[
                NewEnrolment(patient_id=patient.patient_id, program_id=self.program_id, protocol_id=protocol_id, **more)
                for patient in patients
            ],
            actor="t.ester",
        )
        found = [each.enrolment_id for each in enrolled]
        self.enrolments.update(zip(names, found, strict=True))
        return found

    def preview(self, kind: str, protocol_id: int, /, **more: Any) -> Preview:
        return preview_switch(
            self.database,
            organisation_id=self.organisation_id,
            kind=kind,
            protocol_id=protocol_id,
            **{"actor": "m.anager", "reason": "a test", **more},
        )

    def accept(self, preview: Preview, *, key: str = "", actor: str = "m.anager", **more: Any) -> Accepted:
        self.keys += 1
        return accept_switch(
            self.database,
            organisation_id=self.organisation_id,
            switch_id=preview.switch_id,
            client_key=key or f"key {self.keys}",
            actor=actor,
            **more,
        )

    def publish(self, protocol_id: int, *activities: dict[str, Any], **more: Any) -> Accepted:
        return self.accept(self.preview("publish", protocol_id, content=content(*activities), **more))

    def move(self, protocol_id: int, target: int, **more: Any) -> Accepted:
        return self.accept(self.preview("move", protocol_id, target_protocol_id=target, **more))

    def in_force(self, enrolment_id: int, at: datetime | None = None) -> tuple[int, int | None]:
        """Protocol and version in force for the enrolment at the instant (default: now)."""
        with self.database.transaction(self.organisation_id, read_only=True) as connection:
            facts = load_enrolments(connection, organisation_id=self.organisation_id, enrolment_ids=[enrolment_id])[
                enrolment_id
            ]
            world = load_world(
                connection,
                organisation_id=self.organisation_id,
                protocol_ids={assigned.protocol_id for assigned in facts.assignments},
            )
            segment = in_force(segments(facts, world), at or now(connection))
        assert segment is not None
        return segment.protocol_id, segment.version_number

    def bring_in_step(self) -> None:
        """Every agenda is what is in force now, as a recalculation leaves it."""
        with self.database.transaction(self.organisation_id) as connection:
            bring_in_step(
                connection,
                organisation_id=self.organisation_id,
                enrolment_ids=list(self.enrolments.values()),
                now=now(connection),
            )


def found(database: Database, key: str = "world") -> World:
    """A new organisation with one program."""
    organisation = create_organisation(database, key=key, title=key, actor="t.ester")
    program = open_program(
        database, organisation_id=organisation.organisation_id, key="heart", title="Heart", actor="t.ester"
    )
    return World(database, organisation.organisation_id, program.program_id)
