"""The bare chunked update of the same rows, which is the database's own limit."""

from typing import Any

from lockstep.proof.bench.arena import Arena
from lockstep.proof.bench.chunked import walk
from lockstep.proof.bench.contender import Contender, Done
from lockstep.proof.bench.process import Order, Progress, run
from lockstep.proof.bench.sql import SQL
from lockstep.proof.budget.stage import WORKERS
from lockstep.proof.watched_database import WatchedDatabase
from lockstep.store.database import Connection

SIZE = 1_000


def update_chunks(database: WatchedDatabase, order: Order, until: float) -> Progress:
    """The work of one process."""
    return walk(database, order, until, size=SIZE, do=_do)


def _do(connection: Connection, values: dict[str, Any]) -> None:
    connection.execute(SQL["move_heads"], values)
    connection.execute(SQL["move_rows"], values)


def _run(arena: Arena) -> Done:
    return run(arena, arena.change(), update_chunks, WORKERS)


BARE = Contender(
    "bare",
    "The bare chunked update (the limit)",
    f"Two processes update {SIZE:,} heads and rows in a transaction, half of the enrolments each: nothing is computed,"
    " nothing survives a crash but what was committed.",
    _run,
)
