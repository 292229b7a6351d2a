"""A chunk grows while its locks are short, shrinks while they are long, and halves on failure down to one."""

from hypothesis import given
from hypothesis import strategies as st

from lockstep.worker.chunk_size import FIRST, LEAST, LEAST_BY_TIME, MOST, ChunkSize


def test_it_finds_the_size_that_holds_locks_for_10_to_15_ms() -> None:
    size = ChunkSize()
    for _ in range(50):
        size.succeeded(done=size.size, elapsed_ms=size.size / 200)
    assert 10 <= size.size / 200 <= 15


def test_a_thousand_take_a_handful_of_chunks() -> None:
    size, left, chunks = ChunkSize(), 1_000, 0
    while left > 0:
        left -= size.size
        chunks += 1
        size.succeeded(done=size.size, elapsed_ms=5)
    assert chunks <= 5


def test_slowness_alone_makes_it_no_smaller_than_worth_while() -> None:
    size = ChunkSize()
    for _ in range(50):
        size.succeeded(done=size.size, elapsed_ms=1_000)
    assert size.size == LEAST_BY_TIME


def test_failures_halve_it_down_to_one_and_it_recovers() -> None:
    size = ChunkSize()
    halvings = 0
    while size.failed():
        halvings += 1
    assert (size.size, halvings) == (LEAST, FIRST.bit_length() - 1)
    assert not size.failed()
    for _ in range(100):
        size.succeeded(done=size.size, elapsed_ms=1)
    assert size.size == MOST


def test_a_chunk_that_was_not_full_says_nothing() -> None:
    size = ChunkSize()
    size.succeeded(done=FIRST - 1, elapsed_ms=1)
    assert size.size == FIRST


@given(st.lists(st.one_of(st.none(), st.floats(0, 10_000))))
def test_it_stays_within_its_bounds(events: list[float | None]) -> None:
    size = ChunkSize()
    for elapsed_ms in events:
        if elapsed_ms is None:
            size.failed()
        else:
            size.succeeded(done=size.size, elapsed_ms=elapsed_ms)
        assert LEAST <= size.size <= MOST
