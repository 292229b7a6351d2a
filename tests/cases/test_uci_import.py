"""The 25 home glucose diaries go into a database: every row is accounted for, misses are where no reading is."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from lockstep.domain.civil import local_of
from lockstep.domain.content import Activity
from lockstep.domain.measurement import Measurement, Outcome
from lockstep.domain.measurement_file import rows
from lockstep.domain.measurement_mapping import FileMapping, read_mapping
from lockstep.domain.protocol import parse
from lockstep.domain.schedule import Schedule, windows
from lockstep.engine import measurement
from lockstep.engine.measurement import record_measurements
from lockstep.engine.measurement_file import Totals, import_measurements
from lockstep.proof import small_world
from lockstep.store.database import Database

if TYPE_CHECKING:
    from tests.conftest import Clock

DIARIES = Path(__file__).parents[2].parent / "shared" / "cases" / "uci-diabetes-home-glucose"
pytestmark = pytest.mark.skipif(not DIARIES.is_dir(), reason="the cases are not on this machine")
ZONE = "America/Chicago"
TODAY = datetime(2026, 3, 3, 13, 0, tzinfo=UTC)  # 07:00 there, two hours into breakfast's window
NAMES = [f"data-{number:02}" for number in range(1, 26)]
MAPPING = Path(small_world.__file__).parent / "mappings" / "uci-diabetes.yaml"


@pytest.fixture
def mapping() -> FileMapping:
    return read_mapping(MAPPING.read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    # The clock jumps: a sign of life after a jump would be the end of an outage.
    monkeypatch.setattr(measurement, "BEAT_SECONDS", float("inf"))


def lines_of(name: str) -> list[str]:
    return (DIARIES / name).read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)


def four_a_day() -> dict[str, Any]:
    times = [
        ("breakfast", "05:00", "10:00"),
        ("lunch", "10:00", "14:00"),
        ("supper", "15:00", "20:00"),
        ("bed", "20:00", "24:00"),
    ]
    return {
        "key": "glucose",
        "title": "Four a day",
        "activities": [
            {
                "key": "glucose",
                "title": "Glucose",
                "code": "41653-7",
                "unit": "mg/dL",
                "schedule": {
                    "every": "1 day",
                    "times": [{"label": label, "opens": opens, "closes": closes} for label, opens, closes in times],
                },
                "rules": [{"key": "low", "below": 70, "severity": "red"}, {"key": "missed", "kind": "missed"}],
            }
        ],
    }


def test_every_row_is_accounted_for_and_a_repeat_stores_nothing(
    database: Database, admin: psycopg.Connection, mapping: FileMapping
) -> None:
    world = small_world.found(database)
    outcomes: Counter[Outcome] = Counter()
    told: list[int] = []

    def bring_in(name: str, *, after_row: int = 0) -> Totals:
        return import_measurements(
            database,
            organisation_id=world.organisation_id,
            lines=lines_of(name),
            mapping=mapping,
            file=name,
            create_patients_in=ZONE,
            after_row=after_row,
            progress=lambda totals: told.append(totals.rows),
        )

    sent = 0
    for name in NAMES:
        totals = bring_in(name)
        found = sum(1 for _ in rows(lines_of(name), mapping, file=name))
        assert totals.rows == found
        sent += found
        outcomes += totals.outcomes
    assert sum(outcomes.values()) == sent
    stored = admin.execute("select count(*) from measurement").fetchone()
    assert stored == (outcomes[Outcome.STORED],)
    findings = admin.execute(
        "select finding, count(*) from measurement where code = '41653-7' and value is null group by 1"
    )
    assert {row[0] for row in findings} <= {"above range", "below range"}
    aside = admin.execute("select count(*) from measurement_set_aside").fetchone()
    assert aside is not None
    assert 0 < aside[0] <= outcomes[Outcome.SET_ASIDE]
    assert len(told) >= len(NAMES)
    again: Counter[Outcome] = Counter()
    for name in NAMES:
        again += bring_in(name).outcomes
    assert again[Outcome.STORED] == 0
    assert sum(again.values()) == sent
    assert again[Outcome.DUPLICATE] == outcomes[Outcome.STORED] + outcomes[Outcome.DUPLICATE]
    assert admin.execute("select count(*) from measurement").fetchone() == stored
    assert bring_in("data-01", after_row=900).rows == sum(
        1 for number, _ in rows(lines_of("data-01"), mapping, file="data-01") if number > 900
    )


def test_diaries_of_1991_say_nothing_about_today(
    database: Database, clock: "Clock", admin: psycopg.Connection, mapping: FileMapping
) -> None:
    """Every patient is asked at this moment, and hypoglycaemia alerts: no row may be taken for today's reading."""
    clock.set(TODAY)
    world = small_world.found(database)
    protocol_id = world.protocol("glucose")
    world.publish(protocol_id, four_a_day())
    world.enrol(protocol_id, [f"uci-{name}" for name in NAMES], zone=ZONE)
    open_now = admin.execute("select count(*) from agenda where opens_at <= %s and closes_at > %s", [TODAY, TODAY])
    assert open_now.fetchone() == (len(NAMES),)
    agenda = admin.execute("select * from agenda order by enrolment_id").fetchall()
    outcomes: Counter[Outcome] = Counter()
    for name in NAMES:
        outcomes += import_measurements(
            database, organisation_id=world.organisation_id, lines=lines_of(name), mapping=mapping, file=name
        ).outcomes
    assert outcomes == {Outcome.STORED: 8598, Outcome.DUPLICATE: 5, Outcome.SET_ASIDE: 8, Outcome.REFUSED: 61}
    assert outcomes.total() == 8672
    # Some would alert today, had they been measured today.
    low = admin.execute("select count(*) from measurement where code = '41653-7' and value < 70").fetchone()
    assert low is not None
    assert low[0] > 100
    for table in ("occurrence", "occurrence_correction", "alert", "alert_sample"):
        assert admin.execute(f"select count(*) from {table}".encode()).fetchone() == (0,), table
    assert admin.execute("select * from agenda order by enrolment_id").fetchall() == agenda
    stated = admin.execute(
        "select extract(year from min(judged_for_at)), extract(year from max(judged_for_at)),"
        " bool_and(judged_for_at = taken_at), array_agg(distinct placed_by) from measurement"
    )
    assert stated.fetchone() == (1989, 1991, True, ["history"])


