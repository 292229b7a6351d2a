"""The incident's design: one transaction, row after row; also with the round trips pipelined."""

import time
from collections.abc import Callable, Sequence

from lockstep.proof.bench.arena import Arena
from lockstep.proof.bench.contender import Contender, Done
from lockstep.proof.bench.process import Order, Progress, run
from lockstep.proof.bench.sql import SQL
from lockstep.proof.budget.stage import CHANGED
from lockstep.proof.watched_database import WatchedDatabase
from lockstep.store.database import Connection, is_transient

LOOK = 100
"""Rows between two looks at the clock."""
PIPELINED = 1_000
"""Statements on their way at once."""


class _Stopped(Exception):
    def __init__(self, done: int) -> None:
        self.done = done


Walk = Callable[[Connection, Order, Sequence[int], float], None]


def walk_by_round_trips(connection: Connection, order: Order, ids: Sequence[int], until: float) -> None:
    """Every enrolment follows the change, a round trip for each. Raises _Stopped when time is over."""
    for number, enrolment_id in enumerate(ids):
        connection.execute(SQL["move_one"], _values(order, enrolment_id), prepare=True)
        if not number % LOOK and time.monotonic() > until:
            raise _Stopped(number)


def walk_pipelined(connection: Connection, order: Order, ids: Sequence[int], until: float) -> None:
    """Every enrolment follows the change, without waiting for each answer. Raises _Stopped when time is over."""
    with connection.pipeline() as pipeline:
        for number, enrolment_id in enumerate(ids):
            connection.execute(SQL["move_one"], _values(order, enrolment_id), prepare=True)
            if not number % PIPELINED:
                pipeline.sync()
                if time.monotonic() > until:
                    raise _Stopped(number)


def by_round_trips(database: WatchedDatabase, order: Order, until: float) -> Progress:
    """The work of the one process."""
    return _until_committed(database, order, until, walk_by_round_trips)


def pipelined(database: WatchedDatabase, order: Order, until: float) -> Progress:
    """The work of the one process."""
    return _until_committed(database, order, until, walk_pipelined)


def _until_committed(database: WatchedDatabase, order: Order, until: float, walk: Walk) -> Progress:
    rolled_back = 0
    while True:
        try:
            with database.transaction(order.organisation_id) as connection:
                ids = [row[0] for row in connection.execute(SQL["list_enrolments"], _values(order, 0))]
                walk(connection, order, ids, until)
        except _Stopped as stopped:
            # Nothing of it was committed; how far it came only tells its speed.
            return Progress(stopped.done, False, rolled_back)
        except Exception as error:
            if not is_transient(error):
                raise
            rolled_back += 1
        else:
            return Progress(len(ids), True, rolled_back)


def _values(order: Order, enrolment_id: int) -> dict[str, object]:
    return {
        "organisation_id": order.organisation_id, "protocol_id": order.protocol_id, "activity_key": CHANGED,
        "enrolment_id": enrolment_id, "generation": order.change.generation, "days": order.change.days,
    }  # fmt: skip


def _run_round_trips(arena: Arena) -> Done:
    return run(arena, arena.change(), by_round_trips, 1)


def _run_pipelined(arena: Arena) -> Done:
    return run(arena, arena.change(), pipelined, 1)


ROUND_TRIPS = Contender(
    "incident",
    "One transaction, a round trip per patient (the incident's design)",
    "One process updates head and row of one patient after the other by a prepared statement each, in one transaction"
    " that is begun anew when it was rolled back.",
    _run_round_trips,
)
PIPELINE = Contender(
    "pipelined",
    "One transaction, pipelined",
    f"As the incident's design, but without waiting for answers: up to {PIPELINED:,} statements are on their way.",
    _run_pipelined,
)
