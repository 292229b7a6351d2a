"""Personal changes: values of the protocol changed for one patient."""

from typing import Any

from psycopg import Connection

from lockstep.domain.timeline import PersonalChange
from lockstep.store.queries import load

_SQL = load("personal_change.sql")


def insert_personal_change(
    connection: Connection[Any],
    *,
    organisation_id: int,
    enrolment_id: int,
    change: PersonalChange,
    reason: str,
    actor: str,
) -> None:
    """The change holds from its instant on; without a value it clears the field. Locks: the new row, under the head."""
    values = {
        "organisation_id": organisation_id,
        "enrolment_id": enrolment_id,
        "number": change.number,
        "activity_key": change.activity_key,
        "field": change.field,
        "value": change.value,
        "replaced": change.replaced,
        "cleared": change.value is None,
        "reason": reason,
        "from_at": change.from_at,
        "actor": actor,
    }
    connection.execute(_SQL["insert_personal_change"], values)
