"""Chunk after chunk, a transaction each, as the bare update and occurrences stored ahead are walked."""

import time
from collections.abc import Callable
from typing import Any

from lockstep.proof.bench.process import Order, Progress
from lockstep.proof.budget.stage import CHANGED
from lockstep.proof.watched_database import WatchedDatabase
from lockstep.store.database import Connection, is_transient

Statements = Callable[[Connection, dict[str, Any]], None]


def walk(database: WatchedDatabase, order: Order, until: float, *, size: int, do: Statements) -> Progress:
    """The statements were carried out for so many enrolments at once, a transaction each, until all or until time."""
    at, rolled_back = order.after, 0
    while at < order.until:
        if time.monotonic() > until:
            return Progress(at - order.after, False, rolled_back)
        end = min(order.until, at + size)
        values = {
            "organisation_id": order.organisation_id, "protocol_id": order.protocol_id, "activity_key": CHANGED,
            "after": at, "until": end, "generation": order.change.generation, "days": order.change.days,
            "minutes": 60 if order.change.generation % 2 else 0,
        }  # fmt: skip
        try:
            with database.transaction(order.organisation_id) as connection:
                do(connection, values)
        except Exception as error:
            if not is_transient(error):
                raise
            rolled_back += 1
        else:
            at = end
    return Progress(order.until - order.after, True, rolled_back)
