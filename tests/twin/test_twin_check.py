"""Does a check find nothing amiss after any history, whole or in part, while everything is done as it should be?"""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from tests.conftest import Clock
from tests.twin.engine import Engine
from tests.twin.steps import histories
from tests.twin.test_twin import copies

from lockstep.domain.drift import Drift
from lockstep.engine.check import check_enrolments, check_slice, finish, list_drifts, start_check
from lockstep.store.database import Database

__all__ = ["copies"]

EXAMPLES = int(os.environ.get("LOCKSTEP_TWIN_EXAMPLES", "15"))
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]
"""Not shrunk: a check after every step is slow, and the step that the failure names is enough."""
Copies = Callable[[], tuple[Database, Clock, Callable[[], None]]]
CHANCE = "LOCKSTEP_TWIN_EXAMPLES" in os.environ
"""The long form draws anew each time; the short one repeats its histories, so that a red run names a change."""


@pytest.mark.timeout(0)
def test_nothing_is_found_after_any_history(copies: Copies) -> None:
    @settings(
        max_examples=EXAMPLES,
        derandomize=not CHANCE,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=PHASES,
    )
    @given(history=histories)
    def clean(history: list[tuple[Any, ...]]) -> None:
        database, clock, end = copies()
        try:
            engine = Engine(database, clock)
            for number, step in enumerate(history):
                engine.do(step)
                drifts = list(found(engine))
                assert not drifts, f"after step {number}, {step}: " + "\n".join(map(str, drifts))
                if number == len(history) // 2:
                    certify(engine)
            certify(engine)
        finally:
            end()

    clean()


def found(engine: Engine) -> Iterator[Drift]:
    """What differs, but for what this history has not judged or recalculated yet."""
    engine.do_judge()
    for drift in check_enrolments(engine.database, **engine.of, enrolment_ids=engine.everyone):
        # Nobody recalculates here for hours: being behind so long without an operation would be amiss elsewhere.
        if drift.enrolment_id not in engine.behind():
            yield drift


def certify(engine: Engine) -> None:
    """Everybody is in step, and a check that goes on from the last one finds nothing."""
    engine.drain()
    engine.do_judge()
    check_id = start_check(engine.database, **engine.of, scope="organisation", actor="t")
    while not check_slice(engine.database, **engine.of, check_id=check_id, size=4).done:
        pass
    certificate = finish(engine.database, **engine.of, check_id=check_id, actor="t")
    drifts = [kept.drift for kept in list_drifts(engine.database, **engine.of, check_id=check_id)]
    assert not drifts, "\n".join(map(str, drifts))
    assert (certificate.drifted, certificate.checked) == (0, len(engine.everyone))
