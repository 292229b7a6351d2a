"""A database with one organisation, two protocols and a few patients, whose facts their twin learns."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.conftest import Clock
from tests.twin.model import Twin
from tests.twin.steps import ZONES

from lockstep.domain.enrolment import NewEnrolment
from lockstep.domain.patient import NewPatient
from lockstep.engine.enrolment import assign, enrol_many
from lockstep.engine.organisation import create_organisation
from lockstep.engine.patient import change_zone, register_patients
from lockstep.engine.pause import pause, resume
from lockstep.engine.personal_change import clear_personal_change, set_personal_change
from lockstep.engine.program import open_program
from lockstep.engine.protocol import create_protocol
from lockstep.store import timeline as facts_store
from lockstep.store.database import Database

BEGINS = datetime(2026, 3, 27, 6, 30, tzinfo=UTC)  # two days before the clocks change in Europe


class Patients:
    """PostgreSQL and the twin, which learns each fact as it is: the steps that concern one patient."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database, self.clock, self.now = database, clock, BEGINS
        self.twin = Twin()
        self.patients: list[int] = []
        self.enrolments: list[int] = []
        self.everyone: list[int] = []
        clock.set(self.now)
        self.of: dict[str, Any] = {
            "organisation_id": create_organisation(database, key="o", title="O", actor="t").organisation_id
        }
        self.program_id = open_program(database, **self.of, key="p", title="P", actor="t").program_id
        self.protocols = [
            create_protocol(
                database, **self.of, program_id=self.program_id, key=f"p{number}", title="P", actor="t"
            ).protocol_id
            for number in range(2)
        ]

    def learn(self) -> None:
        """The twin knows the facts as they are."""
        with self.database.transaction(self.of["organisation_id"]) as connection:
            self.twin.learn(
                facts_store.load_world(connection, **self.of, protocol_ids=self.protocols),
                facts_store.load_enrolments(connection, **self.of, enrolment_ids=self.everyone),
                facts_store.load_outages(connection, **self.of, since_at=BEGINS),
            )
        self.twin.settle(self.now)
        self.twin.waive(self.now)

    def pass_until(self, at: datetime) -> None:
        """It is later, and ingestion was alive all the time."""
        self.now = at
        self.clock.set(self.now)
        self.show_alive()

    def show_alive(self) -> None:
        """Ingestion was seen alive now. Written directly: a gap since the last time would be an outage."""
        self.clock.connection.execute(
            "insert into ingestion_heartbeat values (%s, 'recording', %s)"
            " on conflict (organisation_id, source) do update set seen_at = excluded.seen_at",
            (self.of["organisation_id"], self.now),
        )

    def a_second_later(self) -> None:
        self.learn()
        self.pass_until(self.now + timedelta(seconds=1))

    def enrol(self, wanted: Sequence[tuple[str, int]]) -> None:
        registered = register_patients(
            self.database,
            **self.of,
            patients=[
                NewPatient(f"p{len(self.patients) + number + 1}", zone) for number, (zone, _) in enumerate(wanted)
            ],
            actor="t",
        )
        self.patients.extend(patient.patient_id for patient in registered)
        self.enrolments.extend(
            self._enrol_known(
                [(each.patient_id, protocol) for each, (_, protocol) in zip(registered, wanted, strict=True)]
            )
        )

    def _enrol_known(self, wanted: Sequence[tuple[int, int]]) -> list[int]:
        enrolled = enrol_many(
            self.database,
            **self.of,
            enrolments=[NewEnrolment(patient, self.program_id, self.protocols[number]) for patient, number in wanted],
            actor="t",
        )
        numbers = [each.enrolment_id for each in enrolled]
        self.everyone.extend(numbers)
        return numbers

    def do_enrol(self, patient: int, number: int) -> None:
        """A discharged patient comes back; another one brings somebody new."""
        if self.twin.enrolments[self.enrolments[patient]].discharged_at is not None:
            self.enrolments[patient] = self._enrol_known([(self.patients[patient], number)])[0]
            return
        before = len(self.everyone)
        identifier = f"p{len(self.patients) + 1000 + before}"
        (new,) = register_patients(
            self.database, **self.of, patients=[NewPatient(identifier, ZONES[before % 3])], actor="t"
        )
        self._enrol_known([(new.patient_id, number)])

    def do_assign(self, patient: int, number: int, hours: int) -> None:
        assign(
            self.database,
            **self.of,
            enrolment_id=self.enrolments[patient],
            protocol_id=self.protocols[number],
            from_at=self.now + timedelta(hours=hours) if hours else None,
            actor="t",
        )

    def do_pause(self, patient: int, ago: int, hours: int) -> None:
        """For some hours from now on, or entered afterwards."""
        begins = self.now - timedelta(hours=ago - 6) if ago > 6 else None
        pause(
            self.database,
            **self.of,
            enrolment_id=self.enrolments[patient],
            from_at=begins,
            until_at=self.now + timedelta(hours=hours),
            reason="t",
            actor="t",
        )

    def do_resume(self, patient: int) -> None:
        if not any(facts.pauses for facts in self.twin.enrolments.values()):
            self.do_pause(patient, 0, 30)
            self.a_second_later()
        resume(self.database, **self.of, enrolment_id=self._one_with(patient, "pauses"), actor="t")

    def _one_with(self, patient: int, facts: str) -> int:
        """The enrolment of the first patient from this one on who has such facts."""
        turned = [*self.enrolments[patient:], *self.enrolments[:patient]]
        return next((each for each in turned if getattr(self.twin.enrolments[each], facts)), turned[0])

    def do_zone(self, patient: int, zone: str, hours: int) -> None:
        change_zone(
            self.database,
            **self.of,
            patient_id=self.patients[patient],
            zone=zone,
            from_at=self.now + timedelta(hours=hours) if hours else None,
            actor="t",
        )

    def do_personal(self, patient: int, opens: str) -> None:
        set_personal_change(
            self.database,
            **self.of,
            enrolment_id=self.enrolments[patient],
            activity_key="weight",
            field="schedule",
            value={"every": "1 day", "times": [{"label": "morning", "opens": opens, "closes": "11:00"}]},
            reason="t",
            actor="t",
        )

    def do_give_back(self, patient: int) -> None:
        if not any(facts.personal_changes for facts in self.twin.enrolments.values()):
            self.do_personal(patient, "09:00")
            self.a_second_later()
        clear_personal_change(
            self.database,
            **self.of,
            enrolment_id=self._one_with(patient, "personal_changes"),
            activity_key="weight",
            field="schedule",
            reason="t",
            actor="t",
        )
