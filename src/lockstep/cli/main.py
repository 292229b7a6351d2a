"""The command line: every command, put together."""

import sys

import typer

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
    worker,
)

app = typer.Typer(
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
app.command("worker")(worker.worker)


if __name__ == "__main__":
    sys.exit(app())
