"""Switches: previewed, approved, accepted, withdrawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from lockstep.domain.acceptance import Accepted, Publication, Redirect
from lockstep.domain.switch import Effective, Scope, SwitchKind
from lockstep.store.job import wake
from lockstep.store.queries import load

_SQL = load("switch.sql")


@dataclass(frozen=True, slots=True)
class Switch:
    """A switch as previewed, without content and figures; `patients` is how many the preview counted."""

    switch_id: int
    kind: SwitchKind
    protocol_id: int
    title: str
    target_protocol_id: int | None
    target_title: str | None
    content_hash: str | None
    timing_hash: str | None
    conflicts: int
    scope: Scope
    selection_id: int | None
    effective: Effective
    effective_local: datetime | None
    effective_at: datetime | None
    close_alerts_of_removed: bool
    reason: str
    seen_switch_number: int
    needs_approval: bool
    previewed_by: str
    previewed_at: datetime
    expires_at: datetime
    patients: int
    seen_target_number: int | None
    target_switch_number: int | None
    approved_by: Sequence[str]


@dataclass(frozen=True, slots=True)
class Repeated:
    """An acceptance that stands already, with what it was asked by."""

    accepted: Accepted
    client_key: str
    request_hash: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What acceptance decides by, read while the protocol's control row is held; `at` is E, taken after the lock."""

    at: datetime
    last_switch_number: int
    last_version_number: int
    switch: Switch
    accepted: Sequence[Repeated]
    publications: Sequence[Publication]


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of the list of switches; the fields of acceptance are None until then."""

    switch_id: int
    kind: SwitchKind
    protocol_id: int
    target_protocol_id: int | None
    scope: Scope
    selection_id: int | None
    effective: Effective
    reason: str
    previewed_by: str
    previewed_at: datetime
    expires_at: datetime
    number: int | None
    version_number: int | None
    accepted_by: str | None
    accepted_at: datetime | None
    first_at: datetime | None
    last_at: datetime | None
    operation_id: int | None
    withdrawn_at: datetime | None


@dataclass(frozen=True, slots=True)
class Since:
    """A switch that was accepted after a preview was made."""

    number: int
    kind: str
    version_number: int | None
    target_protocol_id: int | None
    scope: str
    accepted_by: str
    accepted_at: datetime
    withdrawn: bool


def insert_switch(
    connection: Connection[Any], *, organisation_id: int, figures: object, content: object, **columns: Any
) -> int:
    """The switch is kept as previewed; returns its number. Locks: the new row."""
    values = {
        "organisation_id": organisation_id,
        "figures": Jsonb(figures),
        "content": None if content is None else Jsonb(content),
        **columns,
    }
    row = connection.execute(_SQL["insert_switch"], values).fetchone()
    assert row is not None
    return int(row[0])


def queue_for_move(connection: Connection[Any], *, organisation_id: int, switch_id: int) -> Redirect | None:
    """No other move is being accepted until the transaction ends; the move, or None if it is none or accepted.

    Locks: for a move the organisation's advisory one.
    """
    row = connection.execute(
        _SQL["queue_for_moves"], {"organisation_id": organisation_id, "switch_id": switch_id}
    ).fetchone()
    return None if row is None else Redirect(*row[:3])


def claim_acceptance(
    connection: Connection[Any], *, organisation_id: int, switch_id: int, client_key: str
) -> Claim | None:
    """All that acceptance decides by, in one round trip; None when there is no such switch.

    Locks: the protocol's control row, for update.
    """
    values = {
        "organisation_id": organisation_id,
        "switch_id": switch_id,
        "protocol_id": None,
        "client_key": client_key,
    }
    with connection.pipeline():
        control = connection.execute(_SQL["lock_control"], values)
        # A statement of its own after the lock: E is not before the decision that held the row until now.
        clock = connection.execute("select lockstep_now()")
        switch = connection.execute(_SQL["get_switch"], values)
        accepted = connection.execute(_SQL["list_acceptances_of"], values)
        publications = connection.execute(_SQL["list_publications"], values)
    held, now, found = control.fetchone(), clock.fetchone(), switch.fetchone()
    if held is None or now is None or found is None:
        return None
    return Claim(
        at=now[0],
        last_switch_number=held[1],
        last_version_number=held[2],
        switch=_switch(found),
        accepted=[Repeated(Accepted(*row[:11]), row[11], row[12]) for row in accepted],
        publications=[_publication(row) for row in publications],
    )


def save_acceptance(
    connection: Connection[Any], *, organisation_id: int, detail: object, **values: Any
) -> tuple[int | None, int]:
    """The switch is accepted and a worker told; returns generation (None: not drawn) and operation. Locks: new rows."""
    with connection.pipeline():
        found = connection.execute(
            _SQL["accept_switch"], {"organisation_id": organisation_id, "detail": Jsonb(detail), **values}
        )
        wake(connection, organisation_id)
    row = found.fetchone()
    assert row is not None, "the control row is held, so the number is the next one"
    return row[0], row[1]


def get_control(
    connection: Connection[Any], *, organisation_id: int, protocol_id: int
) -> tuple[int, int, str, int] | None:
    """The protocol's last switch number, last version number, title and program; None if unknown. Locks: none."""
    return connection.execute(
        _SQL["get_control"], {"organisation_id": organisation_id, "protocol_id": protocol_id}
    ).fetchone()


