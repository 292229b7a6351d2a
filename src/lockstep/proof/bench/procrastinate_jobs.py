"""One job per patient on procrastinate: its own workers, in processes of their own."""

import asyncio
import os
from collections.abc import Callable

import procrastinate

from lockstep.proof.bench.arena import Arena, Change
from lockstep.proof.bench.contender import Contender, Done
from lockstep.proof.bench.jobs import Order, Word, run
from lockstep.proof.bench.sql import SQL
from lockstep.proof.budget.stage import WORKERS, peak_mb
from lockstep.proof.clients import Orders
from lockstep.store import trial

QUEUE, TASK = "bench", "bench.move"
"""Both stand in bench.sql too."""
AT_ONCE = 4
"""The fastest of 4, 10, 20 and 40: a worker fetches one job after the other, and more at once only wait."""
POLL_SECONDS = 0.1


def serve(order: Order, orders: Orders, tell: Callable[[Word], None]) -> None:
    """Serves jobs until told to stop; the work of a worker process."""
    asyncio.run(_serve(order, orders, tell))


async def _serve(order: Order, orders: Orders, tell: Callable[[Word], None]) -> None:
    connector = procrastinate.PsycopgConnector(
        conninfo=order.url,
        configure=trial.acting_for(order.organisation_id),
        min_size=order.at_once,
        max_size=order.at_once + 3,
    )
    app = procrastinate.App(connector=connector)

    async def move(enrolment_id: int) -> None:
        await connector.execute_query_async(SQL["move_one"], **order.values(enrolment_id))

    app.task(name=TASK, queue=QUEUE)(move)
    async with app.open_async():
        working = asyncio.create_task(
            app.run_worker_async(
                queues=[QUEUE],
                concurrency=order.at_once,
                fetch_job_polling_interval=POLL_SECONDS,
                delete_jobs="always",
                install_signal_handlers=False,
                shutdown_graceful_timeout=1.0,
            )
        )
        await asyncio.sleep(2 * POLL_SECONDS)
        tell(Word())
        while orders.go_on() and not working.done():
            await asyncio.sleep(POLL_SECONDS)
        if working.done():
            working.result()  # raises what ended it
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    tell(Word(peak_mb(os.getpid())))


def _run(arena: Arena) -> Done:
    database, organisation_id = arena.stage.database, arena.group.organisation_id

    def enqueue(change: Change) -> None:
        del change
        with database.transaction(organisation_id) as connection:
            connection.execute(SQL["defer_jobs"], arena.values())

    try:
        return run(arena, serve, at_once=AT_ONCE, enqueue=enqueue)
    finally:
        with database.transaction(organisation_id) as connection:
            connection.execute(SQL["clear_jobs"])


PROCRASTINATE = Contender(
    "procrastinate",
    "One job per patient on procrastinate",
    f"All jobs are enqueued by one call in the deciding transaction; {WORKERS} worker processes with {AT_ONCE} jobs at"
    " once update head and row of one patient by one statement in each job, and delete jobs that are done.",
    _run,
)
