"""Organisations: customers, isolated from each other."""

from typing import Any

from psycopg import Connection

from lockstep.domain.organisation import Organisation
from lockstep.store.queries import load

_SQL = load("organisation.sql")


def draw_organisation_id(connection: Connection[Any]) -> int:
    """A number no organisation has. Locks: none."""
    row = connection.execute(_SQL["draw_organisation_id"]).fetchone()
    assert row is not None
    return int(row[0])


def insert_organisation(connection: Connection[Any], *, organisation_id: int, key: str, title: str) -> bool:
    """The organisation exists; False where another has the key. Locks: the new row."""
    values = {"organisation_id": organisation_id, "key": key, "title": title}
    return connection.execute(_SQL["insert_organisation"], values).fetchone() is not None


def find_organisation(connection: Connection[Any], *, organisation_id: int) -> Organisation | None:
    """The organisation of this transaction. Locks: none."""
    row = connection.execute(_SQL["get_organisation"], {"organisation_id": organisation_id}).fetchone()
    return Organisation(*row) if row else None