def lock_control(connection: Connection[Any], *, organisation_id: int, switch_id: int) -> bool:
    """The control row of the switch's protocol is held; whether there is one. Locks: that row, for update."""
    values = {"organisation_id": organisation_id, "switch_id": switch_id}
    return connection.execute(_SQL["lock_control"], values).fetchone() is not None


def find_switch(connection: Connection[Any], *, organisation_id: int, switch_id: int) -> Switch | None:
    """The switch as previewed. Locks: none."""
    row = connection.execute(
        _SQL["get_switch"], {"organisation_id": organisation_id, "switch_id": switch_id}
    ).fetchone()
    return None if row is None else _switch(row)


def get_figures(connection: Connection[Any], *, organisation_id: int, switch_id: int) -> tuple[Any, Any]:
    """Figures and content of a switch that exists, as plain JSON values. Locks: none."""
    row = connection.execute(
        _SQL["get_figures"], {"organisation_id": organisation_id, "switch_id": switch_id}
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def find_acceptance(connection: Connection[Any], *, organisation_id: int, switch_id: int) -> Accepted | None:
    """The acceptance of the switch. Locks: none."""
    row = connection.execute(
        _SQL["list_acceptances_of"],
        {"organisation_id": organisation_id, "switch_id": switch_id, "client_key": None},
    ).fetchone()
    return None if row is None else Accepted(*row[:11])


def list_publications(connection: Connection[Any], *, organisation_id: int, protocol_id: int) -> list[Publication]:
    """The publications not withdrawn, from the last one in force for everyone on, by number. Locks: none."""
    values = {"organisation_id": organisation_id, "protocol_id": protocol_id, "switch_id": None}
    return [_publication(row) for row in connection.execute(_SQL["list_publications"], values)]


def list_redirects_to_come(connection: Connection[Any], *, organisation_id: int) -> list[Redirect]:
    """The organisation's moves that are still to come for somebody. Locks: none."""
    found = connection.execute(_SQL["list_redirects_to_come"], {"organisation_id": organisation_id, "switch_id": None})
    return [Redirect(*row) for row in found]


def list_decided_since(
    connection: Connection[Any], *, organisation_id: int, protocol_id: int, number: int
) -> list[Since]:
    """What was accepted on the protocol after the number, in order. Locks: none."""
    values = {"organisation_id": organisation_id, "protocol_id": protocol_id, "number": number}
    return [Since(*row) for row in connection.execute(_SQL["list_decided_since"], values)]


def save_approval(connection: Connection[Any], *, organisation_id: int, switch_id: int, actor: str) -> None:
    """The person has approved the switch. Locks: the new row."""
    connection.execute(
        _SQL["approve_switch"], {"organisation_id": organisation_id, "switch_id": switch_id, "actor": actor}
    )


def find_withdrawal(
    connection: Connection[Any], *, organisation_id: int, switch_id: int
) -> tuple[str, datetime, str] | None:
    """By whom, when and why the switch was withdrawn. Locks: none."""
    return connection.execute(
        _SQL["get_withdrawal"], {"organisation_id": organisation_id, "switch_id": switch_id}
    ).fetchone()


def save_withdrawal(
    connection: Connection[Any],
    *,
    organisation_id: int,
    switch_id: int,
    protocol_id: int,
    reason: str,
    actor: str,
    withdrawn_at: datetime,
) -> None:
    """The switch is withdrawn. Locks: the new row, under the held control row."""
    connection.execute(
        _SQL["withdraw_switch"],
        {
            "organisation_id": organisation_id,
            "switch_id": switch_id,
            "protocol_id": protocol_id,
            "reason": reason,
            "actor": actor,
            "withdrawn_at": withdrawn_at,
        },
    )


def list_switches(
    connection: Connection[Any],
    *,
    organisation_id: int,
    protocol_id: int | None,
    before_switch_id: int | None,
    limit: int,
) -> list[Listed]:
    """Switches, newest first. Locks: none."""
    values = {
        "organisation_id": organisation_id,
        "protocol_id": protocol_id,
        "before_switch_id": before_switch_id,
        "limit": limit,
    }
    found = connection.execute(_SQL["list_switches"], values)
    return [
        Listed(row[0], SwitchKind(row[1]), row[2], row[3], Scope(row[4]), row[5], Effective(row[6]), *row[7:])
        for row in found
    ]


def _switch(row: Sequence[Any]) -> Switch:
    typed = [*row]
    typed[1], typed[9], typed[11] = SwitchKind(row[1]), Scope(row[9]), Effective(row[11])
    return Switch(*typed)


def _publication(row: Sequence[Any]) -> Publication:
    return Publication(row[0], row[1], Scope(row[2]), *row[3:])
