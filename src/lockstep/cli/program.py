"""Opens programs and lists them."""

from typing import Annotated

import typer

from lockstep.cli.face import AsJson, By, Of, command, opened_for, show, show_list
from lockstep.engine.program import list_programs, open_program

app = typer.Typer(help="Care pathways that patients join.", no_args_is_help=True)


@app.command()
@command
def add(
    key: Annotated[str, typer.Argument(help="A short name without blanks.")],
    organisation: Of,
    actor: By,
    title: Annotated[str, typer.Option(help="What people read.")] = "",
    as_json: AsJson = False,
) -> None:
    """Open a program."""
    with opened_for(organisation) as (database, of):
        made = open_program(database, organisation_id=of.organisation_id, key=key, title=title or key, actor=actor)
    show(made, as_json=as_json, words=f"Program {made.key} has number {made.program_id}.")


@app.command("list")
@command
def list_all(organisation: Of, as_json: AsJson = False) -> None:
    """List the programs."""
    with opened_for(organisation) as (database, of):
        found = list_programs(database, organisation_id=of.organisation_id)
    columns = {"number": lambda each: each.program_id, "key": lambda each: each.key, "title": lambda each: each.title}
    show_list(found, columns, as_json=as_json)
