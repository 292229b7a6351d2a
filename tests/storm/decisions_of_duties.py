"""What happens by itself, and measurements coming in, each in a situation where there is something to do."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from tests.engine.switch_world import activity, content
from tests.storm.scene import (
    ACTOR,
    ANOTHER,
    BEGINS,
    GOES_ON,
    JUDGED,
    MORNING,
    NOTHING_LEFT,
    PULSE,
    THE_SAME,
    WEIGHT,
    Act,
    Process,
    Scene,
    decision,
)

from lockstep.domain.measurement import Measurement
from lockstep.domain.operation import OperationState
from lockstep.engine.acceptance_overlap import judge_overlap
from lockstep.engine.audit import seal
from lockstep.engine.check import check_slice, check_some, finish, start_check
from lockstep.engine.duty import clear_jobs, ensure_partitions
from lockstep.engine.judgement import judge_due
from lockstep.engine.measurement import record_measurement, record_measurements, show_alive
from lockstep.engine.outage import beat
from lockstep.engine.patient import change_zone
from lockstep.engine.patient_event import record_event
from lockstep.engine.recalculation import (
    begin,
    conclude,
    recalculate_chunk,
    recalculate_enrolment,
    retry_exceptions,
    set_aside,
    step_changes,
    step_singly,
    sweep,
    sweep_singly,
    verify,
)
from lockstep.engine.repair import repair
from lockstep.engine.verification import verify_further
from lockstep.engine.worker import leave, sign

DAY = timedelta(days=1)
STARTED = ("operation", "operation_event", "audit_entry")

# -- measurements and events


@decision("measurement.record_measurement", again=GOES_ON, differing=("ingestion_heartbeat",))
def _record(scene: Scene) -> Act:
    scene.pass_until(MORNING)
    measurement = scene.weighed("anna", "1", MORNING, 130)
    return lambda who: record_measurement(who.database, **scene.of, measurement=measurement)


@decision("measurement.record_measurements", again=GOES_ON, differing=("ingestion_heartbeat",))
def _record_many(scene: Scene) -> Act:
    """Late and in time, of somebody missed meanwhile, of a moved one, a repeat, one of nobody."""
    scene.judge(JUDGED)
    some = {"scope": "selection", "enrolment_ids": [scene.enrolment("bram")]}
    scene.accept(scene.preview("move", target_protocol_id=scene.lungs, **some))
    scene.pass_until(JUDGED + timedelta(minutes=5))
    sent = [
        scene.weighed("anna", "1", MORNING),
        scene.weighed("bram", "2", JUDGED + timedelta(minutes=4)),
        scene.weighed("carl", "3", MORNING, 140),
        scene.weighed("carl", "3", MORNING, 140),
        scene.weighed("nobody", "4", MORNING),
        Measurement("scale", "5", "anna", "pulse", Decimal(70), None, "kg", MORNING),
    ]
    return lambda who: record_measurements(who.database, **scene.of, items=sent)


@decision("measurement.show_alive", again=GOES_ON, differing=("ingestion_heartbeat",), silent=True)
def _show_alive(scene: Scene) -> Act:
    scene.clock.set(BEGINS + timedelta(seconds=30))
    return lambda who: show_alive(who.database, scene.world.organisation_id)


@decision("patient_event.record_event", again=GOES_ON)
def _event(scene: Scene) -> Act:
    sugar = activity("sugar", schedule={"after": {"event": "meal", "delay": "1h", "lasts": "1h"}})
    scene.accept(scene.preview("publish", content=content(WEIGHT, sugar)))
    scene.settle()
    scene.clock.set(BEGINS + timedelta(hours=1))
    more: dict[str, Any] = {"patient_id": scene.patients["anna"], "event": "meal", "at": BEGINS + timedelta(minutes=50)}
    return lambda who: record_event(who.database, **scene.of, **more, source="diary", identifier="1")


@decision("outage.beat", again=NOTHING_LEFT, audited=1, differing=("ingestion_heartbeat",))
def _beat(scene: Scene) -> Act:
    scene.clock.set(BEGINS + timedelta(hours=5))
    return lambda who: beat(who.database, **scene.of, source="recording")


# -- judging


@decision("judgement.judge_due", again=NOTHING_LEFT)
def _judge(scene: Scene) -> Act:
    """One measured, two missed, with alerts."""
    scene.pass_until(MORNING)
    record_measurement(scene.database, **scene.of, measurement=scene.weighed("anna", "1", MORNING))
    scene.pass_until(JUDGED)
    return lambda who: judge_due(who.database, **scene.of, horizon_at=JUDGED, memory=who.memory)


@decision("judgement.judge_due", case="behind, and after an outage", again=NOTHING_LEFT, commits=2)
def _judge_behind(scene: Scene) -> Act:
    scene.clock.set(MORNING)
    beat(scene.database, **scene.of, source="recording")
    scene.world.publish(scene.lungs, activity(opens="10:00", closes="12:00"))
    scene.pass_until(JUDGED + DAY)

    def judge_everything(who: Process) -> None:
        while judge_due(who.database, **scene.of, horizon_at=JUDGED + DAY, memory=who.memory).more:
            pass

    return judge_everything


# -- recalculation


@decision("recalculation.begin", again=NOTHING_LEFT)
def _begin(scene: Scene) -> Act:
    operation = scene.published()
    return lambda who: begin(who.database, **scene.of, operation=operation)


@decision("recalculation.recalculate_chunk", again=GOES_ON, differing=("recalculation_range",))
def _chunk(scene: Scene) -> Act:
    operation = scene.begun(scene.published())
    return lambda who: recalculate_chunk(
        who.database, **scene.of, operation=operation, size=100, memory=who.memory.chunk
    )


@decision("recalculation.verify", again=THE_SAME)
def _verify(scene: Scene) -> Act:
    operation = scene.walked(scene.begun(scene.published()))
    return lambda who: verify(who.database, **scene.of, operation=operation)


@decision("acceptance_overlap.judge_overlap", again=GOES_ON)
def _judge_overlap(scene: Scene) -> Act:
    """The clock stands still, so what came in before the switch was accepted came in at its very instant."""
    scene.pass_until(MORNING)
    record_measurement(scene.database, **scene.of, measurement=scene.weighed("anna", "1", MORNING, 95))
    stricter = [{"key": "high", "above": 90, "severity": "red"}]
    preview = scene.preview("publish", content=content(activity(opens="07:00", rules=stricter), PULSE))
    accepted = scene.listed(scene.accept(preview).operation_id)
    operation = scene.verified(scene.walked(scene.begun(accepted)))
    return lambda who: judge_overlap(who.database, **scene.of, operation_id=operation.operation_id)


@decision("recalculation.conclude", again=THE_SAME)
def _conclude(scene: Scene) -> Act:
    operation = scene.verified(scene.walked(scene.begun(scene.published())))
    return lambda who: conclude(who.database, **scene.of, operation=operation)


@decision("verification.verify_further", again=GOES_ON, audited=2, commits=4)
def _verify_further(scene: Scene) -> Act:
    operation = scene.verified(scene.walked(scene.begun(scene.published())))

    def verify_to_the_end(who: Process) -> None:
        state = OperationState.VERIFYING
        while state is OperationState.VERIFYING:
            state = verify_further(who.database, **scene.of, operation=operation, size=100, memory=who.checking)

    return verify_to_the_end


def _moved(scene: Scene) -> None:
    """A known next change has come: a zone planned before."""
    change_zone(
        scene.database,
        **scene.of,
        patient_id=scene.patients["anna"],
        zone="Asia/Tokyo",
        from_at=BEGINS + timedelta(hours=1),
        actor=ACTOR,
    )
    scene.pass_until(BEGINS + timedelta(hours=2))


@decision("recalculation.step_changes", again=NOTHING_LEFT)
def _step_changes(scene: Scene) -> Act:
    _moved(scene)
    return lambda who: step_changes(who.database, **scene.of, size=100, memory=who.memory.chunk)


@decision("recalculation.sweep", again=NOTHING_LEFT)
def _sweep(scene: Scene) -> Act:
    scene.published()
    return lambda who: sweep(who.database, **scene.of, cursor_id=0, size=100, memory=who.memory.chunk)


@decision("recalculation.step_singly", again=GOES_ON, differing=("agenda", "agenda_head"))
def _step_singly(scene: Scene) -> Act:
    operation = scene.begun(scene.published())
    return lambda who: step_singly(who.database, **scene.of, operation=operation)


@decision("recalculation.sweep_singly", again=NOTHING_LEFT)
def _sweep_singly(scene: Scene) -> Act:
    scene.published()
    return lambda who: sweep_singly(who.database, **scene.of, cursor_id=0)


def _aside(scene: Scene) -> int:
    enrolment_id = scene.enrolment("anna")
    scene.published()
    set_aside(scene.database, **scene.of, enrolment_id=enrolment_id, operation_id=None, error=ZeroDivisionError())
    scene.clock.set(BEGINS + timedelta(minutes=5))
    return enrolment_id


@decision("recalculation.recalculate_enrolment", again=GOES_ON, differing=("agenda_head",))
def _recalculate_enrolment(scene: Scene) -> Act:
    enrolment_id = _aside(scene)
    return lambda who: recalculate_enrolment(who.database, **scene.of, enrolment_id=enrolment_id)


@decision("recalculation.retry_exceptions", again=NOTHING_LEFT)
def _retry(scene: Scene) -> Act:
    _aside(scene)
    return lambda who: retry_exceptions(who.database, **scene.of)


@decision("recalculation.set_aside", again=GOES_ON, differing=("recalculation_exception",))
def _set_aside(scene: Scene) -> Act:
    ids: dict[str, Any] = {"enrolment_id": scene.enrolment("anna"), "operation_id": None}
    return lambda who: set_aside(who.database, **scene.of, **ids, error=ZeroDivisionError())


# -- checks and audit


def _drifted(scene: Scene) -> int:
    """A check found an agenda that stands wrong; it is walked and not finished."""
    scene.wrong("update agenda set on_date = on_date + 1 where enrolment_id = %s", scene.enrolment("anna"))
    check_id = start_check(scene.database, **scene.of, scope="organisation", actor=ACTOR)
    check_slice(scene.database, **scene.of, check_id=check_id)
    return check_id


@decision("check.start_check", again=ANOTHER, audited=1, differing=(*STARTED, "check_run"))
def _start_check(scene: Scene) -> Act:
    return lambda who: start_check(who.database, **scene.of, scope="organisation", actor=ACTOR)


@decision("check.check_slice", again=GOES_ON)
def _check_slice(scene: Scene) -> Act:
    scene.wrong("update agenda set on_date = on_date + 1 where enrolment_id = %s", scene.enrolment("anna"))
    check_id = start_check(scene.database, **scene.of, scope="organisation", actor=ACTOR)
    return lambda who: check_slice(who.database, **scene.of, check_id=check_id, memory=who.checking)


@decision("check.finish", again=THE_SAME, audited=1)
def _finish(scene: Scene) -> Act:
    check_id = _drifted(scene)
    return lambda who: finish(who.database, **scene.of, check_id=check_id, actor=ACTOR)


@decision("check.check_some", again=NOTHING_LEFT, audited=2, commits=3)
def _check_some(scene: Scene) -> Act:
    return lambda who: check_some(who.database, **scene.of, memory=who.checking)


@decision("repair.repair", again=NOTHING_LEFT, audited=1)
def _repair(scene: Scene) -> Act:
    check_id = _drifted(scene)
    return lambda who: repair(who.database, **scene.of, check_id=check_id, actor=ACTOR)


@decision("audit.seal", again=NOTHING_LEFT)
def _seal(scene: Scene) -> Act:
    return lambda who: seal(who.database, scene.world.organisation_id)


# -- housekeeping


@decision("duty.ensure_partitions", again=NOTHING_LEFT)
def _partitions(scene: Scene) -> Act:
    (today,) = scene.admin.execute("select clock_timestamp()").fetchone() or ()
    scene.clock.set(today + 40 * DAY)
    return lambda who: ensure_partitions(who.database)


@decision("duty.clear_jobs", again=NOTHING_LEFT)
def _clear_jobs(scene: Scene) -> Act:
    scene.admin.execute("update procrastinate.procrastinate_jobs set status = 'succeeded'")
    return lambda who: clear_jobs(who.database)


@decision("worker.sign", again=GOES_ON, differing=("worker",))
def _sign(scene: Scene) -> Act:
    return lambda who: sign(who.database, worker_id="w", host="h", pid=1, doing={})


@decision("worker.leave", again=NOTHING_LEFT)
def _leave(scene: Scene) -> Act:
    sign(scene.database, worker_id="w", host="h", pid=1, doing={})
    return lambda who: leave(who.database, worker_id="w")
