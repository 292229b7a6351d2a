"""Do a pure twin and PostgreSQL agree on every patient's agenda and decisions, on any history?"""

import os
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from tests.conftest import Clock, create, drop, with_database
from tests.twin.comparison import ask, compare, compare_answers
from tests.twin.engine import Engine
from tests.twin.steps import EVERY, STEPS, histories

from lockstep.domain.answer import AnsweredOccurrence
from lockstep.store.database import Database

EXAMPLES = int(os.environ.get("LOCKSTEP_TWIN_EXAMPLES", "60"))
"""How many histories: the default takes a minute on two cores; hundreds, with --hypothesis-seed, find more."""
CHANCE = "LOCKSTEP_TWIN_EXAMPLES" in os.environ
"""The long form draws anew each time; the short one repeats its histories, so that a red run names a change."""

Copies = Callable[[], tuple[Database, Clock, Callable[[], None]]]


@pytest.fixture(scope="module")
def copies(server_url: str, template: str) -> Copies:
    """Makes a fresh copy of the migrated database for each history."""
    made = 0

    def copy() -> tuple[Database, Clock, Callable[[], None]]:
        nonlocal made
        made += 1
        name = f"{template}_twin_{made}"
        create(server_url, name, template=template)
        url = with_database(server_url, name)
        admin = psycopg.connect(url, autocommit=True)
        admin.execute("create table test_clock (instant timestamptz not null)")
        admin.execute("grant select on test_clock to public")
        admin.execute("insert into test_clock values (clock_timestamp())")
        admin.execute(
            "create or replace function lockstep_now() returns timestamptz language plpgsql stable parallel safe"
            " as $$ begin return (select instant from public.test_clock); end $$"
        )
        database = Database(url)

        def end() -> None:
            database.close()
            admin.close()
            drop(server_url, name)

        return database, Clock(admin), end

    return copy


@pytest.mark.timeout(0)
def test_the_twin_and_postgresql_agree(copies: Copies) -> None:
    seen: Counter[str] = Counter()

    @settings(
        max_examples=EXAMPLES,
        derandomize=not CHANCE,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    )
    @given(history=histories)
    @example(history=EVERY)
    def agree(history: list[tuple[Any, ...]]) -> None:
        database, clock, end = copies()
        try:
            engine = Engine(database, clock)
            compare(engine)
            run(engine, history)
            seen.update(engine.seen)
        finally:
            end()

    agree()
    # A twin that never did a thing proves nothing about it.
    assert set(seen) == set(STEPS)


def run(engine: Engine, history: list[tuple[Any, ...]]) -> None:
    """After every step they agree, and what was once answered stays the answer (invariants S4, S9)."""
    given_answers: list[tuple[int, datetime, tuple[AnsweredOccurrence, ...]]] = []
    for number, step in enumerate(history):
        engine.do(step)
        compare(engine)
        asked_about = engine.everyone[number % len(engine.everyone)]
        given_answers.append((asked_about, engine.now, ask(engine, asked_about, engine.now, engine.now)))
    compare_answers(engine)
    engine.drain()
    engine.learn()
    compare(engine)
    compare_answers(engine)
    for enrolment_id, at, answer in given_answers:
        assert ask(engine, enrolment_id, at, at) == answer, f"the answer for {at} changed"
