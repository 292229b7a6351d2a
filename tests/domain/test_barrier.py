"""An instant is passed when whatever ran at it has ended, and some time has gone by."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from lockstep.domain.barrier import WAIT, Barrier

T = datetime(2026, 3, 3, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return T + timedelta(seconds=seconds)


def test_nothing_is_passed_at_first() -> None:
    assert Barrier().observe(T, oldest_running=5, next_to_run=5) is None


def test_the_latest_mark_that_is_passed_counts() -> None:
    barrier = Barrier()
    barrier.observe(after(0), oldest_running=5, next_to_run=7)
    barrier.observe(after(1), oldest_running=5, next_to_run=9)
    assert barrier.observe(after(5), oldest_running=6, next_to_run=10) is None
    assert barrier.observe(after(6), oldest_running=8, next_to_run=10) == after(0)
    assert barrier.observe(after(7), oldest_running=9, next_to_run=10) == after(1)
    assert barrier.observe(after(8), oldest_running=10, next_to_run=10) == after(6)


def test_a_transaction_of_minutes_costs_no_memory_without_bound() -> None:
    barrier = Barrier()
    for n in range(10_000):
        assert barrier.observe(after(n), oldest_running=1, next_to_run=n + 2) is None
    assert len(barrier._marks) <= 1001
    passed = barrier.observe(after(20_000), oldest_running=20_000, next_to_run=20_000)
    assert passed is not None
    assert passed >= after(9_000)


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 3), st.booleans()), min_size=1, max_size=60))
def test_what_is_passed_has_nothing_running_from_then(steps: list[tuple[float, int, bool]]) -> None:
    """Transactions begin and end at random; each is held against what the barrier says has passed."""
    barrier, at, given_out = Barrier(), T, 1
    running: dict[int, datetime] = {}
    for seconds, began, ends in steps:
        at += timedelta(seconds=seconds)
        for _ in range(began):
            running[given_out] = at
            given_out += 1
        if ends and running:
            del running[min(running)]
        passed = barrier.observe(at, oldest_running=min(running, default=given_out), next_to_run=given_out)
        if passed is not None:
            assert passed + WAIT <= at
            assert all(began_at >= passed for began_at in running.values())
