"""However late and in whatever slices judging comes, agendas, runs and alerts are those of the facts alone."""

import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from tests.engine.facts_world import dump, made_anew

from lockstep.domain.missed import run_length
from lockstep.domain.occurrence import OccurrenceState
from lockstep.proof.small_world import weighed
from lockstep.store.database import Database

from .judged_world import DAY, OPENS_AT, Judging

if TYPE_CHECKING:
    from tests.conftest import Clock

TWICE: dict[str, Any] = {"key": "twice", "kind": "missed", "in_a_row": 2, "severity": "orange"}
SCHEDULES: dict[str, dict[str, Any]] = {
    "once a day": {},
    "apart": {"times": (("morning", "08:00", "10:00"), ("evening", "18:00", "20:00"))},
    "in each other's grace": {"times": (("morning", "08:00", "10:00"), ("noon", "10:30", "12:30")), "grace": "3h"},
    "overlapping": {"times": (("all day", "07:00", "21:00"), ("noon", "11:00", "13:00")), "grace": "1h"},
    "over midnight": {"times": (("night", "20:00", "07:00"), ("day", "09:00", "19:00"))},
}


def runs(world: Judging) -> dict[int, list[OccurrenceState]]:
    found: dict[int, list[OccurrenceState]] = {}
    rows = world.ask(
        "select o.enrolment_id, coalesce(c.state, o.state) from occurrence o left join occurrence_correction c"
        " using (organisation_id, enrolment_id, activity_key, on_date, slot) join agenda a"
        " using (organisation_id, enrolment_id, activity_key) where o.judge_at < a.judge_at"
        " order by o.judge_at desc, o.opens_at desc"
    )
    for enrolment_id, state in rows:
        found.setdefault(enrolment_id, []).append(OccurrenceState(state))
    return found


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", SCHEDULES)
def test_as_the_facts_say(name: str, seed: int, database: Database, clock: "Clock", admin: psycopg.Connection) -> None:
    chance = random.Random(f"{name} {seed}")
    patients = tuple(f"p{n}" for n in range(8))
    world = Judging(database, admin, clock.set, patients=patients, rules=[TWICE], **SCHEDULES[name])
    instants = sorted(chance.uniform(0, 5) for _ in range(60))
    number = 0
    for days in instants:
        at = OPENS_AT + days * DAY
        if chance.random() < 0.25:
            world.judge(at, size=chance.choice([1, 3, 1000]))
        else:
            number += 1
            world.record(weighed(chance.choice(patients), str(number), at), at=at)
    ends = OPENS_AT + 5.5 * DAY + timedelta(minutes=1)
    world.judge(ends, size=5)
    # Every window that was judged before the end is decided, and stands for a miss with exactly one sample per alert.
    states = runs(world)
    counts = world.ask("select enrolment_id, missed_in_a_row from agenda order by 1")
    assert counts == [(each, run_length(states.get(each, []))) for each, _ in counts]
    assert world.ask(
        "select o.enrolment_id, o.on_date, o.slot from occurrence o where state = 'missed' order by 1, 2, 3"
    ) == world.ask(
        "select a.enrolment_id, s.on_date, s.slot from alert_sample s join alert a using (alert_id)"
        " where a.rule_key = 'missed' order by 1, 2, 3"
    )
    assert world.ask("select count(*) from agenda where judge_at <= lockstep_now()") == [(0,)]
    kept = [row[:-1] for row in dump(admin)[len(patients) :]]
    anew = [row[:-1] for row in made_anew(database, admin, world.organisation_id)[len(patients) :]]
    assert kept == anew
