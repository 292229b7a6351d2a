"""Lists, shows, follows, pauses and resumes what is done in the background."""

from datetime import timedelta
from typing import Annotated

import typer

from lockstep.cli.face import MOST_ID, AsJson, By, Of, Reason, command, opened_for, show, show_list
from lockstep.cli.progress import Seconds, exit_of, follow, words
from lockstep.domain.operation import to_cloud_event
from lockstep.engine import operation as engine
from lockstep.engine.clock import current_instant

app = typer.Typer(help="What is done in the background.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(min=1, max=MOST_ID, help="Number of the operation.")]


@app.command("list")
@command
def list_all(
    organisation: Of,
    unfinished: Annotated[bool, typer.Option("--unfinished", help="Only those that have not ended.")] = False,
    most: Annotated[int, typer.Option(min=1, max=engine.MOST_LISTED, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List operations, the newest first."""
    with opened_for(organisation) as (database, of):
        found = engine.list_operations(database, organisation_id=of.organisation_id, unfinished=unfinished, limit=most)
    columns = {
        "number": lambda each: each.operation_id,
        "state": lambda each: each.state,
        "overdue": lambda each: "overdue" if each.overdue else "",
        "done": lambda each: each.done,
        "of": lambda each: each.total,
        "what": lambda each: each.sentence,
        "by": lambda each: each.started_by,
        "started": lambda each: each.started_at,
        "reason": lambda each: each.reason,
    }
    show_list(found, columns, as_json=as_json)


@app.command("show")
@command
def show_one(number: Number, organisation: Of, as_json: AsJson = False) -> None:
    """Show an operation with its log."""
    with opened_for(organisation) as (database, of):
        found = engine.get_operation(database, organisation_id=of.organisation_id, operation_id=number)
        events = engine.list_events(database, organisation_id=of.organisation_id, operation_id=number)
    told = [to_cloud_event(event, organisation_id=of.organisation_id, operation_id=number) for event in events]
    lines = [
        f"  {event.at:%Y-%m-%d %H:%M:%S} {event.type} by {event.actor} {dict(event.data) or ''}" for event in events
    ]
    show({"operation": found, "events": told}, as_json=as_json, words="\n".join([words(found), *lines]))


@app.command()
@command
def watch(number: Number, organisation: Of, seconds: Seconds = None, as_json: AsJson = False) -> None:
    """Follow an operation to its end: 0 when it succeeded, 5 with exceptions, 6 when it still runs."""
    with opened_for(organisation) as (database, of):
        found = follow(database, organisation_id=of.organisation_id, operation_id=number, seconds=seconds)
    show(found, as_json=as_json, words=words(found))
    raise typer.Exit(exit_of(found))


@app.command()
@command
def pause(
    number: Number,
    reason: Reason,
    organisation: Of,
    actor: By,
    minutes: Annotated[int, typer.Option(min=1, max=60, help="For so long at most; at most an hour.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Let an operation rest for a limited time."""
    with opened_for(organisation) as (database, of):
        until_at = current_instant(database) + timedelta(minutes=minutes)
        found = engine.pause(
            database,
            organisation_id=of.organisation_id,
            operation_id=number,
            until_at=until_at,
            reason=reason,
            actor=actor,
        )
    show(found, as_json=as_json, words=words(found))


@app.command()
@command
def resume(number: Number, organisation: Of, actor: By, as_json: AsJson = False) -> None:
    """Take up an operation again that was paused."""
    with opened_for(organisation) as (database, of):
        found = engine.resume(database, organisation_id=of.organisation_id, operation_id=number, actor=actor)
    show(found, as_json=as_json, words=words(found))
