"""What duties ask across organisations: who has work waiting. Identifiers and instants only."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, LiteralString

from psycopg import Connection

from lockstep.store.queries import load

_SQL = load("duty.sql")


class Waiting(StrEnum):
    """The kinds of work that may be waiting in an organisation."""

    ANYTHING = "anything"
    RECALCULATION = "recalculation"
    CHANGE = "change"
    JUDGEMENT = "judgement"
    SEAL = "seal"
    RETRY = "retry"


_LISTS: Mapping[Waiting, LiteralString] = {
    Waiting.ANYTHING: "list_organisations",
    Waiting.RECALCULATION: "list_recalculating",
    Waiting.CHANGE: "list_changing",
    Waiting.JUDGEMENT: "list_due",
    Waiting.SEAL: "list_unsealed",
    Waiting.RETRY: "list_set_aside",
}


def list_organisations(connection: Connection[Any], waiting: Waiting) -> list[int]:
    """The organisations in which such work is waiting, by number. Locks: none."""
    return [row[0] for row in connection.execute(_SQL[_LISTS[waiting]])]


def is_close_near(connection: Connection[Any], *, organisation_id: int, seconds: float) -> bool:
    """Whether an occurrence of the organisation is judged within so many seconds. Locks: none."""
    return _truth(connection, "is_close_near", {"organisation_id": organisation_id, "seconds": seconds})


def is_ingesting(connection: Connection[Any], *, seconds: float) -> bool:
    """Whether ingestion was seen alive during so many seconds. Locks: none."""
    return _truth(connection, "is_ingesting", {"seconds": seconds})


def ensure_partitions(connection: Connection[Any]) -> int:
    """Rows of the coming three months have their partitions; returns how many were made."""
    row = connection.execute(_SQL["ensure_partitions"]).fetchone()
    assert row is not None
    return int(row[0])


def _truth(connection: Connection[Any], name: str, values: Mapping[str, Any]) -> bool:
    row = connection.execute(_SQL[name], values).fetchone()
    assert row is not None
    return bool(row[0])
