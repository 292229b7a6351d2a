"""Enrols patients, assigns them to protocols, discharges them."""

from datetime import datetime
from typing import Annotated

import typer

from lockstep.cli.face import MOST_ID, AsJson, By, Of, Reason, command, opened_for, show, show_list
from lockstep.cli.instant import require_within
from lockstep.cli.naming import enrolment_named, patient_named, program_named, protocol_named
from lockstep.engine import enrolment as engine
from lockstep.engine.timeline import answer_state

app = typer.Typer(help="Patients in programs.", no_args_is_help=True)

Who = Annotated[str, typer.Argument(help="The patient's identifier, or an enrolment's number as #12.")]
In = Annotated[str | None, typer.Option("--program", "-p", help="Key or number of the program.")]
On = Annotated[str, typer.Option("--protocol", help="program/protocol, or its key or number.", show_default=False)]


@command
def enrol(
    identifier: Annotated[str, typer.Argument(help="The patient's identifier.")],
    protocol: On,
    organisation: Of,
    actor: By,
    anchor_on: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], help="The date from which schedules count their days; the local one if left out."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Enrol a patient in the program of a protocol, under that protocol, from now on."""
    if anchor_on is not None:
        require_within(anchor_on, "--anchor-on")
    with opened_for(organisation) as (database, of):
        patient = patient_named(database, of.organisation_id, identifier)
        under = protocol_named(database, of.organisation_id, protocol)
        made = engine.enrol(
            database,
            organisation_id=of.organisation_id,
            patient_id=patient.patient_id,
            program_id=under.program_id,
            protocol_id=under.protocol_id,
            anchor_on=anchor_on.date() if anchor_on else None,
            actor=actor,
        )
    words = f"Patient {identifier} is enrolled as #{made.enrolment_id}, days counted from {made.anchor_on}."
    show(made, as_json=as_json, words=words)


@app.command("list")
@command
def list_all(
    organisation: Of,
    program: In = None,
    after: Annotated[int, typer.Option(min=0, max=MOST_ID, help="Go on after this number.")] = 0,
    most: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List enrolments by number."""
    with opened_for(organisation) as (database, of):
        program_id = None if program is None else program_named(database, of.organisation_id, program).program_id
        found = engine.list_enrolments(
            database,
            organisation_id=of.organisation_id,
            program_id=program_id,
            after_enrolment_id=after,
            most=most,
        )
    columns = {
        "number": lambda each: each.enrolment_id,
        "patient": lambda each: each.patient_id,
        "program": lambda each: each.program_id,
        "anchor": lambda each: each.anchor_on,
        "enrolled": lambda each: each.enrolled_at,
        "discharged": lambda each: each.discharged_at,
    }
    show_list(found, columns, as_json=as_json)


@app.command("show")
@command
def show_one(patient: Who, organisation: Of, program: In = None, as_json: AsJson = False) -> None:
    """Show an enrolment: what is in force, and what is pending."""
    with opened_for(organisation) as (database, of):
        found = enrolment_named(database, of.organisation_id, patient, program)
        state = answer_state(database, organisation_id=of.organisation_id, enrolment_id=found.enrolment_id)
    ended = f", ended {found.discharged_at:%Y-%m-%d %H:%M:%S} UTC" if found.discharged_at else ""
    lines = [
        f"Enrolment #{found.enrolment_id} of patient {found.patient_id} in program {found.program_id},"
        f" days counted from {found.anchor_on}{ended}.",
        state.words.in_force,
        state.words.pending,
    ]
    told = {
        "enrolment": found,
        "in_force": state.words.in_force,
        "pending": state.words.pending,
        "paused": state.paused,
        "in_step": state.in_step,
        "set_aside": state.set_aside,
        "next_change_at": state.next_change_at,
    }
    show(told, as_json=as_json, words="\n".join(lines))


@app.command()
@command
def assign(
    patient: Who, protocol: On, organisation: Of, actor: By, program: In = None, as_json: AsJson = False
) -> None:
    """Assign one patient to another protocol of the program, from now on."""
    with opened_for(organisation) as (database, of):
        enrolment = enrolment_named(database, of.organisation_id, patient, program)
        under = protocol_named(database, of.organisation_id, protocol)
        made = engine.assign(
            database,
            organisation_id=of.organisation_id,
            enrolment_id=enrolment.enrolment_id,
            protocol_id=under.protocol_id,
            actor=actor,
        )
    words = f"Enrolment #{enrolment.enrolment_id} is under {under.title} since {made.from_at:%Y-%m-%d %H:%M:%S} UTC."
    show(made, as_json=as_json, words=words)


@app.command()
@command
def discharge(
    patient: Who, reason: Reason, organisation: Of, actor: By, program: In = None, as_json: AsJson = False
) -> None:
    """End an enrolment now."""
    with opened_for(organisation) as (database, of):
        enrolment = enrolment_named(database, of.organisation_id, patient, program)
        at = engine.discharge(
            database,
            organisation_id=of.organisation_id,
            enrolment_id=enrolment.enrolment_id,
            reason=reason,
            actor=actor,
        )
    answer = {"enrolment_id": enrolment.enrolment_id, "discharged_at": at}
    show(answer, as_json=as_json, words=f"Enrolment #{enrolment.enrolment_id} ended at {at:%Y-%m-%d %H:%M:%S} UTC.")
