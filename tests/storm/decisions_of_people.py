"""What people decide about organisations, patients and enrolments, each in a situation where it has an effect."""

from datetime import date, timedelta
from typing import Any

from tests.storm.scene import ACTOR, BEGINS, MORNING, THE_SAME, Act, Scene, decision

from lockstep.domain.enrolment import NewEnrolment
from lockstep.domain.patient import NewPatient
from lockstep.domain.refusal import (
    AlreadyEnrolled,
    AlreadyExists,
    AlreadyPaused,
    Discharged,
    NoSuchPause,
    NoSuchPersonalChange,
)
from lockstep.engine.enrolment import assign, discharge, enrol, enrol_many
from lockstep.engine.organisation import create_organisation
from lockstep.engine.patient import change_zone, register_patient, register_patients
from lockstep.engine.pause import pause, resume
from lockstep.engine.personal_change import clear_personal_change, set_personal_change
from lockstep.engine.program import open_program
from lockstep.engine.protocol import create_protocol

CHANGE: dict[str, Any] = {"activity_key": "weight", "field": "rules.high", "reason": "r", "actor": ACTOR}
HIGH = {"key": "high", "above": 120, "severity": "red"}


@decision("organisation.create_organisation", again=AlreadyExists, audited=1)
def _create_organisation(scene: Scene) -> Act:
    return lambda who: create_organisation(who.database, key="other", title="Other", actor=ACTOR)


@decision("program.open_program", again=AlreadyExists, audited=1)
def _open_program(scene: Scene) -> Act:
    return lambda who: open_program(who.database, **scene.of, key="new", title="New", actor=ACTOR)


@decision("protocol.create_protocol", again=AlreadyExists, audited=1)
def _create_protocol(scene: Scene) -> Act:
    program_id = scene.world.program_id
    return lambda who: create_protocol(
        who.database, **scene.of, program_id=program_id, key="new", title="New", actor=ACTOR
    )


@decision("patient.register_patient", again=AlreadyExists, audited=1)
def _register_patient(scene: Scene) -> Act:
    return lambda who: register_patient(who.database, **scene.of, patient=NewPatient("finn", "UTC"), actor=ACTOR)


@decision("patient.register_patients", again=AlreadyExists, audited=1)
def _register_patients(scene: Scene) -> Act:
    new = [NewPatient("finn", "Asia/Tokyo"), NewPatient("gerd", "UTC")]
    return lambda who: register_patients(who.database, **scene.of, patients=new, actor=ACTOR)


@decision("patient.change_zone", again=THE_SAME, audited=1)
def _change_zone(scene: Scene) -> Act:
    patient_id = scene.patients["anna"]
    return lambda who: change_zone(who.database, **scene.of, patient_id=patient_id, zone="Asia/Tokyo", actor=ACTOR)


@decision("patient.change_zone", case="planned", again=THE_SAME, audited=1)
def _plan_zone(scene: Scene) -> Act:
    patient_id, from_at = scene.patients["anna"], BEGINS + timedelta(days=3)
    return lambda who: change_zone(
        who.database, **scene.of, patient_id=patient_id, zone="Asia/Tokyo", from_at=from_at, actor=ACTOR
    )


@decision("enrolment.enrol", again=AlreadyEnrolled, audited=1)
def _enrol(scene: Scene) -> Act:
    ids: dict[str, Any] = {
        "patient_id": scene.patients["eve"],
        "program_id": scene.world.program_id,
        "protocol_id": scene.heart,
    }
    return lambda who: enrol(who.database, **scene.of, **ids, actor=ACTOR)


@decision("enrolment.enrol_many", again=AlreadyEnrolled, audited=1)
def _enrol_many(scene: Scene) -> Act:
    finn = register_patient(scene.database, **scene.of, patient=NewPatient("finn", "UTC"), actor=ACTOR)
    scene.clock.set(MORNING)
    new = [
        NewEnrolment(scene.patients["eve"], scene.world.program_id, scene.heart, date(2026, 3, 1)),
        NewEnrolment(finn.patient_id, scene.world.program_id, scene.lungs),
    ]
    return lambda who: enrol_many(who.database, **scene.of, enrolments=new, actor=ACTOR)


@decision("enrolment.assign", again=THE_SAME, audited=1)
def _assign(scene: Scene) -> Act:
    ids: dict[str, Any] = {"enrolment_id": scene.enrolment("anna"), "protocol_id": scene.lungs}
    return lambda who: assign(who.database, **scene.of, **ids, actor=ACTOR)


@decision("enrolment.assign", case="planned", again=THE_SAME, audited=1)
def _assign_later(scene: Scene) -> Act:
    ids: dict[str, Any] = {"enrolment_id": scene.enrolment("anna"), "protocol_id": scene.lungs}
    return lambda who: assign(who.database, **scene.of, **ids, from_at=BEGINS + timedelta(days=2), actor=ACTOR)


@decision("enrolment.discharge", again=Discharged, audited=1)
def _discharge(scene: Scene) -> Act:
    scene.pass_until(MORNING)
    return lambda who: discharge(
        who.database, **scene.of, enrolment_id=scene.enrolment("anna"), reason="moved", actor=ACTOR
    )


@decision("personal_change.set_personal_change", again=THE_SAME, audited=1)
def _set(scene: Scene) -> Act:
    enrolment_id = scene.enrolment("anna")
    return lambda who: set_personal_change(who.database, **scene.of, enrolment_id=enrolment_id, value=HIGH, **CHANGE)


@decision("personal_change.clear_personal_change", again=NoSuchPersonalChange, audited=1)
def _clear(scene: Scene) -> Act:
    enrolment_id = scene.enrolment("anna")
    set_personal_change(scene.database, **scene.of, enrolment_id=enrolment_id, value=HIGH, **CHANGE)
    scene.clock.set(BEGINS + timedelta(hours=1))
    return lambda who: clear_personal_change(who.database, **scene.of, enrolment_id=enrolment_id, **CHANGE)


@decision("pause.pause", again=AlreadyPaused, audited=1)
def _pause(scene: Scene) -> Act:
    scene.pass_until(MORNING)
    ids: dict[str, Any] = {"enrolment_id": scene.enrolment("anna"), "review_on": date(2026, 3, 9)}
    return lambda who: pause(who.database, **scene.of, **ids, reason="away", actor=ACTOR)


@decision("pause.pause", case="afterwards", again=AlreadyPaused, audited=1)
def _pause_afterwards(scene: Scene) -> Act:
    scene.judge(MORNING + timedelta(days=1))
    span: dict[str, Any] = {"from_at": BEGINS + timedelta(hours=1), "until_at": MORNING + timedelta(hours=12)}
    ids: dict[str, Any] = {"enrolment_id": scene.enrolment("anna")}
    return lambda who: pause(who.database, **scene.of, **ids, **span, reason="in hospital", actor=ACTOR)


@decision("pause.resume", again=NoSuchPause, audited=1)
def _resume(scene: Scene) -> Act:
    """Another pause is planned: ending the first one twice does not take that back."""
    enrolment_id = scene.enrolment("anna")
    for begins, days in ((None, 3), (BEGINS + timedelta(days=5), 9)):
        until_at = BEGINS + timedelta(days=days)
        span: dict[str, Any] = {"from_at": begins, "until_at": until_at}
        pause(scene.database, **scene.of, enrolment_id=enrolment_id, **span, reason="away", actor=ACTOR)
    scene.pass_until(MORNING)
    return lambda who: resume(who.database, **scene.of, enrolment_id=enrolment_id, actor=ACTOR)
