"""What tests of facts look at: an agenda as kept, and as the engine would make it anew."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg

from lockstep.domain.measurement import Measurement
from lockstep.domain.occurrence import OccurrenceState
from lockstep.engine.agenda import bring_in_step
from lockstep.store.agenda import Decision, list_rows, save_decisions
from lockstep.store.clock import now
from lockstep.store.database import Database

START = datetime(2026, 3, 2, tzinfo=UTC)


def at(day: int, hour: float = 0) -> datetime:
    """So many hours after 00:00 UTC of a day of March 2026; the 2nd is a Monday, Amsterdam an hour ahead."""
    return START + timedelta(days=day - 2, hours=hour)


def rows(admin: psycopg.Connection, enrolment_id: int) -> list[tuple[str, int, str, datetime, datetime]]:
    """Activity, day, slot, opening and close of the rows kept for an enrolment."""
    found = admin.execute(
        "select activity_key, on_date, slot, opens_at, closes_at from agenda where enrolment_id = %s order by 1",
        [enrolment_id],
    )
    return [(key, on.day, slot, opens_at, closes_at) for key, on, slot, opens_at, closes_at in found]


def dump(admin: psycopg.Connection) -> list[tuple[object, ...]]:
    """Every head and row, without the instant of computing."""
    heads = admin.execute(
        "select enrolment_id, protocol_id, version_number, generation, cohort_id, assigned_at, assigned_protocol_id,"
        " individual_until, next_change_at from agenda_head order by 1"
    ).fetchall()
    found = admin.execute(
        "select enrolment_id, activity_key, cohort_id, protocol_id, version_number, on_date, slot, opens_at, closes_at,"
        " judge_at, taken, missed_in_a_row from agenda order by 1, 2"
    ).fetchall()
    return [*heads, *found]


def made_anew(database: Database, admin: psycopg.Connection, organisation_id: int) -> list[tuple[object, ...]]:
    """The same after the agendas were lost and computed one by one from their facts."""
    ids = [row[0] for row in admin.execute("select enrolment_id from agenda_head").fetchall()]
    admin.execute("delete from agenda")
    admin.execute("delete from agenda_head")
    with database.transaction(organisation_id) as connection:
        bring_in_step(connection, organisation_id=organisation_id, enrolment_ids=ids, now=now(connection))
    return dump(admin)


def judge_missed(database: Database, organisation_id: int, enrolment_id: int) -> None:
    """Everything due for the enrolment is decided as missed, one after the other."""
    while True:
        with database.transaction(organisation_id) as connection:
            at_now = now(connection)
            due = [
                row
                for row in list_rows(connection, organisation_id=organisation_id, enrolment_ids=[enrolment_id])[
                    enrolment_id
                ]
                if row.judge_at <= at_now
            ]
            if not due:
                return
            save_decisions(
                connection,
                organisation_id=organisation_id,
                decisions=[Decision(enrolment_id, row, OccurrenceState.MISSED) for row in due],
                decided_at=at_now,
            )
            bring_in_step(connection, organisation_id=organisation_id, enrolment_ids=[enrolment_id], now=at_now)


def weighed(patient: str, identifier: str, taken_at: datetime) -> Measurement:
    """A weight of 80 kg."""
    return Measurement("scale", identifier, patient, "weight", Decimal(80), None, "kg", taken_at)
