"""Pauses of enrolments, and their resumptions."""

from datetime import datetime
from typing import Any

from psycopg import Connection

from lockstep.domain.pause import Pause
from lockstep.store.queries import load

_SQL = load("pause.sql")


def insert_pause(
    connection: Connection[Any], *, organisation_id: int, enrolment_id: int, pause: Pause, actor: str
) -> None:
    """Nothing is asked in the pause. Locks: the new row, under the held head."""
    values = {
        "organisation_id": organisation_id,
        "enrolment_id": enrolment_id,
        "number": pause.number,
        "from_at": pause.from_at,
        "until_at": pause.until_at,
        "review_on": pause.review_on,
        "reason": pause.reason,
        "actor": actor,
    }
    connection.execute(_SQL["insert_pause"], values)


def insert_resumption(
    connection: Connection[Any],
    *,
    organisation_id: int,
    enrolment_id: int,
    number: int,
    until_at: datetime,
    actor: str,
) -> None:
    """The pause ends at the instant. Locks: the new row, under the held head."""
    values = {
        "organisation_id": organisation_id,
        "enrolment_id": enrolment_id,
        "number": number,
        "until_at": until_at,
        "actor": actor,
    }
    connection.execute(_SQL["insert_resumption"], values)


def list_pauses(connection: Connection[Any], *, organisation_id: int, enrolment_id: int) -> list[Pause]:
    """The pauses of the enrolment in order of number. Locks: none."""
    values = {"organisation_id": organisation_id, "enrolment_id": enrolment_id}
    return [Pause(*row) for row in connection.execute(_SQL["list_pauses_of"], values)]
