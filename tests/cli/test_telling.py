"""What people are told of in force and pending is true, and the same wherever it stands."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import yaml
from tests.cli.conftest import Lockstep, answer
from tests.conftest import Clock
from tests.engine.switch_world import activity

from lockstep.engine.organisation import resolve_organisation
from lockstep.engine.pause import pause
from lockstep.store.database import Database

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
"""13:00 in Amsterdam: the first midnight of the day has come somewhere within minutes, hers is eleven hours away."""


@pytest.fixture(autouse=True)
def early(clock: Clock) -> None:
    """Whatever is arranged is arranged in the morning of that day, whenever the tests run."""
    clock.set(NOON - timedelta(hours=4))


@pytest.fixture
def later(clock: Clock, lockstep: Lockstep, clinic: Path) -> Path:
    """The clinic at noon, with a version 1 in force for everybody in step."""
    clock.set(NOON)
    lockstep("recalculate", "patient", "p1")
    return clinic


def accept(lockstep: Lockstep, folder: Path, at: str, name: str = "longer") -> tuple[int, str]:
    """The version of the file is accepted for then; the number of the switch, and what was said."""
    number = answer(
        lockstep("switch", "preview", "stable", "-r", "w", "--publish", folder / f"{name}.yaml", "--at", at, "--json")
    )["switch_id"]
    return number, lockstep("switch", "accept", number).stdout


def paused(database: Database, organisation_id: int, from_at: datetime, until_at: datetime) -> None:
    """The first enrolment is paused in the span."""
    pause(
        database,
        organisation_id=organisation_id,
        enrolment_id=1,
        from_at=from_at,
        until_at=until_at,
        reason="holiday",
        actor="n.urse",
    )


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("next-day", "in force from each patient's next midnight (between "),
        ("2026-12-01T08:00", "in force from 2026-12-01 08:00 in each patient's zone (between "),
        ("2026-12-01T08:00Z", "in force from 2026-12-01 08:00:00 UTC;"),
    ],
)
def test_a_switch_says_from_when_as_it_was_decided(lockstep: Lockstep, later: Path, at: str, said: str) -> None:
    number, told = accept(lockstep, later, at)
    shown = lockstep("switch", "show", number).stdout
    assert said in told
    assert said in shown
    assert not re.search(r"in force from [0-9: -]+ UTC on", told + shown)


def test_what_is_scheduled_for_a_patient_is_pending_everywhere(lockstep: Lockstep, later: Path) -> None:
    number, _ = accept(lockstep, later, "next-day")
    expected = "Scheduled for 2026-11-26 00:00:00 Europe/Amsterdam: version 2, by o.perator"
    agenda = answer(lockstep("agenda", "show", "p1", "--json"))
    assert (agenda["version"], agenda["pending"]) == (1, expected)
    assert agenda["next_change_at"] == "2026-11-25T23:00:00+00:00"
    enrolment = answer(lockstep("enrolment", "show", "p1", "--json"))
    assert (enrolment["pending"], enrolment["in_force"]) == (expected, agenda["in_force"])
    assert expected in lockstep("enrolment", "show", "p1").stdout
    switch = answer(lockstep("switch", "show", number, "--json"))["pending"]
    assert switch == "Scheduled for each patient's next day: version 2, by o.perator"


def test_a_move_that_is_scheduled_names_where_it_leads(lockstep: Lockstep, later: Path) -> None:
    document = {"key": "other", "title": "Other", "activities": [activity(closes="12:00")]}
    (later / "other.yaml").write_text(yaml.safe_dump(document))
    lockstep("protocol", "add", "other", "--program", "heart", "--title", "Other")
    lockstep("protocol", "publish", "heart/other", later / "other.yaml", "-r", "first")
    number = answer(
        lockstep("switch", "preview", "stable", "-r", "w", "--move-to", "other", "--at", "2026-12-01T08:00Z", "--json")
    )["switch_id"]
    lockstep("switch", "accept", number)
    pending = answer(lockstep("enrolment", "show", "p1", "--json"))["pending"]
    assert pending == "Scheduled for 2026-12-01 09:00:00 Europe/Amsterdam: Other, version 1, by o.perator"


def test_a_newer_version_for_others_is_named(lockstep: Lockstep, later: Path) -> None:
    lockstep("patient", "add", "p2", "--zone", "UTC")
    other = answer(lockstep("enrol", "p2", "--protocol", "heart/stable", "--json"))["enrolment_id"]
    words = ["switch", "preview", "stable", "-r", "w", "--publish", later / "longer.yaml", "-e", other, "--json"]
    lockstep("switch", "accept", answer(lockstep(*words))["switch_id"])
    assert answer(lockstep("agenda", "show", "p1", "--json"))["pending"] == "A newer version exists: version 2"
    listed = answer(lockstep("protocol", "list", "--json"))[0]
    assert (listed["version_number"], listed["besides"]) == (1, "version 2 for selection 1")


def test_a_patient_who_is_paused_is_shown_as_paused(lockstep: Lockstep, later: Path, database: Database) -> None:
    organisation_id = resolve_organisation(database, "clinic").organisation_id
    ends = NOON + timedelta(days=2)
    paused(database, organisation_id, NOON, ends)
    told = answer(lockstep("agenda", "show", "p1", "--json"))
    assert told["paused"]
    assert told["in_force"].endswith("; paused until 2026-11-27 13:00:00 Europe/Amsterdam")


def test_a_pause_to_come_is_pending(lockstep: Lockstep, later: Path, database: Database) -> None:
    organisation_id = resolve_organisation(database, "clinic").organisation_id
    paused(database, organisation_id, NOON + timedelta(days=1), NOON + timedelta(days=2))
    told = answer(lockstep("enrolment", "show", "p1", "--json"))
    assert not told["paused"]
    expected = "Paused from 2026-11-26 13:00:00 Europe/Amsterdam until 2026-11-27 13:00:00 Europe/Amsterdam"
    assert told["pending"] == expected


def test_an_agenda_behind_tells_of_the_recalculation(
    lockstep: Lockstep, later: Path, admin: psycopg.Connection, clock: Clock
) -> None:
    accept(lockstep, later, "now")
    clock.set(NOON + timedelta(minutes=1))
    admin.execute("update operation set state = 'running', total = 4, reason = 'makes way' where switch_id = 2")
    said = "Recalculating 0 %, waiting: makes way"
    pending = answer(lockstep("enrolment", "show", "p1", "--json"))["pending"]
    assert pending.startswith(f"This patient's agenda is being brought up to date; {said}")
    assert said in lockstep("operation", "show", 2).stdout
    assert said in lockstep("switch", "show", 2).stdout
    admin.execute("update operation set state = 'paused', paused_until = '2026-11-25T12:30Z' where switch_id = 2")
    for words in (["enrolment", "show", "p1"], ["operation", "show", 2], ["switch", "show", 2]):
        assert "Recalculation paused until 2026-11-25 12:30:00 UTC: makes way" in lockstep(*words).stdout
    admin.execute(
        "insert into recalculation_exception (organisation_id, enrolment_id, reason, first_at, next_try_at)"
        " values (1, 1, 'KeyError', lockstep_now(), lockstep_now())"
    )
    assert "Not watched" in lockstep("agenda", "show", "p1").stdout


def test_a_version_is_listed_when_it_is_in_force_for_everybody(lockstep: Lockstep, later: Path, clock: Clock) -> None:
    def listed() -> tuple[int | None, str | None]:
        found = answer(lockstep("protocol", "list", "--json"))[0]
        return found["version_number"], found["besides"]

    assert listed() == (1, None)
    number, _ = accept(lockstep, later, "2026-12-01T08:00Z")
    assert listed() == (1, "version 2 scheduled")
    lockstep("switch", "withdraw", number, "-r", "a mistake")
    assert listed() == (1, None)
    accept(lockstep, later, "next-day")
    assert listed() == (1, "version 3 scheduled")
    clock.set(NOON + timedelta(days=2))
    assert listed() == (3, None)
