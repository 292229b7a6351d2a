"""Occurrences stored ahead: fourteen days of them are deleted and generated anew for each patient."""

from typing import Any

from lockstep.proof.bench.arena import Arena
from lockstep.proof.bench.chunked import walk
from lockstep.proof.bench.contender import Contender, Done
from lockstep.proof.bench.process import Order, Progress, run, together
from lockstep.proof.bench.process import orders as shares
from lockstep.proof.bench.sql import SQL
from lockstep.proof.budget.stage import WORKERS
from lockstep.proof.watched_database import WatchedDatabase
from lockstep.store.database import Connection

SIZE = 250
FILL_SECONDS = 600.0


def regenerate_chunks(database: WatchedDatabase, order: Order, until: float) -> Progress:
    """The work of one process."""
    return walk(database, order, until, size=SIZE, do=_regenerate)


def fill_chunks(database: WatchedDatabase, order: Order, until: float) -> Progress:
    """What was stored before the change; the work of one process."""
    del until
    return walk(database, order, float("inf"), size=SIZE, do=_fill)


def _regenerate(connection: Connection, values: dict[str, Any]) -> None:
    connection.execute(SQL["move_heads"], values)
    connection.execute(SQL["delete_planned"], values)
    connection.execute(SQL["insert_planned"], values)


def _fill(connection: Connection, values: dict[str, Any]) -> None:
    connection.execute(SQL["delete_planned"], values)
    connection.execute(SQL["insert_planned"], {**values, "minutes": 30})


def _run(arena: Arena) -> Done:
    change = arena.change()
    if arena.group.protocol_id not in arena.planned:
        together(fill_chunks, shares(arena, change, WORKERS))
        arena.planned.add(arena.group.protocol_id)
        arena.settle()
    return run(arena, change, regenerate_chunks, WORKERS)


REGENERATE = Contender(
    "regenerate",
    "Delete and regenerate 14 days of occurrences, in chunks",
    f"Two processes take {SIZE} patients in a transaction, delete the 14 stored occurrences of the changed activity of"
    " each and insert new ones by one statement each, in a table of the agenda's columns.",
    _run,
    moves=False,
)
