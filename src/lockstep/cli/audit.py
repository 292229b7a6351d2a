"""Verifies the audit chain, seals what waits, writes checkpoints."""

from pathlib import Path
from typing import Annotated

import typer

from lockstep.cli.face import AsJson, Exit, Of, command, opened, opened_for, show
from lockstep.domain.audit import Verification
from lockstep.engine import audit as engine

app = typer.Typer(help="Who decided what, when, why.", no_args_is_help=True)


@app.command()
@command
def verify(
    organisation: Of,
    checkpoint: Annotated[
        Path | None, typer.Option(help="The file of checkpoints; without it a cut-off tail cannot be seen.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find every tampering with the audit; ends with 5 if there is one."""
    with opened_for(organisation) as (database, of):
        found = engine.verify(database, of.organisation_id, checkpoint)
    show({**_plain(found)}, as_json=as_json, words=_words(found))
    if not found.holds:
        raise typer.Exit(Exit.WITH_EXCEPTIONS)


@app.command()
@command
def seal(organisation: Of, as_json: AsJson = False) -> None:
    """Seal what waits, as the worker does within a second."""
    sealed = 0
    with opened_for(organisation) as (database, of):
        while some := engine.seal(database, of.organisation_id):
            sealed += some
    show({"sealed": sealed}, as_json=as_json, words=f"{sealed:,} entries were sealed.")


@app.command()
@command
def checkpoint(
    file: Annotated[Path, typer.Argument(help="Where whoever can change the database cannot write.")],
    as_json: AsJson = False,
) -> None:
    """Add the end of every organisation's chain to a file outside of the database."""
    with opened() as database:
        added = engine.checkpoint(database, file)
    show({"added": added}, as_json=as_json, words=f"{added:,} checkpoints were added to {file}.")


def _plain(found: Verification) -> dict[str, object]:
    return {
        "organisation_id": found.organisation_id,
        "holds": found.holds,
        "sealed": found.sealed,
        "waiting": found.waiting,
        "checkpoints": found.checkpoints,
        "chain_hash": found.chain_hash,
        "fault_count": found.fault_count,
        "faults": list(found.faults),
    }


def _words(found: Verification) -> str:
    counts = f"{found.sealed:,} entries sealed, {found.waiting:,} waiting, {found.checkpoints:,} checkpoints"
    if found.holds:
        return f"No trace of tampering: {counts}."
    faults = "\n".join(f"  {fault.sentence}" for fault in found.faults)
    return f"{found.fault_count:,} traces of tampering: {counts}.\n{faults}"
