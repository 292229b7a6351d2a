"""Rivals hold tables or rows: whoever needs them waits without failing, everybody else goes on, and all converges."""

import threading
import time

import pytest
from tests.storm.field import HOLD_SECONDS, Field
from tests.storm.invariants import require_calm
from tests.storm.rival import hold_for, holding
from tests.worker.processes import until

from lockstep.store.transient import is_transient

SLACK_SECONDS = 10.0


def test_the_agenda_is_locked_altogether(field: Field) -> None:
    field.work(2)
    measuring = field.measure()
    probes = field.read(1)
    preview = field.preview(2)
    with holding(field.url, "lock table agenda in access exclusive mode"):
        held = time.monotonic()
        # A switch writes no patient's row, and answers are computed from facts: neither notices.
        switch = field.accept(preview)
        accepted, called, told = switch
        assert told - called < 2
        until(lambda: any(each.asked > told for each in probes.answers()), what="probes are answered meanwhile")
        assert field.behind(accepted) == len(field.members(field.heart))
        hold_for(HOLD_SECONDS, held)
    released = time.monotonic()
    field.until_in_step(accepted)
    until(lambda: len(measuring.answered(answered_after=released)) == 2, what="both clients are answered")
    assert time.monotonic() - released < SLACK_SECONDS
    assert all(worker.poll() is None for worker in field.workers)
    field.until_all_ended()
    assert field.one("select count(*) from recalculation_exception") == 0, "nobody was set aside for a lock"
    assert field.judge_answers(switch).former == 0
    require_calm(field, field.stop_measuring())


def test_fifty_heads_are_locked(field: Field) -> None:
    names = [name for name in field.world.enrolments if name.startswith("heart")]
    held_names, free_names = names[:50], names[50:]
    held_ids = [field.world.enrolments[name] for name in held_names]
    field.work(2)
    measuring = field.measure(free_names, held_names, per_second=10)
    chosen = ", ".join(map(str, held_ids))
    lock = f"select from agenda_head where enrolment_id in ({chosen}) order by enrolment_id for update"
    with holding(field.url, lock):
        held = time.monotonic()
        accepted, _, _ = field.publish(2)
        until(lambda: field.behind(accepted) == len(held_ids), what="all others are in step", seconds=30)
        others = measuring.answered(asked_after=held)
        hold_for(HOLD_SECONDS, held)
        assert field.behind(accepted) == len(held_ids)
        assert (
            field.one(
                "select count(*) from operation where ended_at is not null and switch_id = %s", [accepted.switch_id]
            )
            == 0
        ), "it has not ended while fifty are behind"
        assert measuring.answered(asked_after=held)[0] > others[0], "patients whose heads are free are served"
        assert not [each for each in measuring.failures() if each.client == 0]
    released = time.monotonic()
    assert field.until_in_step(accepted) < SLACK_SECONDS
    until(lambda: measuring.answered(answered_after=released)[1] > 0, what="the held ones are served again")
    field.until_all_ended()
    require_calm(field, field.stop_measuring())


def test_somebody_falls_asleep_in_a_transaction_and_holds_heads(field: Field) -> None:
    """A process of ours that hangs: the server takes back what it held."""
    field.work(2)
    measuring = field.measure()
    ids = field.members(field.heart)[:50]
    asleep, wake = threading.Event(), threading.Event()
    failed: list[BaseException] = []

    def sleep() -> None:
        try:
            with field.world.database.transaction(field.world.organisation_id) as connection:
                connection.execute("select from agenda_head where enrolment_id = any(%s) for no key update", [ids])
                asleep.set()
                wake.wait(60)
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=sleep)
    thread.start()
    try:
        assert asleep.wait(10)
        accepted, _, _ = field.publish(2)
        took = field.until_in_step(accepted, seconds=30)
        assert took < 5 + SLACK_SECONDS, "after five seconds the server ends a transaction that sleeps"
    finally:
        wake.set()
        thread.join()
    assert failed, "the sleeper was cut off"
    assert is_transient(failed[0])
    field.until_all_ended()
    assert measuring.history()
    require_calm(field, field.stop_measuring())


def test_an_older_transaction_delays_the_end_but_not_the_work(field: Field) -> None:
    """Done means that nobody who ran at acceptance can still enrol somebody by what was in force before."""
    field.work(2)
    with holding(field.url, "select pg_current_xact_id()"):
        accepted, _, _ = field.publish(2)
        field.until_in_step(accepted)
        ended = "select count(*) from operation where operation_id = %s and ended_at is not null"
        with pytest.raises(AssertionError):
            until(lambda: field.one(ended, [accepted.operation_id]) == 1, what="it ended", seconds=2)
    until(lambda: field.one(ended, [accepted.operation_id]) == 1, what="it ended")
    field.until_all_ended()
    require_calm(field)
