"""What passes by itself is done again, with growing pauses; the rest is raised at once."""

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import errors
from psycopg_pool import PoolTimeout

from lockstep.store.transient import is_transient, run_again


class Late(psycopg.DatabaseError):
    """As our trigger raises it."""

    sqlstate = "LS001"


TRANSIENT = [
    errors.LockNotAvailable(),
    errors.DeadlockDetected(),
    errors.SerializationFailure(),
    errors.QueryCanceled(),
    errors.AdminShutdown(),
    errors.CrashShutdown(),
    errors.CannotConnectNow(),
    errors.IdleInTransactionSessionTimeout(),
    errors.TooManyConnections(),
    errors.ConnectionFailure(),
    psycopg.OperationalError("the connection is lost"),
    psycopg.InterfaceError("the connection is closed"),
    PoolTimeout("none came free"),
    Late(),
]
LASTING = [
    errors.UniqueViolation(),
    errors.InsufficientPrivilege(),
    errors.UndefinedTable(),
    errors.DiskFull(),
    psycopg.ProgrammingError("no such placeholder"),
    ValueError("not the database's"),
    KeyboardInterrupt(),
]


@pytest.mark.parametrize("error", TRANSIENT, ids=repr)
def test_passes_by_itself(error: BaseException) -> None:
    assert is_transient(error)


@pytest.mark.parametrize("error", LASTING, ids=repr)
def test_stays(error: BaseException) -> None:
    assert not is_transient(error)


class Work:
    """Fails so often, then returns its number of calls."""

    def __init__(self, failures: int, error: BaseException) -> None:
        self.failures, self.error, self.calls = failures, error, 0

    def __call__(self) -> int:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return self.calls


@given(
    failures=st.integers(0, 80),
    first_ms=st.floats(0.1, 100),
    cap_ms=st.floats(0.1, 5000),
)
def test_pauses_grow_to_the_cap_and_the_work_is_done(failures: int, first_ms: float, cap_ms: float) -> None:
    pauses: list[float] = []
    work = Work(failures, errors.LockNotAvailable())
    assert run_again(work, first_ms=first_ms, cap_ms=cap_ms, sleep=pauses.append) == failures + 1
    assert len(pauses) == failures
    for number, pause in enumerate(pauses):
        whole = min(cap_ms, first_ms * 2**number) / 1000
        assert whole / 2 <= pause <= whole * 1.000001


def test_rivals_do_not_pause_alike() -> None:
    pauses: list[float] = []
    run_again(Work(50, errors.DeadlockDetected()), first_ms=100, cap_ms=100, sleep=pauses.append)
    assert len(set(pauses)) > 40


def test_what_stays_is_raised_at_once() -> None:
    work = Work(5, errors.UniqueViolation())
    with pytest.raises(errors.UniqueViolation):
        run_again(work, sleep=lambda _: pytest.fail("paused"))
    assert work.calls == 1


def test_ends_when_the_attempts_are_used_up_or_somebody_says_so() -> None:
    told: list[tuple[str, int]] = []
    work = Work(9, errors.LockNotAvailable())
    with pytest.raises(errors.LockNotAvailable):
        run_again(
            work,
            attempts=3,
            on_failure=lambda error, number: told.append((type(error).__name__, number)),
            sleep=lambda _: None,
        )
    assert work.calls == 3
    assert told == [("LockNotAvailable", 1), ("LockNotAvailable", 2)]

    work = Work(9, errors.LockNotAvailable())
    with pytest.raises(errors.LockNotAvailable):
        run_again(work, give_up=lambda: work.calls == 4, sleep=lambda _: None)
    assert work.calls == 4
