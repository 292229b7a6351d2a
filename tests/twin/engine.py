"""What may happen to a database with a few patients, each step as a process takes it, beside their twin."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any

from tests.conftest import Clock
from tests.twin.crash import crash_after
from tests.twin.patients import Patients
from tests.twin.steps import PATIENTS, ZONES, content_of

from lockstep.domain.content import Content
from lockstep.domain.measurement import Measurement
from lockstep.domain.operation import OperationState
from lockstep.domain.refusal import Refusal
from lockstep.engine.acceptance import accept_switch
from lockstep.engine.enrolment import discharge
from lockstep.engine.judgement import Memory, judge_due
from lockstep.engine.measurement import record_measurement
from lockstep.engine.outage import beat
from lockstep.engine.patient_event import record_event
from lockstep.engine.preview import preview_switch
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
from lockstep.store.database import Database

UNITS = {"w": "kg", "p": "/min", "r": "kg"}


class Engine(Patients):
    """Takes the steps of a history, and tells the twin each measurement."""

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, clock)
        self.memory, self.count = Memory(), 0
        self.seen: Counter[str] = Counter()
        self.scheduled: list[int] = []
        self.show_alive()
        for number in range(2):
            self._publish(number, content_of(1 + number, second=number == 0), "now", 0)
        self.enrol([(ZONES[number % 3], number % 2) for number in range(PATIENTS)])
        self.learn()

    def do(self, step: tuple[Any, ...]) -> bool:
        """The step was taken, unless it was refused; returns which."""
        name, *values = step
        # Time moves with every step, so that nothing happens at the same instant as a switch.
        self.a_second_later()
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

    # -- the end of an enrolment

    def do_discharge(self, patient: int) -> None:
        discharge(self.database, **self.of, enrolment_id=self.enrolments[patient], reason="t", actor="t")

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
