"""Programs: the care pathways of an organisation."""

from typing import Any

from psycopg import Connection

from lockstep.domain.program import Program
from lockstep.store.queries import load

_SQL = load("program.sql")


def insert_program(connection: Connection[Any], *, organisation_id: int, key: str, title: str) -> int | None:
    """The number of the new program; None where the key is taken. Locks: the new row."""
    values = {"organisation_id": organisation_id, "key": key, "title": title}
    row = connection.execute(_SQL["insert_program"], values).fetchone()
    return row[0] if row else None


def list_programs(connection: Connection[Any], *, organisation_id: int, program_id: int | None = None) -> list[Program]:
    """The programs of the organisation by key, or the one with this number. Locks: none."""
    values = {"organisation_id": organisation_id, "program_id": program_id}
    return [Program(*row) for row in connection.execute(_SQL["list_programs"], values)]
