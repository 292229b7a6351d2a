"""Runs a worker, and lists those that run."""

from typing import Annotated

import typer

from lockstep.cli.face import AsJson, command, opened, show_list
from lockstep.engine.worker import list_workers
from lockstep.store.reach import require_address
from lockstep.store.settings import read_settings
from lockstep.worker import main


@command
def worker(
    beat: Annotated[
        bool, typer.Option(help="Say that measurements can come in; not where a server takes them over a network.")
    ] = True,
    listed: Annotated[bool, typer.Option("--list", help="List the workers instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Look after everything that happens by itself, until told to stop; start as many as wanted, on any machine."""
    if not listed:
        settings = read_settings()
        # Only the address: a worker waits for a database that is not there yet.
        require_address(settings.url())
        main.run(settings.url(), lock_timeout_ms=settings.lock_timeout_ms, beats=beat)
        return
    with opened() as database:
        found = list_workers(database)
    columns = {
        "worker": lambda each: each.worker_id,
        "started": lambda each: each.started_at,
        "seen": lambda each: each.seen_at,
        "MB": lambda each: each.doing.get("memory_mb", ""),
    }
    show_list(found, columns, as_json=as_json)
