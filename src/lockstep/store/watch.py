"""What a watchdog looks at over all organisations: identifiers, instants and counts only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection

from lockstep.store.queries import load

_SQL = load("watch.sql")


@dataclass(frozen=True, slots=True)
class Stuck:
    """An operation that is overdue or, where not, rests beyond its time."""

    organisation_id: int
    operation_id: int
    moved_at: datetime
    overdue: bool


@dataclass(frozen=True, slots=True)
class Sign:
    """A worker's last sign of life, and whether it is too old."""

    worker_id: str
    seen_at: datetime
    silent: bool


@dataclass(frozen=True, slots=True)
class NotWatched:
    """How many enrolments of an organisation are not watched for one reason, since when, and some of them."""

    organisation_id: int
    why: str
    enrolments: int
    since_at: datetime
    enrolment_ids: Sequence[int]


def list_stuck(connection: Connection[Any], *, most: int) -> list[Stuck]:
    """Operations that do not keep their promise, by organisation and number. Locks: none."""
    return [Stuck(*row) for row in connection.execute(_SQL["list_stuck"], {"most": most})]


def list_signs(connection: Connection[Any], *, silent_seconds: float) -> list[Sign]:
    """Every worker's sign of life. Locks: none."""
    return [Sign(*row) for row in connection.execute(_SQL["list_signs"], {"silent_seconds": silent_seconds})]


def list_not_watched(connection: Connection[Any], *, shown: int) -> list[NotWatched]:
    """Who is not watched, by organisation and reason. Locks: none."""
    return [NotWatched(*row) for row in connection.execute(_SQL["list_not_watched"], {"shown": shown})]
