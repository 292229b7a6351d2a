"""The command line: every command, put together."""

import json
import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from lockstep.cli import (
    agenda,
    audit,
    bench,
    budget,
    check,
    demo,
    enrolment,
    measurement,
    migrate,
    operation,
    organisation,
    patient,
    program,
    protocol,
    recalculate,
    stress,
    switch,
    watch,
    worker,
)

UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""What Typer raises for words that it cannot read; it keeps the name to itself."""


class Commands(TyperGroup):
    """Every command; words that cannot be read end with 2, and are told in JSON where that was asked for."""

    def main(self, args: Sequence[str] | None = None, *more: Any, **named: Any) -> Any:
        """Carries out the words of `args` (default: of the command line) and ends the process."""
        words = list(sys.argv[1:] if args is None else args)
        if "--json" not in words:
            return super().main(words, *more, **named)
        try:
            code = super().main(words, *more, **{**named, "standalone_mode": False})
        except UsageError as fault:
            parameter = getattr(getattr(fault, "param", None), "opts", [])
            told = {
                "code": "usage",
                "what": fault.format_message(),  # type: ignore[attr-defined]
                "where": parameter[0] if parameter else "command line",
                "mend": "See: lockstep --help, also after the name of a command.",
            }
            sys.stdout.write(json.dumps({"refusal": told}, ensure_ascii=False) + "\n")
            sys.exit(2)
        sys.exit(code if isinstance(code, int) else 0)


app = typer.Typer(
    cls=Commands,
    name="lockstep",
    help="Remote patient monitoring in which a protocol changes for every patient at once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for noun, commands in (
    ("organisation", organisation.app),
    ("program", program.app),
    ("patient", patient.app),
    ("enrolment", enrolment.app),
    ("protocol", protocol.app),
    ("switch", switch.app),
    ("operation", operation.app),
    ("agenda", agenda.app),
    ("measurement", measurement.app),
    ("recalculate", recalculate.app),
    ("audit", audit.app),
    ("check", check.app),
):
    app.add_typer(commands, name=noun)
app.command("bench")(bench.bench)
app.command("budget")(budget.budget)
app.command("demo")(demo.demo)
app.command("enrol")(enrolment.enrol)
app.command("migrate")(migrate.migrate)
app.command("stress")(stress.stress)
app.command("watch")(watch.watch)
app.command("worker")(worker.worker)


if __name__ == "__main__":
    sys.exit(app())
