"""What people do: who measures and who forgets, and the measurements as their devices send them, mistakes included."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from lockstep.proof.physiology import Person, value

STEADY, FORGETFUL, SILENT = "steady", "forgetful", "silent"


@dataclass(frozen=True, slots=True)
class Habit:
    """How one person goes about it; `share` is how many of the occurrences asked are measured."""

    kind: str
    share: float
    imperial: bool


def habit(seed: int, number: int) -> Habit:
    """The habit of the person of this number; pure: seven of ten are steady, two forgetful, one silent."""
    chance = random.Random(f"habit {seed} {number}")  # noqa: S311 (makes plausible people, protects nothing)
    drawn = chance.random()
    imperial = chance.random() < 0.2
    if drawn < 0.7:
        return Habit(STEADY, 1.0, imperial)
    if drawn < 0.9:
        return Habit(FORGETFUL, chance.uniform(0.3, 0.8), imperial)
    return Habit(SILENT, 0.0, imperial)


def measures(seed: int, number: int, slot: str) -> bool:
    """Whether the person measures in this slot; pure."""
    chance = random.Random(f"slot {seed} {number} {slot}")  # noqa: S311 (makes plausible people, protects nothing)
    return chance.random() < habit(seed, number).share


# Where people and devices differ from us: our unit, theirs, and how many of theirs are one of ours, and more to add.
_IMPERIAL = {"kg": ("[lb_av]", Decimal("2.20462"), Decimal(0)), "Cel": ("[degF]", Decimal("1.8"), Decimal(32))}

# Of a thousand measurements sent. Real streams have fewer of the last three; here each kind shall be seen.
SENT_AGAIN, MISTYPED, NOBODYS, MEANINGLESS, LATE = 15, 3, 2, 3, 20


def document(
    person: Person,
    its: Habit,
    *,
    identifier: str,
    patient: str,
    code: str,
    unit: str,
    at: datetime,
    zone: str,
    chance: random.Random,
) -> dict[str, Any]:
    """One measurement as JSON, as an app or a gateway sends it: mostly right."""
    drawn = chance.random() * 1000
    made: dict[str, Any] = {"source": "home", "identifier": identifier, "patient": patient, "code": code}
    number = value(person, code, at, zone, chance)
    if number is None:
        made["finding"] = "none of them" if chance.random() < 0.9 else "one of them"
    else:
        made |= _in_unit_of(its, number, unit)
    if drawn < LATE:
        at -= timedelta(minutes=chance.uniform(5, 300))
    made["taken_at"] = at.isoformat()
    return _with_mistake(made, drawn - LATE)


def _in_unit_of(its: Habit, number: Decimal, unit: str) -> dict[str, Any]:
    if its.imperial and unit in _IMPERIAL:
        theirs, times, more = _IMPERIAL[unit]
        return {"value": round(number * times + more, 1), "unit": theirs}
    return {"value": number, "unit": unit}


def _with_mistake(made: dict[str, Any], drawn: float) -> dict[str, Any]:
    if 0 <= drawn < MISTYPED and "value" in made:
        return {**made, "value": made["value"] * 100}
    if MISTYPED <= drawn < MISTYPED + NOBODYS:
        return {**made, "patient": f"{made['patient']}-of-nobody"}
    if MISTYPED + NOBODYS <= drawn < MISTYPED + NOBODYS + MEANINGLESS:
        return {**made, "taken_at": "this morning"}
    return made


def is_sent_again(chance: random.Random) -> bool:
    """Whether the sender lost the answer and sends the same once more."""
    return chance.random() * 1000 < SENT_AGAIN
