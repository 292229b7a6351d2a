"""Enrolling, assigning, discharging: facts with their agendas in one transaction."""

import threading
from datetime import date
from typing import TYPE_CHECKING

import psycopg
import pytest
from tests.engine.facts_world import at, dump, made_anew, rows, weighed
from tests.engine.switch_world import World, activity, found

from lockstep.domain.enrolment import NewEnrolment
from lockstep.domain.patient import NewPatient
from lockstep.domain.refusal import (
    AlreadyEnrolled,
    AlreadyExists,
    Discharged,
    InvalidName,
    MissingReason,
    NotAtThisTime,
    Refusal,
    TooMany,
    UnknownEnrolment,
    UnknownPatient,
    UnknownProtocol,
    UnknownZone,
)
from lockstep.engine.enrolment import assign, discharge, enrol, enrol_many, get_enrolment, list_enrolments
from lockstep.engine.measurement import record_measurement
from lockstep.engine.organisation import create_organisation
from lockstep.engine.patient import change_zone, find_patients, register_patients
from lockstep.store.database import Database

if TYPE_CHECKING:
    from tests.conftest import Clock


@pytest.fixture
def world(database: Database, clock: "Clock") -> World:
    clock.set(at(2, 6))
    return found(database)


def test_new_enrolments_have_the_agenda_that_each_ones_facts_give(
    world: World, database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    protocol = world.protocol("a")
    world.publish(protocol, activity("weight"), activity("pulse", opens="06:30", closes="11:00"))
    for zone in ("Europe/Amsterdam", "Asia/Tokyo", "America/New_York"):
        world.enrol(protocol, [f"{zone} {n}" for n in range(4)], zone=zone)
    world.enrol(protocol, ["long ago"], anchor_on=date(2020, 2, 29))
    kept = dump(admin)
    assert len(kept) == 13 * 3
    assert made_anew(database, admin, world.organisation_id) == kept


def test_a_patient_who_moved_before_is_enrolled_where_they_live(
    world: World, database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    protocol = world.protocol("a")
    world.publish(protocol, activity())
    (patient,) = register_patients(
        database, organisation_id=world.organisation_id, patients=[NewPatient("anna", "Asia/Tokyo")], actor="t"
    )
    clock.set(at(2, 7))
    change_zone(
        database, organisation_id=world.organisation_id, patient_id=patient.patient_id, zone="Europe/Rome", actor="t"
    )
    clock.set(at(2, 10))
    enrolled = enrol(
        database,
        organisation_id=world.organisation_id,
        patient_id=patient.patient_id,
        program_id=world.program_id,
        protocol_id=protocol,
        actor="t",
    )
    assert enrolled.anchor_on == date(2026, 3, 2)
    assert rows(admin, enrolled.enrolment_id) == [("weight", 3, "morning", at(3, 7), at(3, 9))]
    assert dump(admin) == made_anew(database, admin, world.organisation_id)


def test_what_was_measured_inside_a_window_asked_at_once_counts(
    world: World, database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    protocol = world.protocol("a")
    world.publish(protocol, activity())
    register_patients(
        database, organisation_id=world.organisation_id, patients=[NewPatient("anna", "Europe/Amsterdam")], actor="t"
    )
    clock.set(at(2, 7.5))
    record_measurement(database, organisation_id=world.organisation_id, measurement=weighed("anna", "1", at(2, 7.25)))
    anna = find_patients(database, organisation_id=world.organisation_id, identifiers=["anna", "nobody"])["anna"]
    enrolled = enrol(
        database,
        organisation_id=world.organisation_id,
        patient_id=anna.patient_id,
        program_id=world.program_id,
        protocol_id=protocol,
        actor="t",
    )
    assert rows(admin, enrolled.enrolment_id) == [("weight", 3, "morning", at(3, 7), at(3, 9))]
    assert admin.execute("select state, on_date::text from occurrence").fetchall() == [("fulfilled", "2026-03-02")]


def test_enrolling_under_a_protocol_without_a_version_gives_a_head_only(
    world: World, admin: psycopg.Connection
) -> None:
    (anna,) = world.enrol(world.protocol("a"), ["anna"])
    assert rows(admin, anna) == []
    assert admin.execute("select version_number, generation from agenda_head").fetchall() == [(0, 0)]


def test_all_or_none(world: World, database: Database, admin: psycopg.Connection) -> None:
    protocol = world.protocol("a")
    patients = register_patients(
        database, organisation_id=world.organisation_id, patients=[NewPatient("anna", "UTC")], actor="t"
    )
    good = NewEnrolment(patients[0].patient_id, world.program_id, protocol)
    before = admin.execute("select count(*) from audit_entry").fetchone()
    for bad, refusal in [
        (NewEnrolment(999_999, world.program_id, protocol), UnknownPatient),
        (NewEnrolment(patients[0].patient_id, world.program_id, 999_999), UnknownProtocol),
        (NewEnrolment(patients[0].patient_id, 999_999, protocol), UnknownProtocol),
        (good, AlreadyEnrolled),
    ]:
        with pytest.raises(refusal):
            enrol_many(database, organisation_id=world.organisation_id, enrolments=[good, bad], actor="t")
    with pytest.raises(TooMany):
        enrol_many(database, organisation_id=world.organisation_id, enrolments=[good] * 10_001, actor="t")
    assert admin.execute("select count(*) from enrolment").fetchone() == (0,)
    assert admin.execute("select count(*) from audit_entry").fetchone() == before


def test_bad_patients_are_refused_all_together(world: World, database: Database, admin: psycopg.Connection) -> None:
    good = NewPatient("anna", "UTC")
    for bad, refusal in [
        (NewPatient("bram", "Europe/Amsterdamm"), UnknownZone),
        (NewPatient("  ", "UTC"), InvalidName),
        (NewPatient("x" * 201, "UTC"), InvalidName),
        (NewPatient("a\0b", "UTC"), InvalidName),
        (NewPatient("anna", "UTC"), AlreadyExists),
    ]:
        with pytest.raises(refusal):
            register_patients(database, organisation_id=world.organisation_id, patients=[good, bad], actor="t")
    assert admin.execute("select count(*) from patient").fetchone() == (0,)
    register_patients(database, organisation_id=world.organisation_id, patients=[good], actor="t")
    with pytest.raises(AlreadyExists):
        register_patients(database, organisation_id=world.organisation_id, patients=[good], actor="t")


def test_names_are_taken_once(world: World, database: Database) -> None:
    world.protocol("a")
    with pytest.raises(AlreadyExists):
        world.protocol("a")
    with pytest.raises(AlreadyExists):
        create_organisation(database, key="world", title="Another", actor="t")
    with pytest.raises(InvalidName):
        create_organisation(database, key=" ", title="Another", actor="t")


def test_a_patient_enrolled_at_the_same_time_twice_is_enrolled_once(world: World, database: Database) -> None:
    protocol = world.protocol("a")
    (patient,) = register_patients(
        database, organisation_id=world.organisation_id, patients=[NewPatient("anna", "UTC")], actor="t"
    )
    enrolment = NewEnrolment(patient.patient_id, world.program_id, protocol)
    outcomes: list[str] = []
    together = threading.Barrier(4)

    def attempt() -> None:
        together.wait()
        try:
            enrol_many(database, organisation_id=world.organisation_id, enrolments=[enrolment], actor="t")
            outcomes.append("enrolled")
        except Refusal as refusal:
            outcomes.append(refusal.code)

    threads = [threading.Thread(target=attempt) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["already-enrolled"] * 3 + ["enrolled"]


def test_an_assignment_supersedes_what_is_open_and_asks_what_it_asks(
    world: World, database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    first, second = world.protocol("a"), world.protocol("b")
    world.publish(first, activity())
    world.publish(second, activity("pulse", opens="20:00", closes="22:00"))
    (anna,) = world.enrol(first, ["anna"])
    clock.set(at(2, 8))
    assign(database, organisation_id=world.organisation_id, enrolment_id=anna, protocol_id=second, actor="t")
    assert rows(admin, anna) == [("pulse", 2, "morning", at(2, 19), at(2, 21))]
    assert world.in_force(anna) == (second, 1)


def test_an_assignment_can_be_planned_and_replaced_but_not_backdated(
    world: World, database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    first, second, third = world.protocol("a"), world.protocol("b"), world.protocol("c")
    (anna,) = world.enrol(first, ["anna"])
    organisation_id = world.organisation_id
    assign(
        database,
        organisation_id=organisation_id,
        enrolment_id=anna,
        protocol_id=second,
        from_at=at(5),
        actor="t",
    )
    assert admin.execute("select next_change_at from agenda_head").fetchone() == (at(5),)
    assert [world.in_force(anna, at(4))[0], world.in_force(anna, at(5))[0]] == [first, second]
    assign(database, organisation_id=organisation_id, enrolment_id=anna, protocol_id=third, from_at=at(4), actor="t")
    assert [world.in_force(anna, at(3))[0], world.in_force(anna, at(6))[0]] == [first, third]
    with pytest.raises(NotAtThisTime):
        assign(
            database, organisation_id=organisation_id, enrolment_id=anna, protocol_id=third, from_at=at(2), actor="t"
        )


def test_a_discharge_ends_the_agenda_once(
    world: World, database: Database, clock: "Clock", admin: psycopg.Connection
) -> None:
    protocol = world.protocol("a")
    world.publish(protocol, activity())
    (anna,) = world.enrol(protocol, ["anna"])
    organisation_id = world.organisation_id
    with pytest.raises(MissingReason):
        discharge(database, organisation_id=organisation_id, enrolment_id=anna, reason=" ", actor="t")
    ended_at = discharge(database, organisation_id=organisation_id, enrolment_id=anna, reason="well", actor="t")
    assert dump(admin) == []
    assert get_enrolment(database, organisation_id=organisation_id, enrolment_id=anna).discharged_at == ended_at
    with pytest.raises(Discharged):
        discharge(database, organisation_id=organisation_id, enrolment_id=anna, reason="well", actor="t")
    with pytest.raises(UnknownEnrolment):
        discharge(database, organisation_id=organisation_id, enrolment_id=anna + 1, reason="well", actor="t")
    assert admin.execute("select count(*) from discharge").fetchone() == (1,)


def test_enrolling_again_is_a_new_enrolment(world: World, database: Database) -> None:
    protocol = world.protocol("a")
    (anna,) = world.enrol(protocol, ["anna"])
    organisation_id = world.organisation_id
    discharge(database, organisation_id=organisation_id, enrolment_id=anna, reason="well", actor="t")
    patient_id = get_enrolment(database, organisation_id=organisation_id, enrolment_id=anna).patient_id
    again = enrol(
        database,
        organisation_id=organisation_id,
        patient_id=patient_id,
        program_id=world.program_id,
        protocol_id=protocol,
        actor="t",
    )
    listed = list_enrolments(database, organisation_id=organisation_id, patient_id=patient_id)
    assert [each.enrolment_id for each in listed] == [anna, again.enrolment_id]


def test_another_organisation_sees_and_touches_nothing(world: World, database: Database) -> None:
    (anna,) = world.enrol(world.protocol("a"), ["anna"])
    other = found(database, "other")
    with pytest.raises(UnknownEnrolment):
        get_enrolment(database, organisation_id=other.organisation_id, enrolment_id=anna)
    with pytest.raises(UnknownEnrolment):
        discharge(database, organisation_id=other.organisation_id, enrolment_id=anna, reason="x", actor="t")
    assert list_enrolments(database, organisation_id=other.organisation_id) == []


def test_one_audit_entry_for_each_decision(world: World, database: Database, admin: psycopg.Connection) -> None:
    (anna,) = world.enrol(world.protocol("a"), ["anna"])
    discharge(database, organisation_id=world.organisation_id, enrolment_id=anna, reason="well", actor="d.octor")
    found = admin.execute("select actor, action from audit_entry order by audit_entry_id").fetchall()
    assert [action for _, action in found] == [
        "create organisation", "open program", "create protocol", "register patients", "enrol", "discharge",
    ]  # fmt: skip
    assert found[-1][0] == "d.octor"
