"""What was measured in windows before they were asked: by rows that hold them, and by cohorts."""

from collections.abc import Sequence
from typing import Any

from psycopg import Connection

from lockstep.domain.occurrence import Occurrence
from lockstep.store import array
from lockstep.store.queries import load
from lockstep.store.recalculation import Ids

_SQL = load("earlier.sql")


def list_taken_before(
    connection: Connection[Any],
    *,
    organisation_id: int,
    ids: Ids,
    asked: Sequence[tuple[Occurrence, str]],
) -> list[tuple[int, str, list[int]]]:
    """(enrolment, activity, measurements) of rows that hold one of the asked occurrences (with their code)."""
    if not asked:
        return []
    values = {
        "organisation_id": organisation_id,
        "enrolment_ids": ids.text,
        "activity_keys": [occurrence.activity_key for occurrence, _ in asked],
        "on_dates": [occurrence.on for occurrence, _ in asked],
        "slots": [occurrence.slot for occurrence, _ in asked],
        "opens_ats": [occurrence.opens_at for occurrence, _ in asked],
        "closes_ats": [occurrence.closes_at for occurrence, _ in asked],
        "nominal_ats": [occurrence.nominal_at for occurrence, _ in asked],
        "codes": [code for _, code in asked],
    }
    return [
        (row[0], row[1], row[2]) for row in connection.execute(_SQL["list_rows_taken_before"], values, prepare=False)
    ]


def list_measured_enough(
    connection: Connection[Any],
    *,
    organisation_id: int,
    ids: Ids,
    asked: Sequence[tuple[Occurrence, str, Sequence[int]]],
) -> set[int]:
    """The enrolments that measured enough for one of the occurrences (with its code and cohorts). Locks: none."""
    if not asked:
        return set()
    of = [occurrence for occurrence, _, _ in asked]
    values = {
        "organisation_id": organisation_id,
        "enrolment_ids": ids.text,
        "cohorts": [Ids(cohort_ids).text for _, _, cohort_ids in asked],
        "nominal_ats": array.instants([each.nominal_at for each in of]),
        "until_ats": array.instants([each.takes_until_at for each in of]),
        "received_before_ats": array.instants([each.ended_at for each in of]),
        "codes": array.texts([code for _, code, _ in asked]),
        "quantities": array.numbers([each.quantity for each in of]),
    }
    return {row[0] for row in connection.execute(_SQL["list_measured_enough"], values, prepare=False)}
