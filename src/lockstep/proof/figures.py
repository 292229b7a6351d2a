"""What the database says at the end of a run, to be held against what the clients say."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from lockstep.proof.world import Ward
from lockstep.store.clock import now
from lockstep.store.database import Database
from lockstep.store.queries import load

_SQL = load("figures.sql", package="lockstep.proof")
SOURCES = ("home", "ward")
MINUTE = timedelta(minutes=1)


def clock(database: Database) -> datetime:
    """The database's instant."""
    with database.transaction(None, read_only=True) as connection:
        return now(connection)


def count_measurements(database: Database, organisation_ids: Sequence[int]) -> tuple[int, int]:
    """Measurements of the demo's clients that are stored, and those set aside."""
    stored = aside = 0
    for organisation_id in organisation_ids:
        with database.transaction(organisation_id, read_only=True) as connection:
            row = connection.execute(_SQL["count_measurements"], {"sources": list(SOURCES)}).fetchone()
        assert row is not None
        stored, aside = stored + row[0], aside + row[1]
    return stored, aside


def closed_windows(ward: Ward, at: datetime) -> list[str]:
    """The ward's windows whose time is over at the instant."""
    return [label for label in ward.windows if ward.opens_at(label) + MINUTE <= at]


def ward_states(
    database: Database, organisation_id: int, ward: Ward, slots: Sequence[str]
) -> dict[tuple[int, str], str]:
    """The state of each decided occurrence of these windows, by (enrolment, slot)."""
    with database.transaction(organisation_id, read_only=True) as connection:
        found = connection.execute(
            _SQL["list_ward_states"], {"protocol_id": ward.protocol_id, "slots": list(slots)}
        ).fetchall()
    return {(row[0], row[1]): row[2] for row in found}


def slowest_judgement_seconds(database: Database, organisation_id: int, ward: Ward, slots: Sequence[str]) -> float:
    """How long after it was due the last missed occurrence of these windows was found; 0 when there was none."""
    with database.transaction(organisation_id, read_only=True) as connection:
        row = connection.execute(
            _SQL["find_slowest_judgement"], {"protocol_id": ward.protocol_id, "slots": list(slots)}
        ).fetchone()
    return float(row[0]) if row is not None and row[0] is not None else 0.0


def count_missed_alerts(database: Database, organisation_id: int, ward: Ward) -> int:
    """Enrolments of the ward about whose missed occurrences somebody was alerted."""
    with database.transaction(organisation_id, read_only=True) as connection:
        row = connection.execute(_SQL["count_missed_alerts"], {"protocol_id": ward.protocol_id}).fetchone()
    assert row is not None
    return int(row[0])


def count_all(database: Database, organisation_ids: Sequence[int]) -> tuple[int, int]:
    """Missed occurrences and open alerts of all organisations."""
    missed = alerts = 0
    for organisation_id in organisation_ids:
        with database.transaction(organisation_id, read_only=True) as connection:
            row = connection.execute(_SQL["count_all"]).fetchone()
        assert row is not None
        missed, alerts = missed + row[0], alerts + row[1]
    return missed, alerts


def shift_one_row(database: Database, organisation_id: int, enrolment_id: int) -> None:
    """An agenda row is wrong, without anything having been decided: the check must find it. Locks: the row."""
    with database.transaction(organisation_id) as connection:
        connection.execute(_SQL["shift_one_row"], {"enrolment_id": enrolment_id})
