"""Failures that pass by themselves, and doing the work again until they have."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

import psycopg

T = TypeVar("T")

LATE_ACCEPTANCE = "LS001"  # our own: the instant of acceptance was too old at commit (migrations/0001_core)

_STATES = frozenset(
    {
        "55P03",  # lock not available: lock_timeout
        "40P01",  # dead-lock
        "40001",  # serialisation
        "57014",  # query cancelled
        "57P01",  # administrator's shutdown
        "57P02",  # crash of another backend
        "57P03",  # cannot connect now: starting up
        "57P05",  # idle session time-out
        "25P03",  # idle in transaction time-out
        "53300",  # too many connections
        LATE_ACCEPTANCE,
    }
)


def is_transient(error: BaseException) -> bool:
    """Whether the same work may succeed when done again: locks, time-outs, a lost or absent database.

    A connection lost during COMMIT is among them, and then the work may have been done: only repeat what has
    one effect however often it is sent.
    """
    if not isinstance(error, psycopg.Error):
        return False
    if error.sqlstate is not None:
        return error.sqlstate in _STATES or error.sqlstate.startswith("08")
    # Without a state the server said nothing: the connection was lost, refused, closed, or none came free.
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)


def _say_nothing(error: psycopg.Error, attempt: int) -> None:
    del error, attempt


def is_about_data(error: BaseException) -> bool:
    """Whether what was sent cannot be kept as it is: doing it again would fail again, other data would not."""
    return isinstance(error, psycopg.DataError | psycopg.IntegrityError | UnicodeError)


def run_again(
    work: Callable[[], T],
    *,
    attempts: int | None = None,
    first_ms: float = 10,
    cap_ms: float = 2_000,
    give_up: Callable[[], bool] = lambda: False,
    on_failure: Callable[[psycopg.Error, int], None] = _say_nothing,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """What `work` returns, called at most `attempts` times (None: for ever) while it fails transiently.

    Waits between calls grow from `first_ms` by doubling up to `cap_ms`, each a random share between half and
    the whole, so that rivals part. Re-raises what is not transient, the last failure when attempts are
    used up, and the failure at hand when `give_up` says so. `on_failure` is told each failure and its
    number.
    """
    attempt = 0
    while True:
        try:
            return work()
        except psycopg.Error as error:
            attempt += 1
            if not is_transient(error) or attempt == attempts or give_up():
                raise
            on_failure(error, attempt)
        sleep(_wait_seconds(attempt, first_ms=first_ms, cap_ms=cap_ms))


def _wait_seconds(attempt: int, *, first_ms: float, cap_ms: float) -> float:
    # The exponent is bounded because 2 ** 2000 overflows a float, and for ever is long.
    whole = min(cap_ms, first_ms * 2.0 ** min(attempt - 1, 30))
    return whole * random.uniform(0.5, 1) / 1000  # noqa: S311 (spreads rivals, protects nothing)


def is_taken(error: BaseException) -> bool:
    """Whether somebody else has made the same thing already: a unique key stands in the way."""
    return isinstance(error, psycopg.errors.UniqueViolation)
