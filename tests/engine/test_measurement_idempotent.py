"""The same measurement sent any number of times, also at the same moment, has one effect and one answer."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import psycopg

from lockstep.domain.measurement import Outcome
from lockstep.proof.small_world import weighed
from lockstep.store.database import Database

from .measured_world import MORNING, Measured

if TYPE_CHECKING:
    from tests.conftest import Clock


def test_parallel_retries_store_each_once(database: Database, clock: "Clock", admin: psycopg.Connection) -> None:
    patients = tuple(f"p{n}" for n in range(20))
    world = Measured(database, admin, clock.set, patients=patients, above=70)
    clock.set(MORNING)
    items = [weighed(patient, patient, MORNING) for patient in patients]

    def send(shift: int) -> list[Outcome]:
        turned = items[shift:] + items[:shift]
        return world.record_all(list(turned))

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(send, [0, 3, 7, 11, 15, 19]))
    assert Counter(outcome for answer in answers for outcome in answer) == {
        Outcome.STORED: 20,
        Outcome.DUPLICATE: 100,
    }
    assert world.ask("select count(*), count(distinct identifier) from measurement") == [(20, 20)]
    assert len(world.decided()) == 20
    assert world.ask("select count(*), sum(occurrences) from alert") == [(20, 20)]


def test_a_retry_of_the_same_is_a_duplicate_and_of_another_is_refused(
    database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    world = Measured(database, admin, clock.set)
    first = weighed("anna", "1", MORNING, "80")
    assert world.record(first, at=MORNING).outcome is Outcome.STORED
    number = world.ask("select measurement_id from measurement")[0][0]
    again = world.record(replace(first, value=Decimal("80.00")))
    assert (again.outcome, again.measurement_id) == (Outcome.DUPLICATE, number)
    other = world.record(weighed("anna", "1", MORNING, "81"))
    assert other.outcome is Outcome.REFUSED
    assert "'1' of 'scale' already stands for another measurement" in other.reason
    assert "under a new identifier" in other.reason
    assert world.ask("select value from measurement") == [(Decimal(80),)]


def test_what_was_set_aside_is_answered_the_same_again(
    database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    world = Measured(database, admin, clock.set)
    strange = weighed("nobody", "1", MORNING)
    first = world.record(strange, at=MORNING)
    assert first.outcome is Outcome.SET_ASIDE
    # Also after the patient has become known: what was set aside waits for a person.
    world.world.enrol(world.protocol_id, ["nobody"])
    assert world.record(strange, at=MORNING + timedelta(hours=1)) == first
    assert world.ask("select count(*) from measurement_set_aside") == [(1,)]
    assert world.ask("select count(*) from measurement") == [(0,)]


def test_twice_in_one_batch(database: Database, clock: "Clock", admin: psycopg.Connection) -> None:
    world = Measured(database, admin, clock.set)
    item = weighed("anna", "1", MORNING)
    answers = world.record_all([item, item, replace(item, value=Decimal(81)), item], at=MORNING)
    assert answers == [Outcome.STORED, Outcome.DUPLICATE, Outcome.REFUSED, Outcome.DUPLICATE]
