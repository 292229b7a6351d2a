"""The recalculating duty: fair picks, smaller chunks after failures, setting aside, pausing, reasons."""

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from tests.engine.switch_world import World, activity, every, found

from lockstep.engine import operation, recalculation
from lockstep.engine.clock import current_instant
from lockstep.store.database import Database
from lockstep.store.recalculation import Recalculation
from lockstep.worker import recalculation as duty
from lockstep.worker.chunk_size import FIRST
from lockstep.worker.recalculation import Recalculating, Work, choose
from lockstep.worker.verification import Verifying
from lockstep.worker.yielding import Yielding

AT = datetime(2026, 11, 23, tzinfo=UTC)


def work(number: int, total: int | None, done: int = 0) -> Work:
    return Work(1, Recalculation(number, "running", 1, 1, None, 1, AT, total, None, None, AT, done))


def test_half_of_the_picks_go_to_the_one_with_the_least_left() -> None:
    ready = [work(1, 1_000_000, 10), work(2, 1_000), work(3, 50_000)]
    chance = random.Random(1)
    picks = Counter(choose(ready, chance).operation.operation_id for _ in range(6_000))
    assert 0.6 < picks[2] / 6_000 < 0.73  # a half, and a third of the other half
    assert min(picks.values()) > 800, "nobody is left waiting"


def world_of(database: Database, patients: int) -> tuple[World, int, list[int]]:
    world = found(database)
    protocol_id = world.protocol("heart")
    world.publish(protocol_id, activity())
    enrolled = world.enrol(protocol_id, [f"p{number}" for number in range(patients)])
    return world, protocol_id, enrolled


def run(recalculating: Recalculating, most: int = 500) -> int:
    """Steps until nothing is left; fails when that takes more than `most`."""
    verifying = Verifying(recalculating._database)
    for steps in range(most):
        if not recalculating.run() and not verifying.run():
            return steps
    raise AssertionError(f"still at it after {most} steps")


def states(admin: psycopg.Connection) -> list[str]:
    return [
        row[0]
        for row in admin.execute("select state from operation where kind = 'recalculation' order by operation_id")
    ]


def test_a_small_one_is_over_with_its_first_pick(database: Database, admin: psycopg.Connection) -> None:
    world, protocol_id, _ = world_of(database, 50)
    run(Recalculating(database))
    world.publish(protocol_id, activity(schedule=every(2)))
    # The clock stands still, so that only chunks end the pick, not the time they take on a busy machine.
    Recalculating(database, now=lambda: 1.0).run()
    behind = "select count(*) from agenda_head where generation < (select max(generation) from switch_acceptance)"
    assert admin.execute(behind).fetchall() == [(0,)]


def test_it_brings_every_switch_to_its_end(database: Database, admin: psycopg.Connection) -> None:
    world, protocol_id, _ = world_of(database, 50)
    for days in (2, 3):
        world.publish(protocol_id, activity(schedule=every(days)))
    run(Recalculating(database))
    assert states(admin) == ["succeeded"] * 3


