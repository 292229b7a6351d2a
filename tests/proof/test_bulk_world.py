"""A world made by a few statements is the one that enrolling each would have made."""

from datetime import timedelta
from typing import Any

from lockstep.domain.enrolment import NewEnrolment
from lockstep.domain.patient import NewPatient
from lockstep.domain.protocol import parse
from lockstep.engine.enrolment import enrol_many
from lockstep.engine.patient import register_patients
from lockstep.proof.budget.stage import ZONES, protocol
from lockstep.proof.bulk_world import Group, found
from lockstep.proof.world import introduce
from lockstep.store.database import Database

_COUNT = 12
_HEADS = (
    "select enrolment_id, version_number, cohort_id, individual_until, next_change_at,"
    " generation > 0, protocol_id = assigned_protocol_id from agenda_head where protocol_id = %s order by enrolment_id"
)
_ROWS = (
    "select enrolment_id, activity_key, cohort_id, version_number, on_date, slot, closes_at, judge_at, taken,"
    " missed_in_a_row from agenda where protocol_id = %s order by enrolment_id, activity_key"
)


def _state(database: Database, organisation_id: int, protocol_id: int) -> tuple[list[Any], list[Any]]:
    """Heads and rows, by the position of the enrolment. A window open now opens for each at its own enrolment."""
    with database.transaction(organisation_id, read_only=True) as connection:
        heads, rows = (connection.execute(query, [protocol_id]).fetchall() for query in (_HEADS, _ROWS))
    first = heads[0][0]
    return [(row[0] - first, *row[1:]) for row in heads], [(row[0] - first, *row[1:]) for row in rows]


def _anchors(database: Database, group: Group) -> list[Any]:
    with database.transaction(group.organisation_id, read_only=True) as connection:
        found_ = connection.execute(
            "select e.anchor_on, z.zone from enrolment e join patient_zone z using (organisation_id, patient_id)"
            " where e.enrolment_id between %s and %s order by e.enrolment_id",
            [group.first_id, group.last_id],
        )
        return found_.fetchall()


def test_heads_and_rows_are_those_of_enrolling_each(database: Database) -> None:
    world = found(database, "bulk")
    group = world.add(protocol("bulk"), count=_COUNT, zones=ZONES)
    anchors = _anchors(database, group)
    assert group.last_id - group.first_id + 1 == _COUNT
    assert len({zone for _, zone in anchors}) == len(ZONES)

    organisation_id = world.organisation_id
    single = introduce(
        database, organisation_id=organisation_id, program_id=world.program_id, content=parse(protocol("single"))
    )
    patients = register_patients(
        database,
        organisation_id=organisation_id,
        patients=[NewPatient(f"single-{number}", zone) for number, (_, zone) in enumerate(anchors)],
        actor="test",
    )
    enrol_many(
        database,
        organisation_id=organisation_id,
        enrolments=[
            NewEnrolment(patient.patient_id, world.program_id, single, anchor_on)
            for patient, (anchor_on, _) in zip(patients, anchors, strict=True)
        ],
        actor="test",
    )

    assert _state(database, organisation_id, group.protocol_id) == _state(database, organisation_id, single)


def test_first_days_are_spread_when_many_join(database: Database) -> None:
    group = found(database, "bulk").add(protocol("bulk"), count=3_000, zones=["UTC"])
    anchors = sorted({anchor_on for anchor_on, _ in _anchors(database, group)})
    assert anchors[-1] - anchors[0] == timedelta(days=2)
