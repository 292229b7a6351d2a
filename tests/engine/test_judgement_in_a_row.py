"""A rule of n in a row is broken by the nth missed occurrence; its alert lists the run."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from lockstep.proof.small_world import weighed, weights
from lockstep.store.database import Database

from .judged_world import CLOSES_AT, DAY, JUDGED_AT, OPENS_AT, Judging
from .measured_world import MORNING

if TYPE_CHECKING:
    from tests.conftest import Clock

THRICE: dict[str, Any] = {"key": "thrice", "kind": "missed", "in_a_row": 3, "severity": "orange"}


@pytest.fixture
def world(database: Database, clock: "Clock", admin: psycopg.Connection) -> Judging:
    return Judging(database, admin, clock.set, rules=[THRICE])


def of_run(world: Judging) -> list[tuple[str, int]]:
    return [(state, occurrences) for key, state, occurrences, _ in world.alerts() if key == "thrice"]


def listed(world: Judging) -> list[int]:
    found = world.ask(
        "select extract(day from s.on_date)::integer from alert_sample s join alert a using (alert_id)"
        " where a.rule_key = 'thrice' order by s.at, a.alert_id"
    )
    return [row[0] for row in found]


def test_the_third_one_raises_and_further_ones_are_added(world: Judging) -> None:
    for day, alerts in enumerate([[], [], [("open", 3)], [("open", 4)]]):
        world.judge(JUDGED_AT + day * DAY)
        assert of_run(world) == alerts
        assert world.rows()[0][3] == day + 1
    assert listed(world) == [3, 4, 5, 6]
    assert world.ask("select severity, about_at from alert where rule_key = 'thrice'") == [
        ("orange", JUDGED_AT + 3 * DAY)
    ]


def test_a_fulfilled_one_ends_the_run(world: Judging) -> None:
    for day in range(6):
        if day == 2:
            world.record(weighed("anna", "1", MORNING + 2 * DAY), at=MORNING + 2 * DAY)
        world.judge(JUDGED_AT + day * DAY)
    assert listed(world) == [6, 7, 8]
    assert of_run(world) == [("open", 3)]


def test_a_run_counted_after_the_alert_was_resolved_raises_it_anew(world: Judging, admin: psycopg.Connection) -> None:
    world.judge(JUDGED_AT + 2 * DAY)
    admin.execute("update alert set state = 'resolved'")
    world.judge(JUDGED_AT + 3 * DAY)
    assert of_run(world) == [("resolved", 3), ("open", 3)]
    assert listed(world) == [3, 4, 4, 5, 5, 6]


def test_a_second_run_is_added_to_the_open_alert(world: Judging) -> None:
    world.judge(JUDGED_AT + 2 * DAY)
    world.record(weighed("anna", "1", MORNING + 3 * DAY), at=MORNING + 3 * DAY)
    world.judge(JUDGED_AT + 6 * DAY)
    assert of_run(world) == [("open", 6)]
    assert listed(world) == [3, 4, 5, 7, 8, 9]


def test_a_superseded_one_neither_counts_nor_breaks(world: Judging, admin: psycopg.Connection) -> None:
    world.judge(JUDGED_AT + DAY)
    # Another schedule in the middle of the third window: that occurrence is superseded, the next is asked at noon.
    world.set_clock(OPENS_AT + 2 * DAY + timedelta(hours=1))
    times = (("noon", "14:00", "16:00"),)
    world.world.publish(world.protocol_id, weights(times=times, grace="1h", rules=[THRICE]))
    judged = world.judge(JUDGED_AT + 2 * DAY)
    assert (judged.missed, judged.brought_in_step) == (0, 1)
    assert of_run(world) == []
    world.judge(JUDGED_AT + 3 * DAY)
    assert world.ask("select on_date::text, slot, version_number from occurrence order by judge_at") == [
        ("2026-03-03", "morning", 1),
        ("2026-03-04", "morning", 1),
        ("2026-03-05", "noon", 2),
    ]
    assert of_run(world) == [("open", 3)]
    assert listed(world) == [3, 4, 5]


def test_a_correction_counts_the_run_as_judging_does(world: Judging) -> None:
    world.judge(JUDGED_AT + 3 * DAY)
    assert of_run(world) == [("open", 4)]
    # The second of four was measured in time and came late: two are left in a row.
    world.record(weighed("anna", "late", MORNING + DAY), at=JUDGED_AT + 3.1 * DAY)
    assert world.rows() == [("2026-03-07", "morning", 0, 2)]
    world.judge(JUDGED_AT + 4 * DAY)
    assert world.rows() == [("2026-03-08", "morning", 0, 3)]
    assert listed(world)[-1] == 7


def test_one_in_grace_fulfils_late_and_ends_the_run(world: Judging) -> None:
    world.judge(JUDGED_AT + DAY)
    taken = CLOSES_AT + 2 * DAY + timedelta(hours=1)
    world.record(weighed("anna", "1", taken), at=taken)
    world.judge(JUDGED_AT + 3 * DAY)
    assert world.rows() == [("2026-03-07", "morning", 0, 1)]
    assert of_run(world) == []
