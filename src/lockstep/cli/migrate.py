"""Brings the database's schema to this release."""

import sys
from typing import Annotated, Literal

import typer

from lockstep.cli.face import AsJson, command, show
from lockstep.store import migrate as store
from lockstep.store.dictionary import dictionary
from lockstep.store.reach import require_reachable
from lockstep.store.settings import read_settings

Phase = Annotated[
    Literal["pre", "post", "all"],
    typer.Option(help="pre: before the new code runs; post: after the old code has gone."),
]


@command
def migrate(
    phase: Phase = "all",
    sql: Annotated[bool, typer.Option("--sql", help="Print the statements, change nothing.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is pending, change nothing.")] = False,
    words: Annotated[
        bool, typer.Option("--dictionary", help="Print what each table and column means, change nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the database's schema to this release; doing it twice changes nothing."""
    if sql:
        sys.stdout.write(store.migration_sql(phase))
        return
    url = read_settings().url()
    require_reachable(url)
    if words:
        sys.stdout.write(dictionary(url))
        return
    pending = store.pending(url, phase)
    if not dry_run:
        store.migrate(url, phase)
    done = "Pending" if dry_run else "Applied"
    said = f"{done}: {', '.join(pending)}" if pending else "The schema is that of this release."
    show({"pending" if dry_run else "applied": pending}, as_json=as_json, words=said)
