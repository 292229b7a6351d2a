"""A worker that is killed or frozen in the middle of a recalculation: the others go on, and nothing happens twice."""

import signal

from tests.storm.field import Field
from tests.storm.invariants import require_calm
from tests.worker.processes import until

AT_A_CHUNK = """
    select count(*)
    from pg_stat_activity a
    join pg_locks l using (pid)
    where a.datname = current_database()
        and a.application_name = 'lockstep worker'
        and a.state = 'idle in transaction'
        and a.state_change < clock_timestamp() - interval '300 milliseconds'
        and l.relation = 'agenda_head'::regclass
        and l.mode = 'RowExclusiveLock'
"""
"""Transactions that have written heads and then were heard of no more."""

WRITTEN = """
    select md5(string_agg(concat_ws(' ', enrolment_id, xmin, ctid), ',' order by enrolment_id, ctid))
    from (select enrolment_id, xmin, ctid from agenda_head union all select enrolment_id, xmin, ctid from agenda) as t
"""


def test_one_of_two_is_killed_again_and_again(wide_field: Field) -> None:
    field = wide_field
    field.slow_down(0.02)
    field.work(2)
    field.measure()
    accepted, _, _ = field.publish(2)
    for kill in range(2):
        field.until_in_the_middle(accepted)
        left = field.behind(accepted)
        victim = field.workers[kill]
        assert victim.poll() is None
        victim.kill()
        assert field.behind(accepted) > 0, "it hit a recalculation that went on"
        # Somebody goes on with it at once.
        took = until(lambda left=left: field.behind(accepted) < left, what="the other goes on")  # type: ignore[misc]
        assert took < 5
        field.work(1)
    field.speed_up()
    field.until_in_step(accepted)
    field.until_all_ended()
    require_calm(field, field.stop_measuring())


def test_all_are_killed_and_new_ones_go_on(field: Field) -> None:
    field.slow_down()
    field.work(2)
    field.measure()
    hearts, _, _ = field.publish(2)
    lungs, _, _ = field.publish(3, field.lungs)
    field.until_in_the_middle(hearts)
    for worker in field.workers:
        worker.kill()
    left = field.behind(hearts)
    assert left > 0
    field.speed_up()
    field.work(2)
    field.until_in_step(hearts, lungs)
    field.until_all_ended()
    require_calm(field, field.stop_measuring())


def test_a_worker_frozen_in_a_chunk_changes_nothing_when_it_wakes(wide_field: Field) -> None:
    field = wide_field
    field.slow_down()
    field.work(2)
    accepted, _, _ = field.publish(2)
    field.until_in_the_middle(accepted)
    frozen = field.workers[0]

    def is_frozen_in_a_chunk() -> bool:
        frozen.send_signal(signal.SIGSTOP)
        try:
            until(lambda: field.one(AT_A_CHUNK) > 0, what="frozen in a chunk", seconds=1)
        except AssertionError:
            frozen.send_signal(signal.SIGCONT)
            return False
        return True

    until(is_frozen_in_a_chunk, what="it is frozen while it holds heads")
    assert field.behind(accepted) > 0
    field.speed_up()
    # The server takes back what it held after five seconds, and the other worker does its part.
    field.until_in_step(accepted)
    field.until_all_ended()
    before = field.one(WRITTEN)
    seen = "select seen_at from worker where pid = %s"
    last_seen_at = field.one(seen, [frozen.pid])
    frozen.send_signal(signal.SIGCONT)
    until(lambda: field.one(seen, [frozen.pid]) > last_seen_at, what="it goes on as a worker")
    last_seen_at = field.one(seen, [frozen.pid])
    until(lambda: field.one(seen, [frozen.pid]) > last_seen_at, what="and all its duties had their turn")
    assert field.one(WRITTEN) == before
    require_calm(field)
