"""Compares Lockstep with other ways of doing it, and says which goals hold."""

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lockstep.cli.face import Exit, command, fail, plain, say_usage
from lockstep.store.settings import read_settings

LINE_WIDTH = 200


@command
def bench(
    quick: Annotated[
        bool, typer.Option("--quick", help="The short form, at most three minutes, judged by ratios alone.")
    ] = False,
    sizes: Annotated[
        str, typer.Option(help="For how many enrolments, with commas between.")
    ] = "1000,10000,100000,1000000",
    rounds: Annotated[int, typer.Option(min=1, help="How often each is run whose time allows it.")] = 3,
    limit: Annotated[float, typer.Option(min=1, help="Seconds after which a competitor is stopped.")] = 30,
    rate: Annotated[float, typer.Option(min=1, help="Measurements a second meanwhile.")] = 400,
    part: Annotated[
        list[str] | None, typer.Option(help="A part of `lockstep budget` to measure too; repeat it.")
    ] = None,
    part_patients: Annotated[int, typer.Option(min=1_000, help="N of those parts.")] = 100_000,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every figure to this file.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the page and its plots into this folder.")] = None,
) -> None:
    """Measure Lockstep and other designs beside one load, on a database made for it and dropped afterwards."""
    # Here, because no other command shall wait for it; and the competitors are an extra.
    try:
        from lockstep.proof.bench import page, run, table, verdict
        from lockstep.proof.bench import quick as short
        from lockstep.proof.budget.run import PARTS
    except ModuleNotFoundError as missing:
        fail(f"{missing.name} is not installed. Run: pip install 'lockstep[bench]'", as_json=False)

    console = Console(stderr=True, highlight=False)
    counts = tuple(int(each) for each in sizes.split(",") if each.strip().isdecimal() and int(each) >= 100)
    unknown = [each for each in part or [] if each not in PARTS]
    if unknown or not counts:
        say_usage(f"The parts are: {', '.join(PARTS)}. Sizes are numbers of 100 or more.", as_json=False)
    contenders = run.CONTENDERS
    plan = run.Plan(
        sizes=counts, rounds=rounds, limit_seconds=limit, per_second=rate, parts=part or [], part_patients=part_patients
    )
    goals = verdict.FULL_GOALS
    if quick:
        plan, goals, contenders = short.PLAN, short.GOALS, short.CONTENDERS
    found = run.run(read_settings().url(), plan, lambda said: console.print(f"  … {said}"), contenders)
    found.findings[:0] = verdict.judge(found, goals)
    if json_file is not None:
        json_file.write_text(json.dumps(plain(found), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    if report is not None:
        page.write(found, report, shlex.join(["lockstep", *sys.argv[1:]]))
    wide = Console(highlight=False)
    if not wide.is_terminal:
        wide.width = LINE_WIDTH  # of a file, which has none
    wide.print(table.shown(found))
    missed = any(each.held is False for each in found.findings)
    raise typer.Exit(Exit.FAILED if missed else Exit.DONE)
