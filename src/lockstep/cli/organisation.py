"""Creates organisations and lists them."""

from typing import Annotated

import typer

from lockstep.cli.face import AsJson, By, command, opened, show, show_list
from lockstep.engine.organisation import create_organisation, list_organisations

app = typer.Typer(help="Customers, isolated from each other.", no_args_is_help=True)


@app.command()
@command
def add(
    key: Annotated[str, typer.Argument(help="A short name without blanks.")],
    actor: By,
    title: Annotated[str, typer.Option(help="What people read.")] = "",
    as_json: AsJson = False,
) -> None:
    """Create an organisation."""
    with opened() as database:
        made = create_organisation(database, key=key, title=title or key, actor=actor)
    show(made, as_json=as_json, words=f"Organisation {made.key} has number {made.organisation_id}.")


@app.command("list")
@command
def list_all(as_json: AsJson = False) -> None:
    """List the organisations."""
    with opened() as database:
        found = list_organisations(database)
    columns = {
        "number": lambda each: each.organisation_id,
        "key": lambda each: each.key,
        "title": lambda each: each.title,
    }
    show_list(found, columns, as_json=as_json)
