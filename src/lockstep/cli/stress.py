"""Lets faults happen while everybody works, and checks what clients wrote down against the invariants."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lockstep.cli.face import AsJson, Exit, command, fail, show

LINE_WIDTH = 130
MINUTES_OF_A_THOUSAND = 10.0


@command
def stress(
    faults: Annotated[int, typer.Option(min=1, help="How many faults shall hit a live target.")] = 1_000,
    patients: Annotated[
        int, typer.Option(min=100, max=5_000_000, help="How many patients the largest group has.")
    ] = 3_000,
    minutes: Annotated[
        float, typer.Option(min=0, help="For how long faults happen; 0: 10 minutes for each thousand of them.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Draws the faults and the load; the same seed draws the same.")] = 1,
    folder: Annotated[Path | None, typer.Option(help="Keep histories, logs and figures there.")] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write the report (Markdown) and its plots into this folder.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Kill, cut, lock, delay and lose while all work on a server of its own; fail if an invariant did not hold."""
    # Here, because no other command shall wait for it.
    from lockstep.proof.stress import report as reports
    from lockstep.proof.stress.run import run
    from lockstep.proof.stress.stage import Options, StressFailed

    console = Console(stderr=as_json, highlight=False)
    if not console.is_terminal:
        console.width = LINE_WIDTH  # of a file, which has none
    options = Options(faults, patients, minutes or max(0.75, faults * MINUTES_OF_A_THOUSAND / 1_000), seed, folder)
    try:
        outcome = run(options, lambda sentence: console.print(f"[dim]{sentence}[/]"))
    except StressFailed as failure:
        fail(str(failure), as_json=as_json)
    command_line = (
        f"lockstep stress --faults {faults} --patients {patients} --minutes {options.minutes:g} --seed {seed}"
    )
    file = reports.write(outcome, report or outcome.folder, command=command_line)
    if as_json:
        show(outcome.to_document(), as_json=True)
    else:
        console.print(reports.table(outcome))
        console.print(f"{reports.sentence(outcome)}\nReport: {file}")
    raise typer.Exit(Exit.DONE if outcome.holds() else Exit.FAILED)
