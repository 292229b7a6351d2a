"""What people's bodies do: plausible values of made-up patients, the same for the same seed."""

import math
import random
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from lockstep.domain.civil import local_of

CONDITIONS = ("heart failure", "hypertension", "copd", "asthma", "covid", "diabetes", "recovering")


@dataclass(frozen=True, slots=True)
class Person:
    """What is usual for one person: kg, mm[Hg], beats and breaths a minute, %, Cel, mmol/L, L, L/min."""

    number: int
    condition: str
    weight: float
    systolic: float
    diastolic: float
    pulse: float
    breathing: float
    saturation: float
    temperature: float
    glucose: float
    fev1: float
    fvc: float
    peak_flow: float
    gain_a_day: float
    phase: float


# What a condition does to the values of a healthy adult: (attribute, mean, spread).
_USUAL: dict[str, tuple[float, float]] = {
    "weight": (80, 13),
    "systolic": (124, 9),
    "pulse": (70, 8),
    "breathing": (15, 1.2),
    "saturation": (97.3, 0.7),
    "temperature": (36.7, 0.2),
    "glucose": (5.0, 0.3),
    "fev1": (3.1, 0.5),
    "peak_flow": (480, 70),
}
_CHANGED: dict[str, dict[str, tuple[float, float]]] = {
    "heart failure": {"systolic": (118, 13), "pulse": (74, 10), "weight": (84, 16), "breathing": (17, 2)},
    "hypertension": {"systolic": (141, 12)},
    "copd": {"saturation": (92, 1.5), "breathing": (19, 2), "fev1": (1.5, 0.4), "peak_flow": (240, 60)},
    "asthma": {"peak_flow": (400, 70), "fev1": (2.6, 0.5)},
    "covid": {"saturation": (95, 1.2), "temperature": (37.6, 0.6), "pulse": (84, 10), "breathing": (19, 2)},
    "diabetes": {"glucose": (5.6, 0.6), "weight": (82, 12), "systolic": (116, 9)},
    "recovering": {"saturation": (96, 1.0), "pulse": (78, 9)},
}


def person(seed: int, number: int, condition: str) -> Person:
    """The person of this number; pure. The parts fit together: the forced volume is a part of the vital one, for example."""
    chance = random.Random(f"person {seed} {number}")  # noqa: S311 (makes plausible values, protects nothing)
    drawn = {
        name: chance.gauss(*_CHANGED.get(condition, {}).get(name, usual)) for name, usual in _USUAL.items()
    }
    systolic = min(190.0, max(88.0, drawn["systolic"]))
    fev1 = max(0.5, drawn["fev1"])
    ratio = chance.uniform(0.45, 0.65) if condition == "copd" else chance.uniform(0.74, 0.86)
    return Person(
        number=number,
        condition=condition,
        weight=max(42.0, drawn["weight"]),
        systolic=systolic,
        diastolic=systolic - max(28.0, chance.gauss(45, 6)),
        pulse=max(45.0, drawn["pulse"]),
        breathing=max(9.0, drawn["breathing"]),
        saturation=min(99.5, drawn["saturation"]),
        temperature=drawn["temperature"],
        glucose=max(3.6, drawn["glucose"]),
        fev1=fev1,
        fvc=fev1 / ratio,
        peak_flow=max(120.0, drawn["peak_flow"]),
        # Fluid is held back by one in twelve with heart failure.
        gain_a_day=chance.uniform(0.3, 0.9) if condition == "heart failure" and chance.random() < 1 / 12 else 0.0,
        phase=chance.random(),
    )


def value(person: Person, code: str, at: datetime, zone: str, chance: random.Random) -> Decimal | None:
    """What a device shows for the code at an instant, in the unit of our examples; None for a code without a number.

    Pressure, pulse and temperature follow the person's day; each reading has the noise of its device.
    """
    local = local_of(at, zone)
    day = math.sin((local.hour + local.minute / 60 - 10) / 24 * 2 * math.pi)
    days = local.toordinal() + person.phase * 10
    match code:
        case "29463-7":
            # A day's meals, and a week of fluid that is then driven out again.
            return _round(person.weight + 0.4 * day + person.gain_a_day * (days % 7) + chance.gauss(0, 0.15), 1)
        case "8480-6":
            return _round(person.systolic + 6 * day + chance.gauss(0, 5), 0)
        case "8462-4":
            return _round(person.diastolic + 3 * day + chance.gauss(0, 3), 0)
        case "8867-4":
            return _round(person.pulse + 5 * day + chance.gauss(0, 4), 0)
        case "9279-1":
            return _round(max(7, person.breathing + chance.gauss(0, 1)), 0)
        case "59408-5" | "2708-6":
            return _round(min(100, max(72, person.saturation + chance.gauss(0, 0.8))), 0)
        case "8310-5":
            return _round(person.temperature + 0.3 * day + chance.gauss(0, 0.1), 1)
        case "glucose-fasting":
            return _round(person.glucose + chance.gauss(0, 0.3), 1)
        case "glucose-after-meal":
            return _round(person.glucose + 1.8 + abs(chance.gauss(0, 0.8)), 1)
        case "20150-9":
            return _round(max(0.4, person.fev1 + chance.gauss(0, 0.06)), 2)
        case "19868-9":
            return _round(max(0.6, person.fvc + chance.gauss(0, 0.08)), 2)
        case "19935-6":
            return _round(max(80, person.peak_flow + 15 * day + chance.gauss(0, 12)), 0)
        case "cat-score":
            return _round(min(40, max(0, (22 if person.condition == "copd" else 6) + chance.gauss(0, 2))), 0)
    return None


def _round(number: float, decimals: int) -> Decimal:
    return Decimal(f"{number:.{decimals}f}")
