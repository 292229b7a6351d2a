"""Protocols: the named ways of monitoring inside a program, each with the one row that acceptance locks."""

from collections.abc import Sequence
from typing import Any

from psycopg import Connection

from lockstep.domain.program import Protocol
from lockstep.store.queries import load

_SQL = load("protocol.sql")


def insert_protocol(
    connection: Connection[Any], *, organisation_id: int, program_id: int, key: str, title: str
) -> int | None:
    """The number of the new protocol, with its control row; None where the key is taken. Locks: the new rows."""
    values = {"organisation_id": organisation_id, "program_id": program_id, "key": key, "title": title}
    row = connection.execute(_SQL["insert_protocol"], values).fetchone()
    if row is None:
        return None
    connection.execute(_SQL["insert_control"], {"organisation_id": organisation_id, "protocol_id": row[0]})
    return int(row[0])


def list_protocols(
    connection: Connection[Any],
    *,
    organisation_id: int,
    program_id: int | None = None,
    protocol_ids: Sequence[int] | None = None,
) -> list[Protocol]:
    """Protocols by program and key: all, those of a program, those with these numbers. Locks: none."""
    values = {
        "organisation_id": organisation_id,
        "program_id": program_id,
        "protocol_ids": None if protocol_ids is None else list(protocol_ids),
    }
    return [Protocol(*row) for row in connection.execute(_SQL["list_protocols"], values)]
