"""A database with one organisation, two protocols and a few patients, beside their twin."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from tests.conftest import Clock
from tests.twin.crash import crash_after
from tests.twin.model import Twin
from tests.twin.steps import PATIENTS, ZONES, content_of

from lockstep.domain.content import Content
from lockstep.domain.enrolment import NewEnrolment
from lockstep.domain.measurement import Measurement
from lockstep.domain.operation import OperationState
from lockstep.domain.patient import NewPatient
from lockstep.domain.refusal import Refusal
from lockstep.engine.acceptance import accept_switch
from lockstep.engine.enrolment import assign, discharge, enrol_many
from lockstep.engine.judgement import Memory, judge_due
from lockstep.engine.measurement import record_measurement
from lockstep.engine.organisation import create_organisation
from lockstep.engine.outage import beat
from lockstep.engine.patient import change_zone, register_patients
from lockstep.engine.patient_event import record_event
from lockstep.engine.pause import pause, resume
from lockstep.engine.personal_change import clear_personal_change, set_personal_change
from lockstep.engine.preview import preview_switch
from lockstep.engine.program import open_program
from lockstep.engine.protocol import create_protocol
from lockstep.engine.recalculation import (
    begin,
    conclude,
    list_work,
    recalculate_chunk,
    request_recalculation,
    step_changes,
    sweep,
    verify,
)
from lockstep.engine.switch import withdraw_switch
from lockstep.store import recalculation as recalculation_store
from lockstep.store import timeline as facts_store
from lockstep.store.database import Database

BEGINS = datetime(2026, 3, 27, 6, 30, tzinfo=UTC)  # two days before the clocks change in Europe
UNITS = {"w": "kg", "p": "/min", "r": "kg"}


class Engine:
    """PostgreSQL and the twin, which learns each fact as it is and is told each measurement."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database, self.clock, self.now = database, clock, BEGINS
        self.twin, self.memory, self.count = Twin(), Memory(), 0
        self.seen: Counter[str] = Counter()
        self.scheduled: list[int] = []
        self.patients: list[int] = []
        self.enrolments: list[int] = []
        self.everyone: list[int] = []
        self.paused_afterwards: set[int] = set()
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
        self.show_alive()
        for number in range(2):
            self._publish(number, content_of(1 + number, second=number == 0), "now", 0)
        self._enrol([(ZONES[number % 3], number % 2) for number in range(PATIENTS)])
        self.learn()

    def learn(self) -> None:
        """The twin knows the facts as they are."""
        with self.database.transaction(self.of["organisation_id"]) as connection:
            self.twin.learn(
                facts_store.load_world(connection, **self.of, protocol_ids=self.protocols),
                facts_store.load_enrolments(connection, **self.of, enrolment_ids=self.everyone),
                facts_store.load_outages(connection, **self.of, since_at=BEGINS),
            )
        self.twin.settle(self.now)

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

    def do(self, step: tuple[Any, ...]) -> bool:
        """The step was taken, unless it was refused; returns which."""
        name, *values = step
        # Time moves with every step, so that nothing happens at the same instant as a switch.
        self._a_second_later()
        handler: Callable[..., None] = getattr(self, "do_" + name.replace(" ", "_"))
        taken = False
        with suppress(Refusal):
            handler(*values)
            self.seen[name] += 1
            taken = True
        self.learn()
        return taken

    # -- time

    def do_pass(self, hours: int) -> None:
        # Some minutes over, so that no instant is exactly an opening or a close.
        self.do_judge()
        self.do_wait(hours)

    def do_wait(self, hours: int) -> None:
        self.pass_until(self.now + timedelta(hours=hours, minutes=17))

    def do_outage(self, hours: int) -> None:
        """Nothing came in for hours; what was due in them is not judged before."""
        self.do_judge()
        self.now += timedelta(hours=hours, minutes=17)
        self.clock.set(self.now)
        assert beat(self.database, **self.of, source="recording") is not None

    def do_judge(self) -> None:
        """Everything due is judged, as the duty does in its rounds."""
        self.learn()
        for _ in range(200):
            if not judge_due(self.database, **self.of, horizon_at=self.now, size=5, memory=self.memory).more:
                break
        # Who is behind without a row that is due is judged once in step.
        self.twin.judge(self.now, left_out=self.behind())

    # -- measurements and events

    def do_measure(self, patient: int, code: str) -> None:
        self.do_measure_late(patient, code, 0)

    def do_measure_late(self, patient: int, code: str, hours: int) -> None:
        self.count += 1
        self._measure(patient, code, self.now - timedelta(hours=hours))
        self.twin.measure(self.patients[patient], code, self.now - timedelta(hours=hours), self.now)

    def _measure(self, patient: int, code: str, taken_at: datetime) -> None:
        record_measurement(
            self.database,
            **self.of,
            measurement=Measurement(
                source="t",
                identifier=str(self.count),
                patient=f"p{self.patients[patient]}",
                code=code,
                value=Decimal(70),
                finding=None,
                unit=UNITS[code],
                taken_at=taken_at,
            ),
        )

    def do_event(self, patient: int, hours: int) -> None:
        self.count += 1
        at = self.now - timedelta(hours=hours, seconds=self.count)
        patient_id = self.patients[patient]
        record_event(
            self.database,
            **self.of,
            patient_id=patient_id,
            event="meal",
            at=at,
            source="t",
            identifier=str(self.count),
        )

    # -- switches

    def _switch(self, kind: str, number: int, effective: str, hours: int, **more: Any) -> None:
        self.count += 1
        if effective == "civil":
            more["effective_local"] = datetime.combine((self.now + timedelta(hours=hours)).date(), time(hours % 24))
        if effective == "instant":
            more["effective_at"] = self.now + timedelta(hours=hours)
        preview = preview_switch(
            self.database,
            **self.of,
            kind=kind,
            protocol_id=self.protocols[number],
            reason="t",
            actor="t",
            effective=effective,
            **more,
        )
        in_step = not self.behind()
        before = {each: self.twin.course(each, self.now) for each in self.twin.enrolments}
        accept_switch(self.database, **self.of, switch_id=preview.switch_id, client_key=f"k{self.count}", actor="t")
        if effective == "now" and in_step:
            self.learn()
            chosen = set(more.get("enrolment_ids", self.everyone))
            happened = self.twin.effect(before, self.protocols[number], chosen, self.now)
            assert (preview.figures.patients, preview.figures.open_now()) == happened, "the preview counted otherwise"
        if effective != "now":
            self.scheduled.append(preview.switch_id)

    def _publish(self, number: int, content: Content, effective: str, hours: int, **more: Any) -> None:
        self._switch("publish", number, effective, hours, content=content, **more)

    def do_publish(self, number: int, said: Sequence[Any], effective: str, hours: int) -> None:
        self._publish(number, content_of(*said), effective, hours)

    def do_publish_to(self, number: int, said: Sequence[Any], members: set[int], effective: str, hours: int) -> None:
        self._publish(number, content_of(*said), effective, hours, **self._selection(members))

    def do_move(self, number: int, effective: str, hours: int) -> None:
        self._switch("move", number, effective, hours, target_protocol_id=self.protocols[1 - number])

    def do_move_some(self, number: int, members: set[int], effective: str, hours: int) -> None:
        target = self.protocols[1 - number]
        self._switch("move", number, effective, hours, target_protocol_id=target, **self._selection(members))

    def _selection(self, members: set[int]) -> dict[str, Any]:
        return {"scope": "selection", "enrolment_ids": [self.enrolments[member] for member in sorted(members)]}

    def do_withdraw(self) -> None:
        if not self.scheduled:
            raise Refusal
        withdraw_switch(self.database, **self.of, switch_id=self.scheduled.pop(), reason="t", actor="t")

    # -- recalculation

    def do_recalculate(self, chunks: int, size: int) -> None:
        for operation in list_work(self.database, **self.of):
            begin(self.database, **self.of, operation=operation)
            for _ in range(chunks):
                recalculate_chunk(self.database, **self.of, operation=operation, size=size, memory=self.memory.chunk)
        # Read again: their states have changed. What is verifying ends when it is verified once more.
        for operation in list_work(self.database, **self.of):
            done = verify(self.database, **self.of, operation=operation)
            if done and operation.state == OperationState.VERIFYING:
                conclude(self.database, **self.of, operation=operation)
        step_changes(self.database, **self.of, size=size, memory=self.memory.chunk)

    def do_recalculate_all(self, number: int) -> None:
        protocol_id = self.protocols[number]
        request_recalculation(
            self.database, **self.of, protocol_id=protocol_id, selection_id=None, actor="t", sentence="t"
        )

    def do_sweep(self, size: int) -> None:
        cursor: int | None = 0
        while cursor is not None:
            _, cursor = sweep(self.database, **self.of, cursor_id=cursor, size=size, memory=self.memory.chunk)

    def do_crash(self, what: str, statements: int, patient: int) -> None:
        """A process dies while it does something, and another one does it again."""
        self.count += 1
        doing: dict[str, Callable[[], object]] = {
            "recalculate": lambda: self.do_recalculate(3, 4),
            "change": lambda: step_changes(self.database, **self.of, size=9, memory=self.memory.chunk),
            "sweep": lambda: self.do_sweep(4),
            "judge": lambda: judge_due(self.database, **self.of, horizon_at=self.now, size=5, memory=self.memory),
            "measure": lambda: self._measure(patient, "w", self.now),
        }
        with crash_after(statements) as crashed:
            doing[what]()
        # What nobody remembers any more.
        self.memory = Memory()
        doing[what]()
        if what == "measure":
            self.twin.measure(self.patients[patient], "w", self.now, self.now)
        if what == "judge":
            self.do_judge()
        if not crashed[0]:
            raise Refusal

    # -- facts of one patient

    def _enrol(self, wanted: Sequence[tuple[str, int]]) -> None:
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

    def do_discharge(self, patient: int) -> None:
        # What closed before is decided before: afterwards nothing is.
        self.drain()
        self.do_judge()
        discharge(self.database, **self.of, enrolment_id=self.enrolments[patient], reason="t", actor="t")

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
        if begins is not None:
            self.paused_afterwards.add(self.enrolments[patient])

    def do_resume(self, patient: int) -> None:
        if not any(facts.pauses for facts in self.twin.enrolments.values()):
            self.do_pause(patient, 0, 30)
            self._a_second_later()
        resume(self.database, **self.of, enrolment_id=self._one_with(patient, "pauses"), actor="t")

    def _a_second_later(self) -> None:
        self.learn()
        self.pass_until(self.now + timedelta(seconds=1))

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
            self._a_second_later()
        clear_personal_change(
            self.database,
            **self.of,
            enrolment_id=self._one_with(patient, "personal_changes"),
            activity_key="weight",
            field="schedule",
            reason="t",
            actor="t",
        )

    # -- whether they agree

    def drain(self) -> None:
        """Recalculation ends by itself."""
        for _ in range(100):
            self.do_recalculate(8, 4)
            if not self.behind():
                return
        raise AssertionError("recalculation does not converge")

    def behind(self) -> set[int]:
        """The enrolments of which the head is behind."""
        with self.database.transaction(self.of["organisation_id"]) as connection:
            behind, _ = recalculation_store.list_behind(connection, **self.of, now=self.now, size=1000)
        return set(behind)
