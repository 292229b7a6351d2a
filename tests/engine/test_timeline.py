"""Answers: what is in force and what is asked, at an instant, as known at an instant, in step or not."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from tests.engine.facts_world import at, judge_missed, weighed
from tests.engine.switch_world import World, activity, found

from lockstep.domain.answer import AgendaAnswer, InForce
from lockstep.domain.refusal import NotAtThisTime, TooMany, UnknownEnrolment
from lockstep.engine.agenda import bring_in_step
from lockstep.engine.enrolment import assign, discharge
from lockstep.engine.measurement import record_measurement
from lockstep.engine.pause import pause
from lockstep.engine.timeline import answer_agenda, answer_behind, answer_in_force
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


def governing(world: World, **more: Any) -> InForce | None:
    return answer_in_force(
        world.database, organisation_id=world.organisation_id, enrolment_id=world.enrolments["anna"], **more
    )


def asked(world: World, **more: Any) -> AgendaAnswer:
    span = {"from_at": at(2), "until_at": at(5), **more}
    return answer_agenda(
        world.database, organisation_id=world.organisation_id, enrolment_id=world.enrolments["anna"], **span
    )


def states(answer: AgendaAnswer) -> list[tuple[str, int, int, str]]:
    """Activity, day, version and state."""
    return [(each.activity_key, each.on.day, each.version_number, each.state.value) for each in answer.occurrences]


def behind(world: World) -> bool:
    answer = answer_behind(world.database, organisation_id=world.organisation_id, enrolment_id=world.enrolments["anna"])
    return not answer.in_step


def protocol_of(world: World) -> int:
    answer = governing(world)
    assert answer is not None
    return answer.protocol_id


def test_the_answer_names_version_since_and_by(world: World, clock: "Clock") -> None:
    answer = governing(world)
    assert answer is not None
    assert (answer.program_title, answer.protocol_title, answer.version_number) == ("Heart", "a", 1)
    assert (answer.since_at, answer.accepted_by, answer.personal_changes) == (at(2, 6), "m.anager", 0)
    assert (answer.zone, answer.paused) == ("Europe/Amsterdam", False)


def test_a_switch_is_in_every_answer_from_its_acceptance_on_though_the_agenda_is_behind(
    world: World, database: Database, clock: "Clock"
) -> None:
    clock.set(at(2, 8))
    assert not behind(world)
    world.publish(protocol_of(world), activity(opens="20:00", closes="22:00"))
    answer = governing(world)
    assert answer is not None
    assert (answer.version_number, answer.since_at) == (2, at(2, 8))
    assert states(asked(world)) == [
        ("weight", 2, 2, "coming"),
        ("weight", 3, 2, "coming"),
        ("weight", 4, 2, "coming"),
    ]
    assert states(asked(world, at=at(2, 7.5)))[0] == ("weight", 2, 1, "open")
    assert behind(world)
    with database.transaction(world.organisation_id) as connection:
        bring_in_step(
            connection, organisation_id=world.organisation_id, enrolment_ids=[world.enrolments["anna"]], now=at(2, 8)
        )
    assert not behind(world)


def test_a_switch_scheduled_is_in_the_answers_about_later(world: World, clock: "Clock") -> None:
    protocol = protocol_of(world)
    world.publish(protocol, activity(), activity("pulse"), effective="instant", effective_at=at(3, 12))
    assert states(asked(world)) == [
        ("weight", 2, 1, "coming"),
        ("weight", 3, 1, "coming"),
        ("pulse", 4, 2, "coming"),
        ("weight", 4, 2, "coming"),
    ]
    now, then = governing(world), governing(world, at=at(3, 12))
    assert now is not None
    assert then is not None
    assert (now.version_number, then.version_number) == (1, 2)
    assert not behind(world)


@pytest.mark.parametrize(
    ("hour", "state"), [(6.9, "coming"), (7, "open"), (8.99, "open"), (9, "grace"), (9.99, "grace")]
)
def test_states_go_with_time(world: World, clock: "Clock", hour: float, state: str) -> None:
    clock.set(at(2, hour))
    assert states(asked(world))[0] == ("weight", 2, 1, state)


def test_measured_and_missed_at_their_instants(world: World, database: Database, clock: "Clock") -> None:
    clock.set(at(2, 8.5))
    record_measurement(database, organisation_id=world.organisation_id, measurement=weighed("anna", "1", at(2, 8)))
    clock.set(at(3, 9.5))
    record_measurement(database, organisation_id=world.organisation_id, measurement=weighed("anna", "2", at(3, 9.25)))
    clock.set(at(4, 12))
    judge_missed(database, world.organisation_id, world.enrolments["anna"])
    assert [each[3] for each in states(asked(world))] == ["fulfilled", "fulfilled late", "missed"]
    # About an earlier instant, with all that is known now: the measurement taken at 08:00 was there at 08:10.
    assert states(asked(world, at=at(2, 7.9)))[0][3] == "open"
    assert states(asked(world, at=at(2, 8.1)))[0][3] == "fulfilled"
    assert states(asked(world, at=at(4, 8)))[2][3] == "open"
    # As known before it was received, it was not there.
    assert states(asked(world, at=at(2, 8.1), known_at=at(2, 8.2)))[0][3] == "open"
    assert states(asked(world, at=at(4, 12), known_at=at(4, 11)))[2][3] == "grace"


def test_a_late_measurement_corrects_a_miss_from_when_it_is_known(
    world: World, database: Database, clock: "Clock"
) -> None:
    clock.set(at(2, 12))
    judge_missed(database, world.organisation_id, world.enrolments["anna"])
    clock.set(at(2, 14))
    record_measurement(database, organisation_id=world.organisation_id, measurement=weighed("anna", "1", at(2, 8)))
    assert states(asked(world))[0][3] == "fulfilled"
    assert states(asked(world, known_at=at(2, 13)))[0][3] == "missed"


def test_the_answer_for_a_pair_never_changes(world: World, database: Database, clock: "Clock") -> None:
    protocol = protocol_of(world)
    other = world.protocol("b")
    world.publish(other, activity("pulse"))
    clock.set(at(3, 12))
    judge_missed(database, world.organisation_id, world.enrolments["anna"])
    pairs = [
        (instant, known) for instant in (at(2, 6), at(2, 8), at(3, 8), at(4, 8)) for known in (at(2, 7), at(3, 12))
    ]
    before = [(governing(world, at=a, known_at=k), asked(world, at=a, known_at=k)) for a, k in pairs]
    clock.set(at(3, 13))
    anna, organisation_id = world.enrolments["anna"], world.organisation_id
    world.publish(protocol, activity(opens="10:00", closes="12:00"))
    record_measurement(database, organisation_id=organisation_id, measurement=weighed("anna", "1", at(2, 8)))
    pause(
        database, organisation_id=organisation_id, enrolment_id=anna, from_at=at(2, 7), until_at=at(2, 8),
        reason="x", actor="t",
    )  # fmt: skip
    assign(database, organisation_id=organisation_id, enrolment_id=anna, protocol_id=other, actor="t")
    clock.set(at(3, 14))
    discharge(database, organisation_id=organisation_id, enrolment_id=anna, reason="x", actor="t")
    clock.set(at(3, 15))
    assert [(governing(world, at=a, known_at=k), asked(world, at=a, known_at=k)) for a, k in pairs] == before
    assert asked(world, at=at(3, 8)) != before[5][1]


def test_nothing_governs_outside_the_enrolment(world: World, database: Database, clock: "Clock") -> None:
    assert governing(world, at=at(2, 5)) is None
    clock.set(at(2, 8))
    discharge(
        database,
        organisation_id=world.organisation_id,
        enrolment_id=world.enrolments["anna"],
        reason="well",
        actor="t",
    )
    assert governing(world) is None
    assert not behind(world)
    assert states(asked(world)) == [("weight", 2, 1, "waived")]


def test_a_lost_head_is_behind(world: World, admin: psycopg.Connection) -> None:
    admin.execute("delete from agenda_head")
    assert behind(world)


def test_refusals(world: World, clock: "Clock") -> None:
    with pytest.raises(NotAtThisTime):
        governing(world, known_at=at(9))
    with pytest.raises(TooMany):
        asked(world, until_at=datetime(2028, 1, 1, tzinfo=at(2).tzinfo))
    with pytest.raises(UnknownEnrolment):
        answer_in_force(world.database, organisation_id=world.organisation_id, enrolment_id=999_999)
    with pytest.raises(UnknownEnrolment):
        governing(world, known_at=at(2, 5))


def test_what_was_measured_before_it_was_asked_counts_in_step_or_not(world: World, clock: "Clock") -> None:
    clock.set(at(3, 6.5))  # 07:30 in Amsterdam, before the window
    record_measurement(
        world.database, organisation_id=world.organisation_id, measurement=weighed("anna", "1", at(3, 6.5))
    )
    clock.set(at(3, 6.75))
    world.publish(protocol_of(world), activity(opens="07:00", closes="12:00"))
    assert behind(world)
    answer = asked(world, from_at=at(3), until_at=at(3, 12))
    assert states(answer) == [("weight", 3, 2, "fulfilled")]
    world.bring_in_step()
    assert asked(world, from_at=at(3), until_at=at(3, 12)) == answer
