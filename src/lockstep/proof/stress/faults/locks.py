"""Faults of locks: rivals that hold tables or rows, one of ours that falls asleep, and a dead-lock."""

import threading
import time
from datetime import UTC, datetime

from lockstep.proof.stress.clients.measuring import made
from lockstep.proof.stress.faults.fault import Lane, Result, aim
from lockstep.proof.stress.protocols import SATURATION
from lockstep.proof.stress.world import NORTH, SOUTH
from lockstep.store import rival
from lockstep.store.database import Database, is_transient

TABLES = (
    "agenda",
    "agenda_head",
    "measurement",
    "measurement_key",
    "occurrence",
    "switch_acceptance",
    "alert",
    "operation",
)
DEAD_LOCK = "40P01"
ASLEEP_SECONDS = 7.0


def lock_table(lane: Lane) -> Result:
    """Somebody locks a whole table for a while."""
    table, mode = lane.chance.choice(TABLES), lane.chance.choice(("exclusive", "share"))
    with rival.rival(lane.shared.url) as connection:
        rival.lock_table(connection, table, mode)
        waited = rival.somebody_waits(lane.shared.url, connection.info.backend_pid, lane.chance.uniform(0.2, 1.2))
    return Result(waited, "somebody waited for it", {"table": table, "mode": mode})


def lock_rows(lane: Lane) -> Result:
    """Somebody locks heads for a while."""
    group = lane.shared.world.group(*lane.chance.choice(((NORTH, "ward"), (NORTH, "heart"), (SOUTH, "ward"))))
    with rival.rival(lane.shared.url) as connection:
        held = rival.lock_heads(connection, protocol_id=group.protocol_id, size=2_000)
        waited = rival.somebody_waits(lane.shared.url, connection.info.backend_pid, lane.chance.uniform(0.5, 1.5))
    return Result(waited, "somebody waited for them", {"rows": len(held)})


def sleep_in_transaction(lane: Lane) -> Result:
    """A process like ours hangs in a transaction that holds heads, until the server ends it."""
    group = lane.shared.world.group(NORTH, "heart")
    ended, held = False, 0
    database = Database(lane.shared.url, pool_max=1, name="lockstep stress sleeper")
    try:
        with database.transaction(group.organisation_id) as connection:
            held = len(rival.lock_heads(connection, protocol_id=group.protocol_id, size=50))
            time.sleep(ASLEEP_SECONDS)
    except Exception as error:
        if not is_transient(error):
            raise
        ended = True
    finally:
        database.close()
    return Result(ended and held > 0, "it held rows, and the server ended it", {"rows": held})


def dead_lock(lane: Lane) -> Result:
    """A rival holds one patient and wants another, whom a request of ours holds and waits for the first."""
    group = lane.shared.world.group(NORTH, "ward")
    first, last = sorted(lane.chance.sample(range(1, group.count), 2))
    at = datetime.now(UTC)
    number = lane.measuring.number = lane.measuring.number + 1
    items = [
        made(f"{lane.measuring.order.name}-{number}-{each}", group.patient(each), SATURATION, "97", "%", at)
        for each in (first, last)
    ]
    before = _dead_locks(lane)
    thread = threading.Thread(target=lane.measuring.send, args=(group.organisation_id, items))
    try:
        with rival.rival(lane.shared.url) as connection, rival.rival(lane.shared.url, autocommit=True) as looking:
            connection.execute("set deadlock_timeout to '30s'")
            connection.execute("set lock_timeout to '3s'")
            rival.lock_head(connection, enrolment_id=group.first_id + last)
            thread.start()
            aim(lambda: rival.count_waiting(looking, connection.info.backend_pid))
            rival.lock_head(connection, enrolment_id=group.first_id + first)
    finally:
        if thread.ident is not None:
            thread.join()
    return Result(_dead_locks(lane) > before, "the server broke it, and told ours")


def _dead_locks(lane: Lane) -> int:
    errors: dict[str, int] = lane.shared.proxy.tell("errors")["errors"]
    return errors.get(DEAD_LOCK, 0)
