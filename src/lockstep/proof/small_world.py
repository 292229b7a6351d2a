"""A small world made directly in the tables: one organisation, its protocols, patients and enrolments."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from lockstep.domain.content import Content
from lockstep.domain.enrolment import NewEnrolment
from lockstep.domain.measurement import Measurement
from lockstep.domain.patient import NewPatient
from lockstep.domain.protocol import content_hash, parse, to_document
from lockstep.engine.enrolment import enrol_many
from lockstep.engine.patient import register_patients
from lockstep.store.clock import now
from lockstep.store.database import Connection, Database

SLICE = 5000


@dataclass(slots=True)
class SmallWorld:
    """One organisation with what has been put into it; every method is one transaction or a few."""

    database: Database
    organisation_id: int
    program_id: int
    enrolment_of: dict[str, int] = field(default_factory=dict)

    def protocol(self, key: str) -> int:
        """A new protocol, without a version."""
        with self.database.transaction(self.organisation_id) as connection:
            protocol_id = _one(
                connection,
                "insert into protocol (organisation_id, program_id, key, title) values (%s, %s, %s, %s)"
                " returning protocol_id",
                [self.organisation_id, self.program_id, key, key],
            )
            connection.execute(
                "insert into protocol_control (organisation_id, protocol_id) values (%s, %s)",
                [self.organisation_id, protocol_id],
            )
        return protocol_id

    def publish(
        self, protocol_id: int, document: dict[str, Any] | Content, *, timing: bool = True, at: datetime | None = None
    ) -> int:
        """A new version for everyone, in force now or at a later instant; its number. Recalculates nothing."""
        content = document if isinstance(document, Content) else parse(document)
        organisation_id = self.organisation_id
        with self.database.transaction(organisation_id) as connection:
            accepted_at = now(connection)
            number = _one(
                connection,
                "update protocol_control set last_switch_number = last_switch_number + 1,"
                " last_version_number = last_version_number + 1 where organisation_id = %s and protocol_id = %s"
                " returning last_switch_number",
                [organisation_id, protocol_id],
            )
            digest = content_hash(content)
            text = json.dumps(to_document(content))
            connection.execute(
                "insert into version (organisation_id, protocol_id, number, content, content_hash, timing_hash,"
                " published_by, published_at) values (%s, %s, %s, %s, %s, %s, 'world', %s)",
                [organisation_id, protocol_id, number, text, digest, digest, accepted_at],
            )
            switch_id = _one(
                connection,
                "insert into switch (organisation_id, kind, protocol_id, content, content_hash, scope, effective,"
                " effective_at, reason, seen_switch_number, figures, previewed_by, previewed_at, expires_at)"
                " values (%s, 'publish', %s, %s, %s, 'everyone', %s, %s, 'world', %s, '{}', 'world', %s, %s)"
                " returning switch_id",
                [
                    organisation_id, protocol_id, text, digest, "instant" if at else "now", at, number - 1, accepted_at,
                    accepted_at,
                ],
            )  # fmt: skip
            connection.execute(
                "insert into switch_acceptance (organisation_id, switch_id, protocol_id, number, kind, version_number,"
                " scope, effective, effective_at, first_at, last_at, generation, operation_id, client_key,"
                " request_hash, accepted_by, accepted_at)"
                " values (%s, %s, %s, %s, 'publish', %s, 'everyone', %s, %s, %s, %s,"
                " case when %s then nextval('generation_seq') end, 0, %s, '', 'world', %s)",
                [
                    organisation_id, switch_id, protocol_id, number, number, "instant" if at else "now", at,
                    at or accepted_at, at or accepted_at, timing, f"world {switch_id}", accepted_at,
                ],
            )  # fmt: skip
        return number

    def enrol(
        self,
        protocol_id: int,
        patients: Sequence[str],
        *,
        zone: str = "Europe/Amsterdam",
        anchor_on: date | None = None,
    ) -> list[int]:
        """New patients are enrolled on the protocol from now on, with heads and rows; the enrolments in order."""
        enrolments: list[int] = []
        for begin in range(0, len(patients), SLICE):
            made = register_patients(
                self.database,
                organisation_id=self.organisation_id,
                patients=[NewPatient(patient, zone) for patient in patients[begin : begin + SLICE]],
                actor="world",
            )
            enrolled = enrol_many(
                self.database,
                organisation_id=self.organisation_id,
                enrolments=[
                    NewEnrolment(patient.patient_id, self.program_id, protocol_id, anchor_on) for patient in made
                ],
                actor="world",
            )
            enrolments.extend(each.enrolment_id for each in enrolled)
        self.enrolment_of.update(zip(patients, enrolments, strict=True))
        return enrolments


def found(database: Database, key: str = "world") -> SmallWorld:
    """A new organisation with one program."""
    with database.transaction(None) as connection:
        organisation_id = _one(
            connection, "select nextval(pg_get_serial_sequence('organisation', 'organisation_id'))", []
        )
    with database.transaction(organisation_id) as connection:
        connection.execute(
            "insert into organisation (organisation_id, key, title) values (%s, %s, %s)",
            [organisation_id, f"{key}-{organisation_id}", key],
        )
        program_id = _one(
            connection,
            "insert into program (organisation_id, key, title) values (%s, %s, %s) returning program_id",
            [organisation_id, key, key],
        )
    return SmallWorld(database, organisation_id, program_id)


def _one(connection: Connection, query: Any, values: Sequence[Any]) -> int:
    row = connection.execute(query, values).fetchone()
    assert row is not None
    number: int = row[0]
    return number


def weights(
    *,
    times: Sequence[tuple[str, str, str]] = (("morning", "08:00", "10:00"),),
    grace: str = "2h",
    quantity: int = 1,
    above: float = 90,
    rules: Sequence[dict[str, Any]] = (),
    **more: Any,
) -> dict[str, Any]:
    """A protocol with one activity: a weight every day, at times (label, opens, closes), red above a number of kg."""
    activity: dict[str, Any] = {
        "key": "weight",
        "title": "Weight",
        "code": "29463-7",
        "unit": "kg",
        "schedule": {
            "every": "1 day",
            "times": [{"label": label, "opens": opens, "closes": closes} for label, opens, closes in times],
        },
        "grace": grace,
        "quantity": quantity,
        "rules": [
            {"key": "heavy", "above": above, "severity": "red"},
            {"key": "missed", "kind": "missed", "in_a_row": 1, "severity": "grey"},
            *rules,
        ],
        **more,
    }
    return {"key": "weights", "title": "Weights", "activities": [activity]}


def weighed(
    patient: str,
    identifier: str,
    taken_at: datetime,
    value: str | None = "80",
    *,
    unit: str = "kg",
    code: str = "29463-7",
    finding: str | None = None,
    clock_flagged: bool = False,
) -> Measurement:
    """A weight as a scale sends it."""
    return Measurement(
        source="scale",
        identifier=identifier,
        patient=patient,
        code=code,
        value=None if value is None else Decimal(value),
        finding=finding,
        unit=unit if value is not None else "",
        taken_at=taken_at,
        clock_flagged=clock_flagged,
    )
