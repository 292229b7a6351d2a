"""A recalculation makes way for measurements that wait, tells why, and keeps its floor."""

from dataclasses import dataclass

from lockstep.worker.yielding import FLOOR, PROBE_SECONDS, Yielding


@dataclass
class Surroundings:
    """A clock and a database whose small transactions take so long."""

    waits_ms: float = 0.5
    ingesting: bool = True
    at: float = 100.0

    def yielding(self) -> Yielding:
        return Yielding(probe=lambda: self.waits_ms, is_ingesting=lambda: self.ingesting, now=lambda: self.at)

    def look(self, yielding: Yielding, times: int = 20) -> None:
        for _ in range(times):
            self.at += PROBE_SECONDS
            yielding.look()


def test_undisturbed_it_takes_all_its_time() -> None:
    around = Surroundings()
    yielding = around.yielding()
    around.look(yielding)
    assert (yielding.share, yielding.reason, yielding.pause_seconds(1)) == (1.0, None, 0)


def test_it_makes_way_down_to_the_floor_with_a_reason_and_takes_it_back() -> None:
    around = Surroundings(waits_ms=30)
    yielding = around.yielding()
    around.look(yielding)
    assert yielding.share == FLOOR
    assert yielding.reason is not None
    assert "wait 30 ms" in yielding.reason
    assert yielding.pause_seconds(0.012) == 0.012 * 3
    around.waits_ms = 0.5
    around.look(yielding)
    assert (yielding.share, str(yielding.reason)) == (1.0, "None")


def test_nobody_sends_so_nobody_waits() -> None:
    around = Surroundings(waits_ms=30, ingesting=False)
    yielding = around.yielding()
    around.look(yielding)
    assert yielding.share == 1.0


def test_it_asks_seldom() -> None:
    around, asked = Surroundings(), []
    yielding = Yielding(probe=lambda: asked.append(1) or 0.1, is_ingesting=lambda: True, now=lambda: around.at)  # type: ignore[func-returns-value]
    for _ in range(100):
        yielding.look()
    assert len(asked) == 1
