"""One transaction that updates everybody by two statements."""

import time

from lockstep.proof.bench.arena import Arena
from lockstep.proof.bench.contender import Contender, Done
from lockstep.proof.bench.process import Order, Progress, run
from lockstep.proof.bench.sql import SQL
from lockstep.proof.budget.stage import CHANGED
from lockstep.proof.watched_database import WatchedDatabase
from lockstep.store.database import is_transient


def update_all(database: WatchedDatabase, order: Order, until: float) -> Progress:
    """The work of the one process."""
    values = {
        "organisation_id": order.organisation_id, "activity_key": CHANGED, "after": order.after,
        "until": order.until, "generation": order.change.generation, "days": order.change.days,
    }  # fmt: skip
    rolled_back = 0
    while (left := until - time.monotonic()) > 0:
        try:
            with database.transaction(order.organisation_id) as connection:
                connection.execute(SQL["limit_statements"], {"milliseconds": round(left * 1000)})
                done = connection.execute(SQL["move_heads"], values).rowcount
                connection.execute(SQL["move_rows"], values)
        except Exception as error:
            if not is_transient(error):
                raise
            rolled_back += 1
        else:
            return Progress(done, True, rolled_back)
    return Progress(0, False, rolled_back)


def _run(arena: Arena) -> Done:
    return run(arena, arena.change(), update_all, 1)


SET_BASED = Contender(
    "set-based",
    "One set-based transaction",
    "One process updates all heads by one statement and all rows by another, in one transaction that is begun anew"
    " when it was rolled back.",
    _run,
)
