"""Has agendas computed anew from their facts: of a patient, a selection, a protocol, a program."""

from collections.abc import Sequence
from typing import Annotated

import typer

from lockstep.cli.face import MOST_ID, AsJson, By, Exit, Of, command, opened_for, show
from lockstep.cli.naming import patient_named, program_named, protocol_named
from lockstep.cli.progress import Seconds, exit_of, follow, words
from lockstep.domain.refusal import InvalidChoice
from lockstep.engine.enrolment import list_enrolments
from lockstep.engine.protocol import list_protocols
from lockstep.engine.recalculation import (
    list_protocols_of_selection,
    recalculate_patient,
    request_recalculation,
)
from lockstep.store.database import Database

app = typer.Typer(help="Compute agendas anew; nothing that was decided changes.", no_args_is_help=True)

Wait = Annotated[bool, typer.Option("--wait", help="Follow it to its end.")]


@app.command()
@command
def patient(
    identifier: Annotated[str, typer.Argument(help="The patient's identifier.")],
    organisation: Of,
    actor: By,
    as_json: AsJson = False,
) -> None:
    """Compute the agendas of one patient anew, at once; ends with 5 when one had to be set aside."""
    with opened_for(organisation) as (database, of):
        found = patient_named(database, of.organisation_id, identifier)
        enrolments = [
            each.enrolment_id
            for each in list_enrolments(database, organisation_id=of.organisation_id, patient_id=found.patient_id)
            if each.discharged_at is None
        ]
        failed = recalculate_patient(
            database,
            organisation_id=of.organisation_id,
            patient_id=found.patient_id,
            enrolment_ids=enrolments,
            actor=actor,
        )
    words_ = f"{len(enrolments) - len(failed)} of {len(enrolments)} agendas are in step."
    show({"enrolments": enrolments, "set_aside": failed}, as_json=as_json, words=words_)
    if failed:
        raise typer.Exit(Exit.WITH_EXCEPTIONS)


@app.command()
@command
def selection(
    number: Annotated[int, typer.Argument(min=1, max=MOST_ID, help="Number of the selection.")],
    organisation: Of,
    actor: By,
    wait: Wait = False,
    seconds: Seconds = None,
    as_json: AsJson = False,
) -> None:
    """Compute the agendas of a selection's members anew."""
    with opened_for(organisation) as (database, of):
        protocol_ids = list_protocols_of_selection(database, organisation_id=of.organisation_id, selection_id=number)
        if not protocol_ids:
            raise InvalidChoice(f"There is no selection {number} with members", where="selection")
        started = [
            request_recalculation(
                database,
                organisation_id=of.organisation_id,
                protocol_id=protocol_id,
                selection_id=number,
                actor=actor,
                sentence=f"Recalculate selection {number}",
            )
            for protocol_id in protocol_ids
        ]
        _answer(database, of.organisation_id, started, wait=wait, seconds=seconds, as_json=as_json)


@app.command()
@command
def protocol(
    named: Annotated[str, typer.Argument(help="program/protocol, or its key or number.")],
    organisation: Of,
    actor: By,
    wait: Wait = False,
    seconds: Seconds = None,
    as_json: AsJson = False,
) -> None:
    """Compute the agendas of everybody on a protocol anew."""
    with opened_for(organisation) as (database, of):
        found = protocol_named(database, of.organisation_id, named)
        started = _request(database, of.organisation_id, [(found.protocol_id, found.title)], actor)
        _answer(database, of.organisation_id, started, wait=wait, seconds=seconds, as_json=as_json)


@app.command()
@command
def program(
    named: Annotated[str, typer.Argument(help="Key or number of the program.")],
    organisation: Of,
    actor: By,
    wait: Wait = False,
    seconds: Seconds = None,
    as_json: AsJson = False,
) -> None:
    """Compute the agendas of everybody in a program anew, an operation for each protocol."""
    with opened_for(organisation) as (database, of):
        found = program_named(database, of.organisation_id, named)
        protocols = list_protocols(database, organisation_id=of.organisation_id, program_id=found.program_id)
        started = _request(database, of.organisation_id, [(each.protocol_id, each.title) for each in protocols], actor)
        _answer(database, of.organisation_id, started, wait=wait, seconds=seconds, as_json=as_json)


def _request(database: Database, organisation_id: int, protocols: Sequence[tuple[int, str]], actor: str) -> list[int]:
    return [
        request_recalculation(
            database,
            organisation_id=organisation_id,
            protocol_id=protocol_id,
            selection_id=None,
            actor=actor,
            sentence=f"Recalculate {title}",
        )
        for protocol_id, title in protocols
    ]


def _answer(
    database: Database,
    organisation_id: int,
    operation_ids: Sequence[int],
    *,
    wait: bool,
    seconds: float | None,
    as_json: bool,
) -> None:
    found = [
        follow(database, organisation_id=organisation_id, operation_id=number, seconds=seconds if wait else 0)
        for number in operation_ids
    ]
    show({"operations": found}, as_json=as_json, words="\n".join(map(words, found)))
    if wait:
        raise typer.Exit(max((exit_of(operation) for operation in found), default=Exit.DONE))
