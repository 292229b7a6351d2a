"""A competitor: how it works, and what it did in one run."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lockstep.proof.bench.arena import Arena


@dataclass(frozen=True, slots=True)
class Done:
    """What a competitor did; instants of the monotonic clock, None for what had not come when its time was over.

    `seen`: from then on every reader was shown the change. `in_step`: every row held it.
    """

    called: float
    acknowledged: float | None
    seen: float | None
    in_step: float | None
    ended: float
    enrolments: int
    lock_time_outs: int
    peak_mb: float
    rolled_back: int = 0


@dataclass(frozen=True, slots=True)
class Contender:
    """`how` tells in one sentence how it works; `moves` is False when it leaves the agenda's own rows alone."""

    key: str
    title: str
    how: str
    run: "Callable[[Arena], Done]"
    moves: bool = True
    is_lockstep: bool = False
