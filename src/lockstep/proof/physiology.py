"""What people's bodies do: plausible values of made-up patients, the same for the same seed."""

import math
import random
from collections.abc import Callable
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
    """The person of this number; pure. The parts fit together: the forced volume is a part of the vital one."""
    chance = random.Random(f"person {seed} {number}")  # noqa: S311 (makes plausible values, protects nothing)
    drawn = {name: chance.gauss(*_CHANGED.get(condition, {}).get(name, usual)) for name, usual in _USUAL.items()}
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
    shown = _SHOWN.get(code)
    if shown is None:
        return None
    local = local_of(at, zone)
    swing = math.sin((local.hour + local.minute / 60 - 10) / 24 * 2 * math.pi)
    week_day = (local.toordinal() + person.phase * 10) % 7
    usual, spread = shown.usual(person, swing, week_day), shown.noise
    number = min(shown.most, max(shown.least, usual + chance.gauss(0, spread)))
    return Decimal(f"{number:.{shown.decimals}f}")


@dataclass(frozen=True, slots=True)
class _Shown:
    """How a device shows what is usual for a person at this point of the day (-1 to 1) and of the week (0 to 7)."""

    usual: Callable[[Person, float, float], float]
    noise: float
    decimals: int
    least: float
    most: float


# Weight: a day's meals, and a week of fluid that is then driven out again.
_SHOWN = {
    "29463-7": _Shown(lambda p, swing, day: p.weight + 0.4 * swing + p.gain_a_day * day, 0.15, 1, 30, 300),
    "8480-6": _Shown(lambda p, swing, _: p.systolic + 6 * swing, 5, 0, 60, 250),
    "8462-4": _Shown(lambda p, swing, _: p.diastolic + 3 * swing, 3, 0, 30, 150),
    "8867-4": _Shown(lambda p, swing, _: p.pulse + 5 * swing, 4, 0, 35, 190),
    "9279-1": _Shown(lambda p, *_: p.breathing, 1, 0, 7, 45),
    "59408-5": _Shown(lambda p, *_: p.saturation, 0.8, 0, 72, 100),
    "2708-6": _Shown(lambda p, *_: p.saturation, 0.8, 0, 72, 100),
    "8310-5": _Shown(lambda p, swing, _: p.temperature + 0.3 * swing, 0.1, 1, 34, 42),
    "glucose-fasting": _Shown(lambda p, *_: p.glucose, 0.3, 1, 2.5, 30),
    "glucose-after-meal": _Shown(lambda p, *_: p.glucose + 2.4, 0.8, 1, 3, 30),
    "20150-9": _Shown(lambda p, *_: p.fev1, 0.06, 2, 0.4, 7.5),
    "19868-9": _Shown(lambda p, *_: p.fvc, 0.08, 2, 0.6, 9),
    "19935-6": _Shown(lambda p, swing, _: p.peak_flow + 15 * swing, 12, 0, 60, 850),
    "cat-score": _Shown(lambda p, *_: 22 if p.condition == "copd" else 6, 2, 0, 0, 40),
}
