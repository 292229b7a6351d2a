"""Measures the budgets, and says which hold."""

from typing import Annotated

import typer
from rich.console import Console

from lockstep.cli.face import AsJson, Exit, command, say_usage, show
from lockstep.store.settings import read_settings

LINE_WIDTH = 150


@command
def budget(
    parts: Annotated[list[str] | None, typer.Argument(help="What to measure; everything when none is named.")] = None,
    patients: Annotated[int, typer.Option(min=1_000, max=5_000_000, help="N of the budgets.")] = 1_000_000,
    rounds: Annotated[int, typer.Option(min=1, help="How often what is compared is repeated.")] = 3,
    probes: Annotated[int, typer.Option(min=1, help="How many reads after an acknowledgement.")] = 100_000,
    acceptances: Annotated[int, typer.Option(min=1, help="How many acceptances of each kind.")] = 300,
    rate: Annotated[float, typer.Option(min=1, help="Measurements a second meanwhile.")] = 400,
    as_json: AsJson = False,
) -> None:
    """Measure speed, fairness and memory against their goals, on a database made for it and dropped afterwards."""
    # Here, because no other command shall wait for it.
    from lockstep.proof.budget.run import PARTS, run, table
    from lockstep.proof.budget.stage import Options

    unknown = [part for part in parts or [] if part not in PARTS]
    if unknown:
        say_usage(f"There is no part {unknown[0]}; there are: {', '.join(PARTS)}.", as_json=as_json)
    options = Options(
        patients=patients, rounds=rounds, probes=probes, acceptances=acceptances, per_second=rate
    )  # fmt: skip
    console = Console(stderr=True, highlight=False)
    report = run(read_settings().url(), parts or [], options, console)
    if as_json:
        show(report, as_json=True)
    else:
        wide = Console(highlight=False)
        if not wide.is_terminal:
            wide.width = LINE_WIDTH  # of a file, which has none
        wide.print(table(report))
    raise typer.Exit(Exit.DONE if report.holds() else Exit.FAILED)
