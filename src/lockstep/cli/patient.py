"""Registers patients and shows them."""

from datetime import datetime
from typing import Annotated

import typer

from lockstep.cli.face import AsJson, By, Of, command, opened_for, show
from lockstep.cli.instant import require_within
from lockstep.cli.naming import patient_named
from lockstep.domain.patient import NewPatient
from lockstep.engine.patient import change_zone, register_patient

app = typer.Typer(help="Persons, each with a civil time zone.", no_args_is_help=True)

Identifier = Annotated[str, typer.Argument(help="What other systems call the patient.")]
Zone = Annotated[str, typer.Option(help="The civil time zone, such as Europe/Amsterdam.", show_default=False)]


@app.command()
@command
def add(
    identifier: Identifier,
    zone: Zone,
    organisation: Of,
    actor: By,
    born_on: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Date of birth.")] = None,
    as_json: AsJson = False,
) -> None:
    """Register a patient."""
    if born_on is not None:
        require_within(born_on, "--born-on")
    patient = NewPatient(identifier, zone, born_on.date() if born_on else None)
    with opened_for(organisation) as (database, of):
        made = register_patient(database, organisation_id=of.organisation_id, patient=patient, actor=actor)
    show(
        made, as_json=as_json, words=f"Patient {made.identifier} has number {made.patient_id} and lives in {made.zone}."
    )


@app.command("show")
@command
def show_one(identifier: Identifier, organisation: Of, as_json: AsJson = False) -> None:
    """Show a patient."""
    with opened_for(organisation) as (database, of):
        found = patient_named(database, of.organisation_id, identifier)
    show(
        found,
        as_json=as_json,
        words=f"Patient {found.identifier} has number {found.patient_id} and lives in {found.zone}.",
    )


@app.command("zone")
@command
def change(identifier: Identifier, zone: Zone, organisation: Of, actor: By, as_json: AsJson = False) -> None:
    """Change the civil time zone of a patient from now on."""
    with opened_for(organisation) as (database, of):
        patient = patient_named(database, of.organisation_id, identifier)
        span = change_zone(
            database,
            organisation_id=of.organisation_id,
            patient_id=patient.patient_id,
            zone=zone,
            actor=actor,
        )
    show(
        span,
        as_json=as_json,
        words=f"Patient {identifier} lives in {span.zone} from {span.from_at:%Y-%m-%d %H:%M:%S} UTC on.",
    )
