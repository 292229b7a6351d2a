"""What cannot be believed or placed is set aside with its reason; an untrusted clock gives way to the receipt."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from lockstep.domain.measurement import Outcome
from lockstep.domain.refusal import InvalidMeasurement
from lockstep.proof.small_world import weighed
from lockstep.store.database import Database

from .measured_world import MORNING, Measured

if TYPE_CHECKING:
    from tests.conftest import Clock


def test_unknown_patient(database: Database, clock: "Clock", admin: psycopg.Connection) -> None:
    world = Measured(database, admin, clock.set)
    answer = world.record(weighed("nobody", "1", MORNING, "95"), at=MORNING)
    assert (answer.outcome, answer.code) == (Outcome.SET_ASIDE, "unknown-patient")
    kept = world.ask("select reason, document ->> 'patient', document ->> 'value' from measurement_set_aside")
    assert kept == [("No patient is called nobody", "nobody", "95")]


def test_another_organisation_does_not_know_the_patient(
    database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    one = Measured(database, admin, clock.set)
    other = Measured(database, admin, clock.set, patients=("bram",))
    assert other.record(weighed("anna", "1", MORNING), at=MORNING).code == "unknown-patient"
    # The same source and identifier in another organisation is another measurement.
    assert one.record(weighed("anna", "1", MORNING)).outcome is Outcome.STORED


@pytest.mark.parametrize("bounds", [None, {"low": 60, "high": 200}])
def test_implausible(
    database: Database, clock: "Clock", admin: psycopg.Connection, bounds: dict[str, int] | None
) -> None:
    plausible: dict[str, Any] = {"plausible": bounds} if bounds else {}
    world = Measured(database, admin, clock.set, **plausible)
    answers = world.record_all([weighed("anna", "1", MORNING, "800"), weighed("anna", "2", MORNING, "59")], at=MORNING)
    assert answers == [Outcome.SET_ASIDE, Outcome.SET_ASIDE if bounds else Outcome.STORED]
    assert world.ask("select count(*) from alert") == [(0,)]


def test_a_unit_that_measures_something_else_is_refused(
    database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    world = Measured(database, admin, clock.set)
    answer = world.record(weighed("anna", "1", MORNING, "120", unit="mm[Hg]"), at=MORNING)
    assert answer.outcome is Outcome.REFUSED
    assert "mm[Hg]" in answer.reason
    assert world.ask("select count(*) from measurement_key") == [(0,)]  # it may be sent again, corrected


@pytest.mark.parametrize(
    ("shift", "flagged", "trusted"),
    [
        (timedelta(minutes=5), False, True),
        (timedelta(minutes=5, seconds=1), False, False),
        (timedelta(days=-30), False, True),
        (timedelta(days=-30, seconds=-1), False, False),
        (timedelta(), True, False),
    ],
)
def test_untrusted_clock(
    database: Database,
    clock: "Clock",
    admin: psycopg.Connection,
    shift: timedelta,
    flagged: bool,
    trusted: bool,
) -> None:
    world = Measured(database, admin, clock.set, at=MORNING - timedelta(days=40))
    received = MORNING
    item = weighed("anna", "1", received + shift, clock_flagged=flagged)
    assert world.record(item, at=received).outcome is Outcome.STORED
    judged = min(received + shift, received) if trusted else received
    assert world.ask("select taken_at, judged_for_at, placed_by from measurement") == [
        (received + shift, judged, "device" if trusted else "receipt")
    ]


def test_refusals_pass_through_and_one_refusal_may_refuse_all(
    database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    world = Measured(database, admin, clock.set)
    refusal = InvalidMeasurement("The unit is missing", where="[1].unit")
    good = weighed("anna", "1", MORNING)
    assert world.record_all([good, refusal], at=MORNING, all_or_nothing=True) == [Outcome.REFUSED] * 2
    assert world.ask("select count(*) from measurement_key") == [(0,)]
    assert world.record_all([good, refusal]) == [Outcome.STORED, Outcome.REFUSED]


def test_what_the_database_refuses_is_found_and_the_others_are_stored(
    database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    world = Measured(database, admin, clock.set)
    items = [weighed("anna", str(n), MORNING + timedelta(minutes=n)) for n in range(9)]
    items[4] = weighed("anna", "with a \0", MORNING)
    items[7] = weighed("anna", "x" * 300, MORNING)  # longer than the table allows
    answers = world.record_all(list(items), at=MORNING + timedelta(hours=1))
    assert answers == [Outcome.REFUSED if n in (4, 7) else Outcome.STORED for n in range(9)]
    assert world.ask("select count(*) from measurement") == [(7,)]
