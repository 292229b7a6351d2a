"""What the main thread is asked to do soon is done when it is due, once."""

import threading

from tests.worker.processes import until

from lockstep.proof.stress.injecting import Soon


def test_what_is_due_is_done_once_by_the_one_who_tends() -> None:
    soon, done = Soon(), []
    thread = threading.Thread(target=lambda: soon(0.05, lambda: done.append(threading.current_thread())))
    thread.start()
    thread.join()
    soon.tend()
    assert done == []

    def is_done() -> bool:
        soon.tend()
        return bool(done)

    until(is_done, what="it is due", seconds=5)
    soon.tend(all_of_it=True)
    assert done == [threading.main_thread()]


def test_at_the_end_nothing_is_left_undone() -> None:
    soon, done = Soon(), []
    soon(3600, lambda: done.append(1))
    soon.tend(all_of_it=True)
    assert done == [1]
