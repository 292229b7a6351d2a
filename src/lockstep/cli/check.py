"""Runs the independent check, and shows what checks found."""

from typing import Annotated

import typer

from lockstep.cli.face import MOST_ID, AsJson, By, Exit, Of, command, opened_for, show
from lockstep.engine import check as engine
from lockstep.engine.repair import repair as repair_drift
from lockstep.store.check import CheckRun
from lockstep.store.database import Database

app = typer.Typer(help="Independent recomputation from facts, with a certificate.", no_args_is_help=True)

SLICE = 1000


@app.command()
@command
def run(
    organisation: Of,
    actor: By,
    scope: Annotated[
        str, typer.Option(help="organisation, program, protocol, selection or enrolment.")
    ] = "organisation",
    number: Annotated[int | None, typer.Option(min=1, max=MOST_ID, help="Number of what the scope names.")] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Mend what differs, and keep it as evidence.")] = False,
    as_json: AsJson = False,
) -> None:
    """Recompute everybody in the scope from facts alone and compare; ends with 5 when something differs."""
    with opened_for(organisation) as (database, of):
        check_id = engine.start_check(
            database, organisation_id=of.organisation_id, scope=scope, scope_id=number, actor=actor
        )
        _walk(database, of.organisation_id, check_id, as_json=as_json)
        certificate = engine.finish(database, organisation_id=of.organisation_id, check_id=check_id, actor=actor)
        repaired = 0
        if repair and certificate.drifted:
            repaired = repair_drift(
                database, organisation_id=of.organisation_id, check_id=check_id, actor=actor
            ).enrolments
        check = engine.get_check(database, organisation_id=of.organisation_id, check_id=check_id)
    answer = {**_plain(check), "certificate": certificate.hash, "repaired": repaired}
    words = f"{_words(check)} Certificate {certificate.hash}."
    show(answer, as_json=as_json, words=words + (f" {repaired:,} enrolments were repaired." if repaired else ""))
    if certificate.drifted:
        raise typer.Exit(Exit.WITH_EXCEPTIONS)


@app.command("show")
@command
def show_check(
    number: Annotated[int, typer.Argument(min=1, max=MOST_ID, help="Number of the check.")],
    organisation: Of,
    as_json: AsJson = False,
) -> None:
    """Show a check and what it found to differ."""
    with opened_for(organisation) as (database, of):
        check = engine.get_check(database, organisation_id=of.organisation_id, check_id=number)
        drifts = engine.list_drifts(database, organisation_id=of.organisation_id, check_id=number, most=100)
    found = [
        {
            "enrolment_id": each.drift.enrolment_id,
            "activity": each.drift.activity_key,
            "kind": each.drift.kind.value,
            "expected": each.drift.expected,
            "found": each.drift.found,
            "repaired_at": each.repaired_at,
        }
        for each in drifts
    ]
    lines = [f"  enrolment {each['enrolment_id']}, {each['activity'] or 'agenda'}: {each['kind']}" for each in found]
    show({**_plain(check), "drifts": found}, as_json=as_json, words="\n".join([_words(check), *lines]))


def _walk(database: Database, organisation_id: int, check_id: int, *, as_json: bool) -> None:
    memory, checked = engine.Memory(), 0
    while True:
        part = engine.check_slice(
            database, organisation_id=organisation_id, check_id=check_id, size=SLICE, memory=memory
        )
        checked += part.checked
        if not as_json and part.checked:
            typer.echo(f"{checked:,} checked", err=True)
        if part.done:
            return


def _plain(check: CheckRun) -> dict[str, object]:
    return {
        "check_id": check.check_id,
        "scope": check.scope,
        "scope_id": check.scope_id,
        "checked": check.checked,
        "drifted": check.drifted,
        "pending": check.pending,
        "started_at": check.started_at,
        "ended_at": check.ended_at,
    }


def _words(check: CheckRun) -> str:
    what = check.scope if check.scope_id is None else f"{check.scope} {check.scope_id}"
    return (
        f"Check {check.check_id} of {what}: {check.checked:,} recomputed, {check.drifted:,} differ, "
        f"{check.pending:,} were being worked on."
    )
