"""The office: patients come, go, pause, come back, and move to another zone, whatever else happens."""

from datetime import UTC, datetime, timedelta
from typing import Any

from lockstep.domain.enrolment import NewEnrolment
from lockstep.domain.patient import NewPatient
from lockstep.engine.enrolment import discharge, enrol_many
from lockstep.engine.patient import change_zone, find_patients, register_patients
from lockstep.engine.pause import pause, resume
from lockstep.proof.stress.clients.client import Client, Order
from lockstep.proof.stress.world import NORTH, ZONES, Group

BATCH = 3


class Office(Client):
    """Enrols, discharges, pauses, resumes and changes zones of patients of its own."""

    def __init__(self, order: Order) -> None:
        super().__init__(order)
        self.number = 0
        self.own: list[tuple[Group, int, int]] = []
        self.paused: list[tuple[Group, int]] = []

    def step(self) -> None:
        """One decision."""
        drawn = self.chance.random()
        if drawn < 0.35 or len(self.own) < 5:
            self.enrol(self.world.group(NORTH, self.chance.choice(("heart", "heart", "ward"))))
        elif drawn < 0.55:
            group, enrolment_id, _ = self.own.pop(self.chance.randrange(len(self.own)))
            self.discharge(group, enrolment_id)
        elif drawn < 0.7:
            self._pause()
        elif drawn < 0.8 and self.paused:
            group, enrolment_id = self.paused.pop(0)
            self._resume(group, enrolment_id)
        else:
            group, _, patient_id = self.chance.choice(self.own)
            self.move(group, patient_id)

    def enrol(self, group: Group) -> None:
        """Some new patients are registered and enrolled."""
        zone = self.chance.choice(ZONES)
        organisation_id = group.organisation_id
        names = []
        for _ in range(BATCH):
            self.number += 1
            names.append(f"new-{self.order.name}-{self.number}")
        ids = self.insist(
            "register",
            organisation_id,
            lambda: [
                each.patient_id
                for each in register_patients(
                    self.database,
                    organisation_id=organisation_id,
                    patients=[NewPatient(name, zone) for name in names],
                    actor=self.order.name,
                )
            ],
            lambda found: {"patients": found},
            patients=[[name, zone] for name in names],
        )
        if ids is None:
            # Refused, because an attempt that nobody answered had been carried out.
            found = self.insist(
                "find",
                organisation_id,
                lambda: find_patients(self.database, organisation_id=organisation_id, identifiers=names),
                lambda found: {"count": len(found)},
            )
            ids = [found[name].patient_id for name in names if name in found] if found else []
        if ids:
            self._enrol(group, ids)

    def _enrol(self, group: Group, ids: list[int]) -> None:
        program_id = self.world.programs[NORTH]
        enrolled = self.insist(
            "enrol",
            group.organisation_id,
            lambda: enrol_many(
                self.database,
                organisation_id=group.organisation_id,
                enrolments=[NewEnrolment(patient_id, program_id, group.protocol_id) for patient_id in ids],
                actor=self.order.name,
            ),
            lambda found: {"enrolments": [each.enrolment_id for each in found], "at": found[0].enrolled_at},
            patients=ids,
            protocol=group.protocol_id,
        )
        self.own += [(group, each.enrolment_id, each.patient_id) for each in enrolled or ()]

    def discharge(self, group: Group, enrolment_id: int) -> None:
        """The enrolment has ended."""
        self._decide("discharge", group, enrolment_id, discharge, reason="moved away")

    def _pause(self) -> None:
        group, enrolment_id, _ = self.chance.choice(self.own)
        until_at = datetime.now(UTC) + timedelta(seconds=self.chance.randint(20, 120))
        self._decide("pause", group, enrolment_id, pause, reason="in hospital", until_at=until_at)
        self.paused.append((group, enrolment_id))

    def _resume(self, group: Group, enrolment_id: int) -> None:
        self._decide("resume", group, enrolment_id, resume)

    def _decide(self, do: str, group: Group, enrolment_id: int, work: Any, **more: Any) -> None:
        self.insist(
            do,
            group.organisation_id,
            lambda: work(
                self.database,
                organisation_id=group.organisation_id,
                enrolment_id=enrolment_id,
                actor=self.order.name,
                **more,
            ),
            lambda answer: {"at": getattr(answer, "from_at", answer)},
            enrolment=enrolment_id,
        )

    def move(self, group: Group, patient_id: int) -> None:
        """The patient lives elsewhere from now on."""
        zone = self.chance.choice(ZONES)
        self.insist(
            "zone",
            group.organisation_id,
            lambda: change_zone(
                self.database,
                organisation_id=group.organisation_id,
                patient_id=patient_id,
                zone=zone,
                actor=self.order.name,
            ),
            lambda span: {"at": span.from_at},
            patient=patient_id,
            zone=zone,
        )
