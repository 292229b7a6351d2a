"""Faults of people and devices: doubled, disordered, late measurements, wrong clocks, journeys, comings and goings."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from lockstep.proof.stress.clients.measuring import Item, made
from lockstep.proof.stress.faults.fault import Lane, Result, aim
from lockstep.proof.stress.final import count_unfinished
from lockstep.proof.stress.history import operations_of
from lockstep.proof.stress.protocols import SATURATION, WEIGHT
from lockstep.proof.stress.world import NORTH, SOUTH, Group

JUMPS = (timedelta(minutes=4), timedelta(minutes=20), timedelta(days=3), timedelta(days=-40), timedelta(days=400))


def send_twice(lane: Lane) -> Result:
    """The same items are sent three times, in other company each time."""
    group = _ward(lane)
    items = [_item(lane, group, _now()) for _ in range(3)]
    for turn in range(3):
        _send(lane, group, [*items, _item(lane, group, _now())][turn % 2 :])
    return Result(_outcomes(lane, 3).get("duplicate", 0) > 0, "some were told to be duplicates")


def send_out_of_order(lane: Lane) -> Result:
    """What was measured later is sent first."""
    group = _ward(lane)
    position = _position(lane, group)
    at = _now()
    for seconds in (0, 30, 70):
        _send(lane, group, [_item(lane, group, at - timedelta(seconds=seconds), position=position)])
    return Result(_outcomes(lane, 3).get("stored", 0) == 3, "all of them were stored")


def send_late(lane: Lane) -> Result:
    """What was measured in windows that were judged is sent now."""
    group = _ward(lane)
    at = _now()
    items = [_item(lane, group, at - timedelta(seconds=lane.chance.randint(70, 600))) for _ in range(3)]
    _send(lane, group, items)
    return Result(_outcomes(lane, 1).get("stored", 0) > 0, "some were stored")


def clock_jump(lane: Lane) -> Result:
    """A device's clock is wrong, and perhaps says so."""
    group = lane.shared.world.group(NORTH, "heart")
    at = _now() + lane.chance.choice(JUMPS)
    flagged = lane.chance.random() < 0.3
    _send(lane, group, [_item(lane, group, at, code=WEIGHT, flagged=flagged)])
    return Result(_outcomes(lane, 1).get("stored", 0) > 0, "it was stored", {"taken": at.isoformat()})


def change_zone(lane: Lane) -> Result:
    """A patient of our own moves to another zone."""
    if not lane.office.own:
        lane.office.enrol(lane.shared.world.group(NORTH, "heart"))
    if not lane.office.own:
        return Result(False, "nobody could be enrolled")
    group, _, patient_id = lane.chance.choice(lane.office.own)
    lane.office.move(group, patient_id)
    return Result(_last(lane, "office").outcome == "ok", "it was acknowledged")


def enrol_in_mid_switch(lane: Lane) -> Result:
    """Patients are enrolled while a recalculation goes on."""
    busy = _in_mid_switch(lane)
    lane.office.enrol(lane.shared.world.group(NORTH, "heart"))
    return Result(busy and _last(lane, "office").outcome == "ok", "a recalculation went on, and it was acknowledged")


def discharge_in_mid_switch(lane: Lane) -> Result:
    """A patient of our own is discharged while a recalculation goes on."""
    if not lane.office.own:
        lane.office.enrol(lane.shared.world.group(NORTH, "heart"))
    if not lane.office.own:
        return Result(False, "nobody could be enrolled")
    group, enrolment_id, _ = lane.office.own.pop()
    busy = _in_mid_switch(lane)
    lane.office.discharge(group, enrolment_id)
    return Result(busy and _last(lane, "office").outcome == "ok", "a recalculation went on, and it was acknowledged")


def _in_mid_switch(lane: Lane) -> bool:
    return bool(aim(lambda: count_unfinished(lane.shared.url).recalculations > 0))


def _now() -> datetime:
    return datetime.now(UTC)  # a device has a clock of its own


def _ward(lane: Lane) -> Group:
    return lane.shared.world.group(*lane.chance.choice(((NORTH, "ward"), (SOUTH, "ward"), (NORTH, "unit"))))


def _position(lane: Lane, group: Group) -> int:
    position = lane.chance.randrange(1, group.count)
    return position if position % 8 else position - 1


def _item(
    lane: Lane, group: Group, at: datetime, *, code: str = SATURATION, position: int = 0, flagged: bool = False
) -> Item:
    lane.measuring.number += 1
    value, unit = ("80", "kg") if code == WEIGHT else (str(lane.chance.randint(92, 99)), "%")
    name = f"{lane.measuring.order.name}-{lane.measuring.number}"
    return made(name, group.patient(position or _position(lane, group)), code, value, unit, at, flagged=flagged)


def _send(lane: Lane, group: Group, items: Sequence[Item]) -> None:
    lane.measuring.send(group.organisation_id, items)


def _outcomes(lane: Lane, requests: int) -> dict[str, int]:
    """What the last answered requests of the lane's hand were told, counted."""
    found: dict[str, int] = {}
    answered = [each for each in _history(lane, "measuring") if each.ok]
    for operation in answered[-requests:]:
        for outcome in operation.answer["outcomes"]:
            found[outcome["outcome"]] = found.get(outcome["outcome"], 0) + 1
    return found


def _last(lane: Lane, hand: str) -> Any:
    return _history(lane, hand)[-1]


def _history(lane: Lane, hand: str) -> list[Any]:
    client = {"measuring": lane.measuring, "office": lane.office}[hand]
    file = lane.shared.cast.folder / "histories" / f"{client.order.name}.jsonl"
    return operations_of(client.order.name, file.read_text(encoding="utf-8").splitlines()[-40:])
