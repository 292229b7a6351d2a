"""A duty goes on whatever fails, waits longer after failures, and tells nothing of a patient."""

import threading

import psycopg
import pytest
from structlog.testing import capture_logs

from lockstep.worker.duty import LONGEST_BACK_OFF_SECONDS, Duty, back_off_seconds, follow, signature
from lockstep.worker.turns import do_each


class Flaky:
    """Fails so many times, then works."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.failures, self.error, self.runs = failures, error, 0

    def run(self) -> bool:
        self.runs += 1
        if self.runs <= self.failures:
            raise self.error
        return False


@pytest.mark.parametrize("error", [psycopg.OperationalError("gone"), ValueError("pulse 180")])
def test_it_goes_on_after_any_failure(error: Exception) -> None:
    duty = Duty("watch", 5.0, Flaky(3, error).run)
    waits = [duty.turn() for _ in range(4)]
    assert waits[3] == 5.0
    assert all(0 < wait <= LONGEST_BACK_OFF_SECONDS for wait in waits[:3])
    assert (duty.failures, duty.runs, duty.in_a_row, duty.failing) == (3, 1, 0, "")


def test_the_text_of_a_failure_is_not_logged() -> None:
    duty = Duty("watch", 5.0, Flaky(1, ValueError("Mrs Jansen, pulse 180")).run)
    with capture_logs() as told:
        duty.turn()
    assert told[0]["failure"] == "ValueError"
    assert "Jansen" not in str(told)
    assert "Jansen" not in str(duty.state())


def test_more_work_is_done_at_once() -> None:
    assert Duty("watch", 5.0, lambda: True).turn() == 0


def test_waits_grow_up_to_a_bound_and_never_overflow() -> None:
    waits = [back_off_seconds(failures) for failures in (1, 3, 6, 1_000_000)]
    assert waits[0] < 0.06
    assert max(waits) <= LONGEST_BACK_OFF_SECONDS
    assert waits[3] >= LONGEST_BACK_OFF_SECONDS / 2


def test_a_wake_up_ends_the_wait_and_stopping_ends_the_duty() -> None:
    ran, stop = threading.Semaphore(0), threading.Event()

    def run() -> bool:
        ran.release()
        return False

    duty = Duty("watch", 3600.0, run)
    thread = threading.Thread(target=follow, args=(duty, stop), daemon=True)
    thread.start()
    assert ran.acquire(timeout=10)
    # Set until seen: the duty clears it at the beginning of a round.
    while not ran.acquire(timeout=0.01):
        duty.wake.set()
    stop.set()
    duty.wake.set()
    thread.join(10)
    assert not thread.is_alive()


def test_a_signature_names_the_kind_and_the_state() -> None:
    assert signature(psycopg.errors.LockNotAvailable("x")) == "LockNotAvailable 55P03"


def test_an_organisation_that_fails_does_not_keep_the_others_waiting() -> None:
    seen = []

    def do(organisation_id: int) -> bool:
        seen.append(organisation_id)
        if organisation_id == 1:
            raise ValueError("first")
        return True

    with pytest.raises(ValueError, match="first"):
        do_each([1, 2, 3], do)
    assert seen == [1, 2, 3]
    assert do_each([2], do)