@pytest.mark.parametrize("name", NAMES)
def test_missed_are_exactly_the_windows_without_a_reading(
    database: Database, clock: "Clock", admin: psycopg.Connection, mapping: FileMapping, name: str
) -> None:
    """Recorded month by month, as at visits; no duty judges here, so what stays undecided is what is missed."""
    read = [result for _, result in rows(lines_of(name), mapping, file=name)]
    readings = sorted(
        (each for each in read if isinstance(each, Measurement) and each.code == "41653-7"), key=lambda m: m.taken_at
    )
    begins = datetime.combine(local_of(readings[0].taken_at, ZONE).date(), datetime.min.time(), UTC)
    clock.set(begins)
    world = small_world.found(database)
    protocol_id = world.protocol("glucose")
    world.publish(protocol_id, four_a_day())
    world.enrol(protocol_id, [f"uci-{name}"], zone=ZONE, anchor_on=begins.date())
    received = begins
    ahead = list(readings)
    while ahead:
        received += timedelta(days=28)
        clock.set(received)
        now = [each for each in ahead if each.taken_at < received]
        ahead = ahead[len(now) :]
        answers = record_measurements(database, organisation_id=world.organisation_id, items=now)
        assert {answer.outcome for answer in answers} <= {Outcome.STORED, Outcome.DUPLICATE}
    activity: Activity = parse(four_a_day()).activities[0]
    assert isinstance(activity.schedule, Schedule)
    due = list(
        takewhile(
            lambda window: window.closes_at <= received,
            windows(activity.schedule, anchor_on=begins.date(), zone=ZONE, from_at=begins),
        )
    )
    instants = [each.taken_at for each in readings]
    without = {
        (window.on, window.slot)
        for window in due
        if not any(window.opens_at <= at < window.closes_at for at in instants)
    }
    fulfilled = set(admin.execute("select on_date, slot from occurrence where state = 'fulfilled'").fetchall())
    assert {(window.on, window.slot) for window in due} - fulfilled == without
    assert admin.execute("select count(*) from occurrence where state <> 'fulfilled'").fetchone() == (0,)
    row = admin.execute("select on_date, slot from agenda").fetchone()
    undecided = [(window.on, window.slot) for window in due if (window.on, window.slot) in without]
    assert row is not None
    assert not undecided or tuple(row) == undecided[0]
