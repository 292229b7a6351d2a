"""Switches from preview to what comes after, and the operations that people pause, each where it has an effect."""

from datetime import timedelta
from typing import Any

from tests.engine.switch_world import activity, content
from tests.storm.scene import (
    ACTOR,
    ANOTHER,
    BEGINS,
    MISSED,
    MORNING,
    NOTHING_LEFT,
    PULSE,
    THE_SAME,
    Act,
    Scene,
    decision,
)

from lockstep.domain.refusal import ImpossibleStep
from lockstep.engine.acceptance import accept_switch, approve_switch
from lockstep.engine.measurement import record_measurement
from lockstep.engine.operation import fulfil_pause, give_reason, pause, resume, resume_rested, tell_attempt
from lockstep.engine.preview import preview_switch
from lockstep.engine.recalculation import request_recalculation
from lockstep.engine.removal import close_alerts_of_removed
from lockstep.engine.switch import revert_switch, withdraw_switch

NEW = content(activity(opens="07:00", rules=MISSED), PULSE)
STARTED = ("operation", "operation_event", "audit_entry")
PREVIEWED = ("switch", "selection", "selection_member")


def _chosen(scene: Scene) -> dict[str, Any]:
    return {"scope": "selection", "enrolment_ids": [scene.enrolment("anna"), scene.enrolment("bram")]}


@decision("preview.preview_switch", again=ANOTHER, differing=PREVIEWED)
def _preview(scene: Scene) -> Act:
    return lambda who: preview_switch(
        who.database,
        **scene.of,
        kind="publish",
        protocol_id=scene.heart,
        content=NEW,
        reason="r",
        actor=ACTOR,
        **_chosen(scene),
    )


@decision("acceptance.approve_switch", again=THE_SAME, audited=1)
def _approve(scene: Scene) -> Act:
    switch_id = scene.world.preview("publish", scene.heart, content=NEW).switch_id
    return lambda who: approve_switch(who.database, **scene.of, switch_id=switch_id, actor="second.person")


def _accept(scene: Scene, kind: str, **more: Any) -> Act:
    switch_id = scene.preview(kind, **more).switch_id
    return lambda who: accept_switch(who.database, **scene.of, switch_id=switch_id, client_key="key", actor=ACTOR)


@decision("acceptance.accept_switch", case="publish", again=THE_SAME, audited=1)
def _accept_publication(scene: Scene) -> Act:
    return _accept(scene, "publish", content=NEW)


@decision("acceptance.accept_switch", case="publish to a selection", again=THE_SAME, audited=1)
def _accept_selection(scene: Scene) -> Act:
    return _accept(scene, "publish", content=NEW, **_chosen(scene))


@decision("acceptance.accept_switch", case="move", again=THE_SAME, audited=1)
def _accept_move(scene: Scene) -> Act:
    return _accept(scene, "move", target_protocol_id=scene.lungs)


@decision("switch.withdraw_switch", again=THE_SAME, audited=1)
def _withdraw(scene: Scene) -> Act:
    preview = scene.preview("publish", content=content(PULSE), effective="next day")
    switch_id = scene.accept(preview).switch_id
    return lambda who: withdraw_switch(who.database, **scene.of, switch_id=switch_id, reason="r", actor=ACTOR)


@decision("switch.revert_switch", again=ANOTHER, differing=PREVIEWED)
def _revert(scene: Scene) -> Act:
    switch_id = scene.accept(scene.preview("move", target_protocol_id=scene.lungs, **_chosen(scene))).switch_id
    scene.settle()
    scene.clock.set(BEGINS + timedelta(minutes=1))
    return lambda who: revert_switch(who.database, **scene.of, switch_id=switch_id, reason="r", actor=ACTOR)


@decision("removal.close_alerts_of_removed", again=NOTHING_LEFT)
def _close_alerts(scene: Scene) -> Act:
    scene.pass_until(MORNING)
    for number, name in enumerate(("anna", "bram")):
        measurement = scene.weighed(name, str(number), MORNING, 130)
        record_measurement(scene.database, **scene.of, measurement=measurement)
    preview = scene.preview("publish", content=content(PULSE), close_alerts_of_removed=True)
    operation_id = scene.accept(preview).operation_id
    return lambda who: close_alerts_of_removed(who.database, **scene.of, operation_id=operation_id)


@decision("recalculation.request_recalculation", again=ANOTHER, audited=1, differing=STARTED)
def _request(scene: Scene) -> Act:
    return lambda who: request_recalculation(
        who.database, **scene.of, protocol_id=scene.heart, selection_id=None, actor=ACTOR, sentence="Again"
    )


UNTIL = BEGINS + timedelta(hours=1)


@decision("operation.pause", again=ImpossibleStep, audited=1)
def _pause(scene: Scene) -> Act:
    number = scene.begun(scene.published()).operation_id
    return lambda who: pause(who.database, **scene.of, operation_id=number, until_at=UNTIL, reason="r", actor=ACTOR)


def _paused(scene: Scene) -> int:
    number = scene.begun(scene.published()).operation_id
    pause(scene.database, **scene.of, operation_id=number, until_at=UNTIL, reason="r", actor=ACTOR)
    return number


@decision("operation.resume", again=THE_SAME, audited=1)
def _resume(scene: Scene) -> Act:
    number = _paused(scene)
    return lambda who: resume(who.database, **scene.of, operation_id=number, actor=ACTOR)


@decision("operation.fulfil_pause", again=THE_SAME)
def _fulfil(scene: Scene) -> Act:
    number = _paused(scene)
    return lambda who: fulfil_pause(who.database, **scene.of, operation_id=number, actor=ACTOR)


@decision("operation.resume_rested", again=NOTHING_LEFT)
def _rested(scene: Scene) -> Act:
    fulfil_pause(scene.database, **scene.of, operation_id=_paused(scene), actor=ACTOR)
    scene.clock.set(UNTIL + timedelta(seconds=1))
    return lambda who: resume_rested(who.database, **scene.of, actor=ACTOR)


@decision("operation.tell_attempt", again=ANOTHER, differing=("operation_event",))
def _attempt(scene: Scene) -> Act:
    number = scene.begun(scene.published()).operation_id
    more: dict[str, Any] = {"operation_id": number, "numbers": {"size": 9}, "reason": "LockNotAvailable"}
    return lambda who: tell_attempt(who.database, **scene.of, **more, actor=ACTOR, sqlstate="55P03")


@decision("operation.give_reason", again=NOTHING_LEFT)
def _reason(scene: Scene) -> Act:
    number = scene.begun(scene.published()).operation_id
    return lambda who: give_reason(who.database, **scene.of, operation_id=number, reason="yielding", actor=ACTOR)
