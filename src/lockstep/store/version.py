"""Versions: the contents of protocols as published."""

from typing import Any

from psycopg import Connection

from lockstep.domain.protocol import parse
from lockstep.domain.version import Version
from lockstep.store.queries import load

_SQL = load("version.sql")


def list_versions(connection: Connection[Any], *, organisation_id: int, protocol_id: int) -> list[Version]:
    """The versions of the protocol, the newest first, without content. Locks: none."""
    values = {"organisation_id": organisation_id, "protocol_id": protocol_id}
    return [Version(*row) for row in connection.execute(_SQL["list_versions"], values)]


def find_version(
    connection: Connection[Any], *, organisation_id: int, protocol_id: int, number: int | None
) -> Version | None:
    """The version with its content; without a number the newest. Locks: none."""
    values = {"organisation_id": organisation_id, "protocol_id": protocol_id, "number": number}
    row = connection.execute(_SQL["get_version"], values).fetchone()
    if row is None:
        return None
    found, published_by, published_at, content_hash, content = row
    return Version(found, published_by, published_at, content_hash, parse(content))
