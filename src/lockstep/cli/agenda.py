"""Shows what a patient is asked, and what is in force."""

from datetime import timedelta
from typing import Annotated

import typer

from lockstep.cli.enrolment import In, Who
from lockstep.cli.face import AsJson, Of, command, opened_for, show
from lockstep.cli.instant import read_instant
from lockstep.cli.naming import enrolment_named
from lockstep.domain.answer import AnsweredOccurrence
from lockstep.domain.civil import local_of
from lockstep.engine.clock import current_instant
from lockstep.engine.timeline import answer_agenda

app = typer.Typer(help="What patients are asked.", no_args_is_help=True)


@app.command("show")
@command
def show_one(
    patient: Who,
    organisation: Of,
    program: In = None,
    days: Annotated[int, typer.Option(min=1, max=400, help="How many days from then on.")] = 2,
    at: Annotated[str, typer.Option(help="As it was at this instant (2026-12-01T08:00Z); now if left out.")] = "",
    known_at: Annotated[str, typer.Option(help="As known at this instant; now if left out.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show the occurrences of a patient with their states, and the version in force."""
    instant, known = read_instant(at, "--at"), read_instant(known_at, "--known-at")
    with opened_for(organisation) as (database, of):
        enrolment = enrolment_named(database, of.organisation_id, patient, program)
        begins = instant or current_instant(database)
        answer = answer_agenda(
            database,
            organisation_id=of.organisation_id,
            enrolment_id=enrolment.enrolment_id,
            from_at=begins,
            until_at=begins + timedelta(days=days),
            at=instant,
            known_at=known,
            with_state=True,
        )
    state = answer.state
    assert state is not None, "it was asked for"
    zone = answer.in_force.zone if answer.in_force else "UTC"
    lines = [state.words.in_force, state.words.pending, *(_line(occurrence, zone) for occurrence in answer.occurrences)]
    told = {
        "enrolment_id": enrolment.enrolment_id,
        "at": answer.at,
        "known_at": answer.known_at,
        "zone": zone,
        "in_force": state.words.in_force,
        "pending": state.words.pending,
        "paused": state.paused,
        "next_change_at": state.next_change_at,
        "version": answer.in_force.version_number if answer.in_force else None,
        "protocol_id": answer.in_force.protocol_id if answer.in_force else None,
        "in_step": state.in_step,
        "occurrences": list(answer.occurrences),
    }
    show(told, as_json=as_json, words="\n".join(lines))


def _line(occurrence: AnsweredOccurrence, zone: str) -> str:
    opens, closes = local_of(occurrence.opens_at, zone), local_of(occurrence.closes_at, zone)
    until = f"{closes:%H:%M}" if closes.date() == opens.date() else f"{closes:%Y-%m-%d %H:%M}"
    slot = f" ({occurrence.slot})" if occurrence.slot else ""
    what = f"{occurrence.activity_key}{slot}: {occurrence.state}, version {occurrence.version_number}"
    return f"  {opens:%a %Y-%m-%d %H:%M}–{until} {what}"
