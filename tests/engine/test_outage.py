"""Signs of life of ingestion, the outages between them, and events of patients."""

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest
from tests.engine.facts_world import at, rows
from tests.engine.switch_world import World, activity, found

from lockstep.domain.refusal import AlreadyExists, NotAtThisTime, UnknownPatient
from lockstep.domain.timeline import Span
from lockstep.engine.enrolment import get_enrolment
from lockstep.engine.outage import beat, find_silence, list_outages
from lockstep.engine.patient_event import record_event
from lockstep.engine.timeline import answer_agenda
from lockstep.store.database import Database

if TYPE_CHECKING:
    from tests.conftest import Clock


@pytest.fixture
def world(database: Database, clock: "Clock") -> World:
    clock.set(at(2, 6))
    world = found(database)
    protocol = world.protocol("a")
    world.publish(protocol, activity())
    world.enrol(protocol, ["anna"])
    return world


def beaten(world: World, source: str = "one") -> Span | None:
    return beat(world.database, organisation_id=world.organisation_id, source=source)


def test_a_gap_between_signs_of_life_is_an_outage(world: World, clock: "Clock") -> None:
    assert beaten(world) is None
    clock.set(at(2, 6) + timedelta(seconds=60))
    assert beaten(world) is None, "a minute of silence is usual"
    clock.set(at(2, 9))
    silence = find_silence(world.database, organisation_id=world.organisation_id)
    assert silence == Span(at(2, 6) + timedelta(seconds=60), None)
    assert beaten(world) == Span(at(2, 6) + timedelta(seconds=60), at(2, 9))
    assert beaten(world) is None
    assert find_silence(world.database, organisation_id=world.organisation_id) is None
    assert list_outages(world.database, organisation_id=world.organisation_id, since_at=at(2)) == (
        Span(at(2, 6) + timedelta(seconds=60), at(2, 9)),
    )


def test_one_living_source_is_enough(world: World, clock: "Clock") -> None:
    beaten(world, "one")
    for seconds in range(50, 500, 50):
        clock.set(at(2, 6) + timedelta(seconds=seconds))
        assert beaten(world, "two") is None
    assert beaten(world, "one") is None


def test_an_outage_is_found_once_by_many(world: World, clock: "Clock", admin: psycopg.Connection) -> None:
    beaten(world)
    clock.set(at(2, 9))
    together = threading.Barrier(6)

    def attempt(source: str) -> None:
        together.wait()
        beaten(world, source)

    threads = [threading.Thread(target=attempt, args=(f"source {n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert admin.execute("select number, from_at, until_at from outage").fetchall() == [(1, at(2, 6), at(2, 9))]
    assert admin.execute("select count(*) from ingestion_heartbeat").fetchone() == (7,)


def test_windows_are_longer_by_the_outage_they_met(world: World, clock: "Clock") -> None:
    clock.set(at(2, 8))
    beaten(world)
    clock.set(at(2, 12))
    before = at(2, 12)
    clock.set(at(2, 12.5))
    beaten(world)

    def closes(**more: object) -> list[float]:
        answer = answer_agenda(
            world.database,
            organisation_id=world.organisation_id,
            enrolment_id=world.enrolments["anna"],
            from_at=at(2),
            until_at=at(4),
            **more,  # type: ignore[arg-type]
        )
        return [(each.closes_at - at(each.on.day)) / timedelta(hours=1) for each in answer.occurrences]

    # 07:00 to 09:00 UTC, and nothing came in from 08:00 to 12:30.
    assert closes() == [13.5, 9]
    assert closes(known_at=before) == [9, 9]


def test_outages_of_others_are_no_outage_of_ours(world: World, clock: "Clock") -> None:
    other = found(world.database, "other")
    beaten(other)
    clock.set(at(2, 9))
    assert beaten(world) is None
    assert beaten(other) is not None
    assert list_outages(world.database, organisation_id=world.organisation_id, since_at=at(2)) == ()


def test_an_event_starts_what_follows_it_once(
    world: World, database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    protocol = world.protocol("b")
    world.publish(protocol, activity("glucose", schedule={"after": {"event": "meal", "delay": "1h", "lasts": "30m"}}))
    (bram,) = world.enrol(protocol, ["bram"])
    organisation_id = world.organisation_id
    patient_id = get_enrolment(database, organisation_id=organisation_id, enrolment_id=bram).patient_id
    assert rows(admin, bram) == []
    clock.set(at(2, 7))

    def told(identifier: str = "1", event: str = "meal", hour: float = 6.5, whose: int = patient_id) -> bool:
        return record_event(
            database,
            organisation_id=organisation_id,
            patient_id=whose,
            event=event,
            at=at(2, hour),
            source="app",
            identifier=identifier,
        )

    assert told()
    assert rows(admin, bram) == [("glucose", 2, "meal 07:30:00", at(2, 7.5), at(2, 8))]
    assert not told()
    with pytest.raises(AlreadyExists):
        told(hour=6.25)
    with pytest.raises(NotAtThisTime):
        told("2", hour=8)
    with pytest.raises(UnknownPatient):
        told("3", whose=999_999)
    assert admin.execute("select count(*) from patient_event").fetchone() == (1,)
