"""Which faults happen when: drawn from a seed, some of every kind, the costly ones seldom."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lockstep.proof.stress.faults import KINDS
from lockstep.proof.stress.faults.fault import Kind


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault to be made so many seconds after the first one."""

    number: int
    kind: Kind
    due: float


def plan(seed: int, count: int, seconds: float, kinds: Sequence[Kind] = KINDS) -> list[Planned]:
    """So many faults, evenly over the time; pure. Each kind is there once if there are two for each kind."""
    chance = random.Random(f"plan {seed}")  # noqa: S311 (draws faults, protects nothing)
    chosen = list(kinds) if count >= 2 * len(kinds) else []
    drawn = _draw(chance, count, kinds, chosen)
    while len(chosen) < count:
        chosen.append(next(drawn))
    chance.shuffle(chosen)
    return [Planned(number, kind, number * seconds / count) for number, kind in enumerate(chosen)]


def more(seed: int, count: int, kinds: Sequence[Kind] = KINDS) -> Iterator[Kind]:
    """Faults that make up for those that hit nothing: of kinds without a bound."""
    chance = random.Random(f"more {seed} {count}")  # noqa: S311 (draws faults, protects nothing)
    cheap = [kind for kind in kinds if kind.most is None]
    while True:
        yield chance.choices(cheap, [kind.weight for kind in cheap])[0]


def _draw(chance: random.Random, count: int, kinds: Sequence[Kind], chosen: Sequence[Kind]) -> Iterator[Kind]:
    left = {kind.name: count if kind.most is None else max(1, kind.most * count // 1000) for kind in kinds}
    for kind in chosen:
        left[kind.name] -= 1
    while True:
        kind = chance.choices(kinds, [kind.weight for kind in kinds])[0]
        if left[kind.name] > 0:
            left[kind.name] -= 1
            yield kind
