"""`lockstep watch` says what is wrong by itself, from a process of its own and with the duties' rights."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import typer
from tests.cli.conftest import Lockstep, answer
from tests.conftest import Clock

from lockstep.cli import watch as command
from lockstep.domain.refusal import InvalidChoice
from lockstep.store.database import Database
from lockstep.worker.recalculation import Recalculating

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
Settle = Callable[[], None]


@pytest.fixture(autouse=True)
def early(clock: Clock) -> None:
    """Whatever is arranged is arranged in the morning of that day, whenever the tests run."""
    clock.set(NOON - timedelta(hours=4))


@pytest.fixture
def watched(clock: Clock, lockstep: Lockstep, clinic: Path, settle: Settle, admin: psycopg.Connection) -> Path:
    """The clinic with everything settled and a worker seen just now."""
    settle()
    clock.set(NOON)
    lockstep("recalculate", "patient", "p1")
    sign(admin)
    return clinic


def sign(admin: psycopg.Connection) -> None:
    """The worker gives a sign of life."""
    admin.execute(
        "insert into worker (worker_id, host, pid, started_at, seen_at) values ('w', 'h', 1, lockstep_now(),"
        " lockstep_now()) on conflict (worker_id) do update set seen_at = excluded.seen_at"
    )


def wrong(lockstep: Lockstep) -> list[tuple[str, str]]:
    """Kind and place of each thing that is wrong."""
    result = lockstep("watch", "--json", code=5)
    found = answer(result)["wrong"]
    assert all(each["what"] and each["mend"] for each in found)
    return [(each["kind"], each["where"]) for each in found]


def test_nothing_is_wrong(lockstep: Lockstep, watched: Path) -> None:
    assert lockstep("watch").stdout == "Nothing is wrong.\n"
    assert answer(lockstep("watch", "--json")) == {"wrong": []}


def test_an_operation_is_overdue_when_nothing_of_it_moves(
    lockstep: Lockstep, watched: Path, clock: Clock, settle: Settle, admin: psycopg.Connection
) -> None:
    lockstep("recalculate", "protocol", "stable", "--seconds", 0)
    number = answer(lockstep("operation", "list", "--unfinished", "--json"))[0]["operation_id"]
    clock.set(NOON + 60 * SECOND)
    sign(admin)
    assert lockstep("watch").stdout == "Nothing is wrong.\n"
    clock.set(NOON + 61 * SECOND)
    sign(admin)
    assert wrong(lockstep) == [("overdue operation", f"organisation 1, operation {number}")]
    assert answer(lockstep("operation", "show", number, "--json"))["operation"]["overdue"]
    assert ", overdue" in lockstep("operation", "show", number).stdout
    assert "\toverdue\t" in lockstep("operation", "list").stdout
    admin.execute("update recalculation_range set moved_at = lockstep_now()")
    settle()
    assert lockstep("watch").stdout == "Nothing is wrong.\n"


def test_a_switch_for_the_next_day_waits_for_the_last_midnight_once_everybody_is_in_step(
    lockstep: Lockstep, watched: Path, clock: Clock, database: Database, admin: psycopg.Connection
) -> None:
    words = ["switch", "preview", "stable", "-r", "w", "--publish", watched / "longer.yaml", "--at", "next-day"]
    lockstep("switch", "accept", answer(lockstep(*words, "--json"))["switch_id"])
    row = admin.execute("select first_at, last_at from switch_acceptance order by first_at desc limit 1").fetchone()
    assert row is not None
    first_at, last_at = row
    clock.set(first_at + timedelta(minutes=11))
    sign(admin)
    assert [kind for kind, _ in wrong(lockstep)] == ["overdue operation", "patients not watched"]
    recalculating = Recalculating(database)
    for _ in range(20):  # it goes on looking until the last zone's instant
        recalculating.run()
    clock.set(last_at + 60 * SECOND)
    admin.execute("update agenda_head set next_change_at = null")  # as the duty leaves it
    sign(admin)
    assert lockstep("watch").stdout == "Nothing is wrong.\n"
    clock.set(last_at + 61 * SECOND)
    sign(admin)
    assert [kind for kind, _ in wrong(lockstep)] == ["overdue operation"]


def test_a_pause_beyond_its_time(lockstep: Lockstep, watched: Path, clock: Clock, admin: psycopg.Connection) -> None:
    number = answer(lockstep("recalculate", "protocol", "stable", "--json"))["operations"][0]["operation_id"]
    admin.execute("update operation set state = 'queued' where operation_id = %s", [number])
    lockstep("operation", "pause", number, "-r", "look", "--minutes", 10)
    clock.set(NOON + timedelta(minutes=10))
    sign(admin)
    assert lockstep("watch").stdout == "Nothing is wrong.\n"
    clock.set(NOON + timedelta(minutes=11, seconds=1))
    sign(admin)
    place = f"organisation 1, operation {number}"
    assert wrong(lockstep) == [("operation paused beyond its time", place)]


def test_workers_that_are_silent(lockstep: Lockstep, watched: Path, clock: Clock, admin: psycopg.Connection) -> None:
    clock.set(NOON + 31 * SECOND)
    assert wrong(lockstep) == [("no worker", "workers"), ("silent worker", "worker w")]
    admin.execute("delete from worker")
    assert wrong(lockstep) == [("no worker", "workers")]


def test_patients_who_are_not_watched(
    lockstep: Lockstep, watched: Path, clock: Clock, admin: psycopg.Connection
) -> None:
    admin.execute(
        "insert into recalculation_exception (organisation_id, enrolment_id, reason, first_at, next_try_at)"
        " values (1, 1, 'KeyError', lockstep_now(), lockstep_now())"
    )
    lockstep("protocol", "add", "empty", "--program", "heart")
    lockstep("patient", "add", "p2", "--zone", "UTC")
    lockstep("program", "add", "lung")
    lockstep("protocol", "add", "empty", "--program", "lung")
    lockstep("enrol", "p2", "--protocol", "lung/empty")
    lockstep("patient", "add", "p3", "--zone", "UTC")
    lockstep("enrol", "p3", "--protocol", "heart/stable")
    admin.execute("update agenda_head set next_change_at = lockstep_now() where enrolment_id = 3")
    clock.set(NOON + 121 * SECOND)
    sign(admin)
    told = [where for kind, where in wrong(lockstep) if kind == "patients not watched"]
    assert sorted(told) == [f"organisation 1, enrolments #{number}" for number in (1, 2, 3)]


def test_it_goes_on_while_the_database_does_not_answer(lockstep: Lockstep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCKSTEP_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    lockstep("watch", code=7)
    rounds: list[float] = []

    def sleep(seconds: float) -> None:
        rounds.append(seconds)
        if len(rounds) == 2:
            raise typer_exit

    typer_exit = typer.Exit(0)
    monkeypatch.setattr(time, "sleep", sleep)
    said = lockstep("watch", "--every", "10s").stdout
    assert said.count("does not answer") == 2
    assert rounds == [10, 10]


@pytest.mark.parametrize("given", ["0s", "s", "10h", "999999s", "-1s", "10 s", "²s"])
def test_a_pause_that_is_none(given: str) -> None:
    with pytest.raises(InvalidChoice):
        command.read_every(given)