def test_transient_failures_are_tried_again_with_smaller_chunks(
    database: Database, admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, protocol_id, _ = world_of(database, 50)
    run(Recalculating(database))
    world.publish(protocol_id, activity(schedule=every(2)))
    sizes: list[int] = []
    really = recalculation.recalculate_chunk

    def flaky(database: Database, *, size: int, **more: Any) -> recalculation.Chunk | None:
        sizes.append(size)
        if len(sizes) <= 4:
            raise psycopg.errors.LockNotAvailable("a rival")
        return really(database, size=size, **more)

    monkeypatch.setattr(recalculation, "recalculate_chunk", flaky)
    run(Recalculating(database))
    assert sizes[:5] == [max(1, FIRST >> halvings) for halvings in range(5)]
    assert states(admin)[-1] == "succeeded"
    attempts = admin.execute("select data from operation_event where type = 'operation.attempted'").fetchall()
    assert attempts[0][0]["sqlstate"] == "55P03"


def test_whoever_fails_alone_is_set_aside_and_the_others_are_in_step(
    database: Database, admin: psycopg.Connection
) -> None:
    world, protocol_id, enrolled = world_of(database, 40)
    run(Recalculating(database))
    culprit = enrolled[17]
    admin.execute(f"alter table agenda_head add constraint fault check (enrolment_id <> {culprit}) not valid")
    accepted = world.publish(protocol_id, activity(schedule=every(2)))
    run(Recalculating(database))
    assert states(admin)[-1] == "succeeded with exceptions"
    aside = admin.execute("select enrolment_id, reason, sqlstate, operation_id from recalculation_exception").fetchall()
    assert aside == [(culprit, "CheckViolation", "23514", accepted.operation_id)]
    behind = admin.execute("select enrolment_id from agenda_head where generation < %s", [accepted.generation])
    assert behind.fetchall() == [(culprit,)]
    admin.execute("alter table agenda_head drop constraint fault")
    admin.execute("update recalculation_exception set next_try_at = '2020-01-01'")
    assert recalculation.retry_exceptions(database, organisation_id=world.organisation_id) == 1
    assert admin.execute("select 1 from agenda_head where generation < %s", [accepted.generation]).fetchall() == []


def test_a_pause_is_fulfilled_and_nothing_is_done_until_it_is_taken_up(
    database: Database, admin: psycopg.Connection
) -> None:
    world, protocol_id, _ = world_of(database, 10)
    recalculating = Recalculating(database)
    run(recalculating)
    accepted = world.publish(protocol_id, activity(schedule=every(2)))
    scope = {"organisation_id": world.organisation_id, "operation_id": accepted.operation_id}
    for each in recalculation.list_work(database, organisation_id=world.organisation_id):
        recalculation.begin(database, organisation_id=world.organisation_id, operation=each)
    assert states(admin)[-1] == "running"
    until_at = current_instant(database) + timedelta(minutes=5)
    operation.pause(database, **scope, until_at=until_at, reason="look first", actor="o")
    recalculating = Recalculating(database)
    assert not recalculating.run()
    assert states(admin)[-1] == "paused"
    assert not Recalculating(database).run()
    operation.resume(database, **scope, actor="o")
    run(Recalculating(database))
    assert states(admin)[-1] == "succeeded"


def test_it_makes_way_with_a_reason_in_the_operation(database: Database, admin: psycopg.Connection) -> None:
    world, protocol_id, _ = world_of(database, 10)
    run(Recalculating(database))
    accepted = world.publish(protocol_id, activity(schedule=every(2)))
    rested: list[float] = []
    recalculating = Recalculating(database, sleep=rested.append)
    recalculating._yielding = Yielding(probe=lambda: 30.0, is_ingesting=lambda: True)
    recalculating._close_near[world.organisation_id] = recalculating._now() + 1e9, False
    recalculating.run()
    reason = admin.execute("select reason from operation where operation_id = %s", [accepted.operation_id]).fetchone()
    assert reason is not None
    assert "Makes way for measurements" in reason[0]
    assert rested


def test_it_does_not_make_way_when_a_close_is_near(database: Database) -> None:
    world, protocol_id, _ = world_of(database, 10)
    run(Recalculating(database))
    world.publish(protocol_id, activity(schedule=every(2)))
    rested: list[float] = []
    recalculating = Recalculating(database, sleep=rested.append)
    recalculating._yielding = Yielding(probe=lambda: 30.0, is_ingesting=lambda: True)
    recalculating._close_near[world.organisation_id] = recalculating._now() + 1e9, True
    recalculating.run()
    assert rested == []


def test_what_it_remembers_is_bounded(database: Database) -> None:
    recalculating = Recalculating(database)
    for number in range(200):
        recalculating._know(1, replace(work(number, 10).operation))
    assert len(recalculating._known) <= duty.REMEMBERED
