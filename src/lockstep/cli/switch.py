"""Previews, approves, accepts, withdraws, reverts and shows switches."""

import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from lockstep.cli.document import preview_words, read_content
from lockstep.cli.face import MOST_ID, MOST_NUMBER, AsJson, By, Of, Reason, command, opened_for, plain, show, show_list
from lockstep.cli.instant import read_time
from lockstep.cli.naming import protocol_named
from lockstep.cli.progress import Seconds, exit_of, follow, words
from lockstep.domain.acceptance import Accepted
from lockstep.domain.operation import Operation
from lockstep.domain.preview import Shown
from lockstep.domain.refusal import InvalidChoice
from lockstep.domain.selection import Filter
from lockstep.domain.state import pending_of
from lockstep.domain.state_words import Pending, Scheduled, effect_words, pending_words
from lockstep.domain.switch import Effective, Scope, SwitchKind
from lockstep.engine import switch as engine
from lockstep.engine.acceptance import accept_switch, approve_switch
from lockstep.engine.clock import current_instant
from lockstep.engine.operation import get_operation
from lockstep.engine.preview import preview_switch

app = typer.Typer(help="Decisions that put enrolments on another version or protocol.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(min=1, max=MOST_ID, help="Number of the switch.")]
When = Annotated[
    str,
    typer.Option(
        "--at",
        help="now; next-day (each patient's midnight); 2026-12-01T08:00 (civil time); 2026-12-01T08:00Z (an instant).",
    ),
]


@app.command()
@command
def preview(
    named: Annotated[str, typer.Argument(metavar="PROTOCOL", help="program/protocol, or its key or number.")],
    reason: Reason,
    organisation: Of,
    actor: By,
    publish: Annotated[Path | None, typer.Option(help="The document to publish.")] = None,
    move_to: Annotated[str | None, typer.Option(help="The protocol to which enrolments go.")] = None,
    at: When = "now",
    enrolment: Annotated[
        list[int] | None,
        typer.Option("--enrolment", "-e", min=1, max=MOST_ID, help="Only this one; several times for more."),
    ] = None,
    zone: Annotated[list[str] | None, typer.Option(help="Only patients in this zone.")] = None,
    first: Annotated[int | None, typer.Option(min=1, max=MOST_NUMBER, help="Only the first so many.")] = None,
    not_in: Annotated[
        list[int] | None, typer.Option(min=1, max=MOST_ID, help="Nobody of this earlier selection.")
    ] = None,
    close_alerts: Annotated[
        bool | None,
        typer.Option(
            "--close-alerts/--keep-alerts",
            help="Close the open alerts of removed activities or keep them, whatever the version says.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show exactly what a switch would do; nothing changes until it is accepted."""
    if (publish is None) == (move_to is None):
        raise InvalidChoice(
            "A switch either publishes or moves", where="--publish, --move-to", mend="Give one of the two."
        )
    effective, local, instant = read_when(at)
    chosen = None
    if zone or first or not_in:
        chosen = Filter(zones=tuple(zone or ()), first=first, without_selections=tuple(not_in or ()))
    content = None if publish is None else read_content(publish)
    with opened_for(organisation) as (database, of):
        protocol = protocol_named(database, of.organisation_id, named)
        target = None if move_to is None else protocol_named(database, of.organisation_id, move_to).protocol_id
        made = preview_switch(
            database,
            organisation_id=of.organisation_id,
            kind=SwitchKind.MOVE if content is None else SwitchKind.PUBLISH,
            protocol_id=protocol.protocol_id,
            content=content,
            target_protocol_id=target,
            scope=Scope.SELECTION if enrolment or chosen else Scope.EVERYONE,
            enrolment_ids=enrolment or None,
            chosen=chosen,
            effective=effective,
            effective_local=local,
            effective_at=instant,
            close_alerts_of_removed=close_alerts,
            reason=reason,
            actor=actor,
        )
    show(made, as_json=as_json, words=preview_words(made))


@app.command()
@command
def approve(number: Number, organisation: Of, actor: By, as_json: AsJson = False) -> None:
    """Approve a preview as a second person."""
    with opened_for(organisation) as (database, of):
        made = approve_switch(database, organisation_id=of.organisation_id, switch_id=number, actor=actor)
    answer = {"switch_id": number, "approved_by": sorted({*made.approved_by, actor})}
    show(answer, as_json=as_json, words=f"Switch {number} is approved by {', '.join(answer['approved_by'])}.")  # type: ignore[arg-type]


@app.command()
@command
def accept(
    number: Number,
    organisation: Of,
    actor: By,
    key: Annotated[str, typer.Option(help="Makes repeating safe: the same key has one effect.")] = "",
    seen: Annotated[
        int | None,
        typer.Option(min=0, max=MOST_NUMBER, help="The number a stale preview told, where the effect is the same."),
    ] = None,
    signed_conflicts_by: Annotated[
        str | None, typer.Option(help="Who answers for personal changes in conflict.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Follow the recalculation to its end.")] = False,
    seconds: Seconds = None,
    as_json: AsJson = False,
) -> None:
    """Accept a switch: it is in force for each patient from its instant on."""
    with opened_for(organisation) as (database, of):
        accepted = accept_switch(
            database,
            organisation_id=of.organisation_id,
            switch_id=number,
            client_key=key or secrets.token_hex(16),
            actor=actor,
            seen=seen,
            signed_conflicts_by=signed_conflicts_by,
        )
        shown = engine.show_switch(database, organisation_id=of.organisation_id, switch_id=number)
        followed = None
        if wait:
            followed = follow(
                database,
                organisation_id=of.organisation_id,
                operation_id=accepted.operation_id,
                seconds=seconds,
            )
    lines = [
        f"Switch {number} was accepted at {accepted.accepted_at:%Y-%m-%d %H:%M:%S} UTC by {accepted.accepted_by},"
        f" in force {_effect(shown, accepted)}; operation {accepted.operation_id}."
    ]
    if followed is not None:
        lines.append(words(followed))
    show({"accepted": accepted, "operation": followed}, as_json=as_json, words="\n".join(lines))
    if followed is not None:
        raise typer.Exit(exit_of(followed))


@app.command()
@command
def withdraw(number: Number, reason: Reason, organisation: Of, actor: By, as_json: AsJson = False) -> None:
    """Take a scheduled switch back before it is in force for anybody."""
    with opened_for(organisation) as (database, of):
        found = engine.withdraw_switch(
            database, organisation_id=of.organisation_id, switch_id=number, reason=reason, actor=actor
        )
    show(found, as_json=as_json, words=f"Switch {number} is withdrawn and never comes into force.")


@app.command()
@command
def revert(
    number: Number, reason: Reason, organisation: Of, actor: By, at: When = "now", as_json: AsJson = False
) -> None:
    """Preview the switch forward to what was before this one; accept it to have it."""
    effective, local, instant = read_when(at)
    with opened_for(organisation) as (database, of):
        made = engine.revert_switch(
            database,
            organisation_id=of.organisation_id,
            switch_id=number,
            reason=reason,
            actor=actor,
            effective=effective,
            effective_local=local,
            effective_at=instant,
        )
    show(made, as_json=as_json, words=preview_words(made))


@app.command("show")
@command
def show_one(number: Number, organisation: Of, as_json: AsJson = False) -> None:
    """Show a switch and what became of it."""
    with opened_for(organisation) as (database, of):
        found = engine.show_switch(database, organisation_id=of.organisation_id, switch_id=number)
        now = current_instant(database)
        operation = None
        if found.accepted is not None:
            operation = get_operation(
                database, organisation_id=of.organisation_id, operation_id=found.accepted.operation_id
            )
    pending = _pending(found, operation, now)
    told = {**plain(found), "pending": pending, "operation": operation}
    show(told, as_json=as_json, words="\n".join([_words(found), f"  {pending}."]))


@app.command("list")
@command
def list_all(
    organisation: Of,
    protocol: Annotated[str | None, typer.Option(help="Only those of a protocol.")] = None,
    most: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List switches, the newest first."""
    with opened_for(organisation) as (database, of):
        protocol_id = None
        if protocol is not None:
            protocol_id = protocol_named(database, of.organisation_id, protocol).protocol_id
        found = engine.list_switches(database, organisation_id=of.organisation_id, protocol_id=protocol_id, limit=most)
    columns = {
        "number": lambda each: each.switch_id,
        "kind": lambda each: each.kind,
        "protocol": lambda each: each.protocol_id,
        "scope": lambda each: each.scope,
        "effective": lambda each: each.effective,
        "previewed by": lambda each: each.previewed_by,
        "accepted by": lambda each: each.accepted_by,
        "accepted": lambda each: each.accepted_at,
        "withdrawn": lambda each: each.withdrawn_at,
        "reason": lambda each: each.reason,
    }
    show_list(found, columns, as_json=as_json)


def read_when(given: str) -> tuple[Effective, datetime | None, datetime | None]:
    """When a switch takes effect: the way of saying it, the civil date-time, the instant. Raises InvalidChoice."""
    if given == "now":
        return Effective.NOW, None, None
    if given in ("next-day", "next day"):
        return Effective.NEXT_DAY, None, None
    mend = "Say now, next-day, 2026-12-01T08:00 (civil time) or 2026-12-01T08:00Z (an instant)."
    at = read_time(given, "--at", mend=mend)
    if at.tzinfo is None:
        return Effective.CIVIL, at, None
    return Effective.INSTANT, None, at.astimezone(UTC)


def _effect(found: Shown, accepted: Accepted) -> str:
    return effect_words(found.effective, found.effective_local, accepted.first_at, accepted.last_at)


def _pending(found: Shown, operation: Operation | None, now: datetime) -> str:
    """What of an accepted switch is still to come, in the words of every face."""
    accepted = found.accepted
    pending: list[Pending] = []
    if accepted is None or found.withdrawn_at is not None:
        return pending_words(pending)
    if now < accepted.last_at:
        target = f"version {accepted.version_number}" if accepted.version_number else "the other protocol"
        at = accepted.first_at if found.effective in (Effective.NOW, Effective.INSTANT) else None
        pending.append(Scheduled(target, accepted.accepted_by, at=at, zone="UTC", local=found.effective_local))
    works = None if operation is None else pending_of(operation)
    if works is not None and now >= accepted.first_at:
        pending.append(works)
    return pending_words(pending)


def _words(found: Shown) -> str:
    lines = [f"Switch {found.switch_id}: {found.kind}, for {found.scope}, {found.effective}: {found.reason}"]
    lines.append(f"  Previewed by {found.previewed_by} at {found.previewed_at:%Y-%m-%d %H:%M:%S} UTC.")
    if found.needs_approval:
        lines.append(f"  Approved by {', '.join(found.approved_by) or 'nobody yet'}.")
    if found.accepted is not None:
        accepted = found.accepted
        lines.append(
            f"  Accepted by {accepted.accepted_by} at {accepted.accepted_at:%Y-%m-%d %H:%M:%S} UTC,"
            f" in force {_effect(found, accepted)}; operation {accepted.operation_id}."
        )
    if found.withdrawn_at is not None:
        lines.append(f"  Withdrawn by {found.withdrawn_by} at {found.withdrawn_at:%Y-%m-%d %H:%M:%S} UTC.")
    return "\n".join(lines)
