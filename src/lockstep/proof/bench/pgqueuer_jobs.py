"""One job per patient on PgQueuer: its own workers, in processes of their own."""

import asyncio
import os
from collections.abc import Callable
from datetime import timedelta

from pgqueuer import PgQueuer, Queries
from pgqueuer.db import PsycopgDriver
from pgqueuer.models import Job

from lockstep.proof.bench.arena import Arena, Change
from lockstep.proof.bench.contender import Contender, Done
from lockstep.proof.bench.jobs import Order, Word, run
from lockstep.proof.bench.sql import SQL
from lockstep.proof.budget.stage import WORKERS, peak_mb
from lockstep.proof.clients import Orders
from lockstep.store import trial

ENTRYPOINT = "move"
BATCH, AT_ONCE = 100, 40
"""The fastest of 4, 10, 20 and 40 at once."""
LOOK_SECONDS = 0.1


def serve(order: Order, orders: Orders, tell: Callable[[Word], None]) -> None:
    """Serves jobs until told to stop; the work of a worker process."""
    asyncio.run(_serve(order, orders, tell))


async def _serve(order: Order, orders: Orders, tell: Callable[[Word], None]) -> None:
    async with (
        trial.connected(order.url) as connection,
        trial.connected_often(order.url, order.organisation_id, order.at_once) as pool,
    ):
        queue = PgQueuer.from_psycopg_connection(connection)

        async def move(job: Job) -> None:
            enrolment_id = int(job.payload or b"0")
            async with pool.connection() as own:
                await own.execute(SQL["move_one"], order.values(enrolment_id))

        queue.entrypoint(ENTRYPOINT)(move)
        working = asyncio.create_task(
            queue.run(batch_size=BATCH, max_concurrent_tasks=2 * BATCH, dequeue_timeout=timedelta(seconds=LOOK_SECONDS))
        )
        await asyncio.sleep(2 * LOOK_SECONDS)
        tell(Word())
        while orders.go_on() and not working.done():
            await asyncio.sleep(LOOK_SECONDS)
        if working.done():
            working.result()  # raises what ended it
        queue.shutdown.set()
        await asyncio.gather(working, return_exceptions=True)
    tell(Word(peak_mb(os.getpid())))


async def _install(url: str) -> None:
    async with trial.connected(url) as connection:
        queries = Queries(PsycopgDriver(connection))
        if await queries.schema_is_installed():
            await queries.clear_queue()
        else:
            await queries.install()


async def _enqueue(url: str, enrolment_ids: list[int]) -> None:
    async with trial.connected(url) as connection:
        payloads: list[bytes | None] = [str(each).encode() for each in enrolment_ids]
        count = len(payloads)
        await Queries(PsycopgDriver(connection)).enqueue([ENTRYPOINT] * count, payloads, [0] * count)


def _run(arena: Arena) -> Done:
    database = arena.stage.database

    def enqueue(change: Change) -> None:
        del change
        with database.transaction(arena.group.organisation_id, read_only=True) as connection:
            ids = [row[0] for row in connection.execute(SQL["list_enrolments"], arena.values())]
        asyncio.run(_enqueue(database.url, ids))

    asyncio.run(_install(database.url))
    return run(arena, serve, at_once=AT_ONCE, enqueue=enqueue)


PGQUEUER = Contender(
    "pgqueuer",
    "One job per patient on PgQueuer",
    f"All jobs are enqueued by one call; {WORKERS} worker processes take {BATCH} jobs at once and update head and row"
    f" of one patient by one statement in each, over {AT_ONCE} connections; what is done is logged and deleted in"
    " batches.",
    _run,
)
