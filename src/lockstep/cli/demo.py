"""Shows the whole story on a made-up world, with every number measured."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lockstep.cli.face import AsJson, Exit, command, fail, show
from lockstep.store.settings import read_settings

LINE_WIDTH = 110


@command
def demo(
    patients: Annotated[int, typer.Option(min=100, max=5_000_000, help="How many patients the world has.")] = 10_000,
    end: Annotated[bool, typer.Option("--exit", help="End after the story instead of going on until Ctrl-C.")] = False,
    seed: Annotated[int, typer.Option(help="Another number makes other patients.")] = 1,
    incident: Annotated[
        bool, typer.Option("--incident", help="First show the design that led to the incident, under the same load.")
    ] = False,
    rate: Annotated[float, typer.Option(min=1, max=5_000, help="Measurements a second, at most.")] = 300,
    tamper: Annotated[
        bool, typer.Option("--tamper", help="Write a wrong row before the check: the verdict must be NOT PROVEN.")
    ] = False,
    picture: Annotated[Path | None, typer.Option(help="Keep a picture of the terminal (SVG) there.")] = None,
    as_json: AsJson = False,
) -> None:
    """Switch a protocol for thousands of patients under load, and prove that every one of them follows."""
    # Here, because no other command shall wait for it.
    from lockstep.proof import demo as proof
    from lockstep.proof.clients import ClientFailed
    from lockstep.proof.stage import StoryFailed

    options = proof.Options(
        patients=patients,
        seed=seed,
        per_second=rate,
        exit=end,
        incident=incident,
        tamper=tamper,
        picture=picture,
    )
    console = Console(stderr=as_json, highlight=False)
    if not console.is_terminal:
        console.width = LINE_WIDTH  # of a file, which has none
    try:
        shown = proof.run(read_settings(), options, console)
    except (KeyboardInterrupt, proof.Told):
        sys.stderr.write("Ended before the verdict; nothing is left running.\n")
        raise typer.Exit(130) from None
    except (StoryFailed, ClientFailed) as failure:
        fail(str(failure), as_json=as_json)
    show(shown.to_document(), as_json=as_json)
    raise typer.Exit(Exit.DONE if shown.is_proven() else Exit.FAILED)
