"""The command line: every command, put together."""

import sys

import typer

from lockstep.cli import migrate, worker

app = typer.Typer(
    name="lockstep",
    help="Remote patient monitoring in which a protocol changes for every patient at once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("migrate")(migrate.migrate)
app.command("worker")(worker.worker)


if __name__ == "__main__":
    sys.exit(app())
