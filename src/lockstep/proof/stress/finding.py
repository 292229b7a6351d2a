"""What a checker found: how many instances it looked at, and which of them violate the invariant."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lockstep.proof.stress.evidence import Evidence

MOST_SHOWN = 20

HELD, VIOLATED, NOT_LOOKED_AT = "held", "violated", "not looked at"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one checker. Nothing looked at is never "held". `examples` are the first of the violations."""

    checker: str
    invariants: tuple[str, ...]
    looked_at: int
    violations: int
    examples: tuple[str, ...] = ()
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """Held, violated, or not looked at."""
        if self.violations:
            return VIOLATED
        return HELD if self.looked_at else NOT_LOOKED_AT

    def bound(self) -> float | None:
        """With no violation in n instances, the rate is below 3/n at 95 %."""
        return 3 / self.looked_at if self.looked_at and not self.violations else None


Checker = Callable[[Evidence], Finding]


class Looking:
    """Counts what a checker looks at, and keeps what it finds."""

    def __init__(self, checker: str, *invariants: str) -> None:
        self._checker, self._invariants = checker, invariants
        self.looked_at = self.violations = 0
        self._examples: list[str] = []
        self.figures: dict[str, Any] = {}

    def look(self, holds: bool, sentence: str, *values: object) -> bool:
        """One more instance was looked at; the sentence says, with the values, what is wrong if it does not hold."""
        self.looked_at += 1
        if not holds:
            self.violations += 1
            if len(self._examples) < MOST_SHOWN:
                self._examples.append(sentence.format(*values) if values else sentence)
        return holds

    def finding(self) -> Finding:
        """What was found."""
        return Finding(
            self._checker, self._invariants, self.looked_at, self.violations, tuple(self._examples), self.figures
        )
