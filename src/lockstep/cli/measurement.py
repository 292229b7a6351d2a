"""Imports measurements from files."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from lockstep.cli.document import format_of, text_of
from lockstep.cli.face import AsJson, By, Exit, Of, command, fail, opened_for, say_usage, show
from lockstep.cli.measurement_file import inspect, lines_of
from lockstep.cli.naming import patient_named
from lockstep.domain.civil import require_zone
from lockstep.domain.measurement import Outcome
from lockstep.domain.measurement_mapping import FileMapping, read_mapping
from lockstep.domain.refusal import UnknownPatient
from lockstep.engine.measurement_file import Totals, import_measurements
from lockstep.store.database import Database

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

    Values belong to the instants written in the files, however old.

    A file that cannot be read, or lacks a column, is refused before any import.

    Ends with 5 when rows were set aside or refused, with 4 when all were refused.
    """
    read = read_mapping(text_of(mapping), format=format_of(mapping))
    for given in (zone, create_patients_in):
        if given is not None:
            require_zone(given)
    _require_given(read, patient, as_json)
    digests = [inspect(file, read) for file in files]
    answers: list[dict[str, Any]] = []
    sums = dict.fromkeys(Outcome, 0)
    with opened_for(organisation) as (database, of), _Shown(as_json) as tell:
        if patient and create_patients_in is None:
            _require_patient(database, of.organisation_id, patient)
        for file, digest in zip(files, digests, strict=True):
            tell.begin(file)
            totals = import_measurements(
                database,
                organisation_id=of.organisation_id,
                lines=lines_of(file),
                mapping=read,
                file=file.stem,
                patient=patient,
                zone=zone,
                create_patients_in=create_patients_in,
                actor=actor,
                file_digest=digest,
                progress=tell,
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


def _require_given(mapping: FileMapping, patient: str, as_json: bool) -> None:
    if not patient and any("{given}" in template for template in (mapping.patient, mapping.identifier)):
        say_usage("The mapping leaves the patient to you ({given}): say --patient IDENTIFIER.", as_json=as_json)


def _answer(file: Path, totals: Totals) -> dict[str, Any]:
    return {
        "file": str(file),
        "rows": totals.rows,
        **{str(outcome): totals.outcomes[outcome] for outcome in Outcome},
        "remarks": [
            {"row": remark.row, "outcome": str(remark.outcome), "reason": remark.reason} for remark in totals.remarks
        ],
    }


def _require_patient(database: Database, organisation_id: int, patient: str) -> None:
    """Who is named on the command line is there: else every row would be set aside for a slip."""
    try:
        patient_named(database, organisation_id, patient)
    except UnknownPatient as refused:
        mend = "Register them: lockstep patient add, or import with --create-patients-in ZONE."
        raise UnknownPatient(refused.what, where="--patient", mend=mend) from refused


class _Shown:
    """Tells of an import on the standard error when a person looks, and how far it came when it is interrupted."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._name = ""
        self._rows = self._last_row = 0

    def begin(self, file: Path) -> None:
        """From now on rows of this file are done."""
        self._name = file.name
        self._rows = self._last_row = 0

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

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._bar.stop()
        if kind is None or (not self._rows and kind is not KeyboardInterrupt):
            return
        done = f"{self._rows:,} rows of {self._name} are done, up to row {self._last_row:,}, and stay"
        told = f"Interrupted: {done}. Import again to go on: nothing is stored twice."
        if kind is KeyboardInterrupt:
            fail(told, as_json=self._as_json)
        sys.stderr.write(told + "\n")

    def __call__(self, totals: Totals) -> None:
        self._rows, self._last_row = totals.rows, totals.last_row
        self._bar.update(self._task, description=f"{self._name}: {totals.rows:,} rows")
