"""Imports measurements from files."""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from lockstep.cli.document import format_of
from lockstep.cli.face import AsJson, By, Exit, Of, command, opened_for, show
from lockstep.domain.civil import require_zone
from lockstep.domain.measurement import Outcome
from lockstep.domain.measurement_mapping import read_mapping
from lockstep.engine.measurement_file import Totals, import_measurements

app = typer.Typer(help="Values with unit, instant and source.", no_args_is_help=True)


@app.command("import")
@command
def import_files(
    files: Annotated[list[Path], typer.Argument(help="Delimited files, such as CSV.")],
    mapping: Annotated[Path, typer.Option(help="What the columns mean, in YAML or JSON.", show_default=False)],
    organisation: Of,
    actor: By,
    patient: Annotated[str, typer.Option(help="The patient's identifier, where the mapping says {given}.")] = "",
    zone: Annotated[
        str | None, typer.Option(help="The civil time zone of the times in the files, where they tell none.")
    ] = None,
    create_patients_in: Annotated[str | None, typer.Option(help="Register unknown patients in this zone.")] = None,
    as_json: AsJson = False,
) -> None:
    """Import measurements; doing it again changes nothing.

    Ends with 5 when rows were set aside or refused, with 4 when all were refused.
    """
    read = read_mapping(mapping.read_text(encoding="utf-8-sig"), format=format_of(mapping))
    for given in (zone, create_patients_in):
        if given is not None:
            require_zone(given)
    answers: list[dict[str, Any]] = []
    sums = dict.fromkeys(Outcome, 0)
    with opened_for(organisation) as (database, of), _Shown() as tell:
        for file in files:
            totals = import_measurements(
                database,
                organisation_id=of.organisation_id,
                lines=_lines(file),
                mapping=read,
                file=file.stem,
                patient=patient,
                zone=zone,
                create_patients_in=create_patients_in,
                actor=actor,
                progress=partial(tell, file.name),
            )
            for outcome, count in totals.outcomes.items():
                sums[outcome] += count
            answers.append(_answer(file, totals))
    rows = sum(sums.values())
    counts = ", ".join(f"{count:,} {outcome}" for outcome, count in sums.items())
    remarks = [
        f"  {answer['file']} row {remark['row']}: {remark['reason']}"
        for answer in answers
        for remark in answer["remarks"]
    ]
    told = {"rows": rows, **{str(outcome): count for outcome, count in sums.items()}, "files": answers}
    show(told, as_json=as_json, words="\n".join([f"{rows:,} rows: {counts}.", *remarks[:20]]))
    if rows and sums[Outcome.REFUSED] == rows:
        raise typer.Exit(Exit.REFUSED)
    if sums[Outcome.REFUSED] or sums[Outcome.SET_ASIDE]:
        raise typer.Exit(Exit.WITH_EXCEPTIONS)


def _lines(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        yield from lines


def _answer(file: Path, totals: Totals) -> dict[str, Any]:
    return {
        "file": str(file),
        "rows": totals.rows,
        **{str(outcome): totals.outcomes[outcome] for outcome in Outcome},
        "remarks": [
            {"row": remark.row, "outcome": str(remark.outcome), "reason": remark.reason} for remark in totals.remarks
        ],
    }


class _Shown:
    """Tells of an import on the standard error, when a person looks."""

    def __enter__(self) -> "_Shown":
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self._bar.start()
        self._task = self._bar.add_task("", total=None)
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, name: str, totals: Totals) -> None:
        self._bar.update(self._task, description=f"{name}: {totals.rows:,} rows")
