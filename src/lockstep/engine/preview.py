"""Shows what a switch would do, exactly and for everybody concerned, and freezes for whom it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lockstep.domain.acceptance import span_of, timing_hash
from lockstep.domain.content import Content
from lockstep.domain.preview import Figures, Preview, SwitchSettings, Warning_, ranked
from lockstep.domain.protocol_document import content_hash, to_document
from lockstep.domain.refusal import InvalidSwitch, MissingReason, NothingInForce, NothingToSwitch, UnknownProtocol
from lockstep.domain.selection import Filter, Selection
from lockstep.domain.switch import AcceptedSwitch, Effective, Scope, SwitchKind
from lockstep.domain.timeline import World
from lockstep.engine.selection import freeze_selection
from lockstep.store import preview as preview_store
from lockstep.store import switch as store
from lockstep.store.clock import now
from lockstep.store.database import Connection, Database, run_again
from lockstep.store.timeline import load_world

_LONGEST_REASON = 1000
DEFAULTS = SwitchSettings()


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to switch, before anything was counted."""

    kind: SwitchKind
    protocol_id: int
    content: Content | None
    target_protocol_id: int | None
    scope: Scope
    enrolment_ids: tuple[int, ...] | None
    chosen: Filter | None
    effective: Effective
    effective_local: datetime | None
    effective_at: datetime | None
    reason: str
    close_alerts_of_removed: bool


def preview_switch(
    database: Database,
    *,
    organisation_id: int,
    kind: SwitchKind | str,
    protocol_id: int,
    reason: str,
    actor: str,
    content: Content | None = None,
    target_protocol_id: int | None = None,
    scope: Scope | str = Scope.EVERYONE,
    enrolment_ids: Sequence[int] | None = None,
    chosen: Filter | None = None,
    effective: Effective | str = Effective.NOW,
    effective_local: datetime | None = None,
    effective_at: datetime | None = None,
    close_alerts_of_removed: bool = False,
    settings: SwitchSettings = DEFAULTS,
) -> Preview:
    """The switch stands as a preview with its figures and warnings, from one snapshot; nothing else has changed.

    A publication has `content`, a move `target_protocol_id`. With scope *selection* the enrolments named, or those that
    `chosen` describes, are frozen. `effective_local` (naive) belongs to *civil*, `effective_at` to *instant*.
    Raises InvalidSwitch, MissingReason, UnknownProtocol, UnknownEnrolment, NothingToSwitch, NothingInForce (a move to a
    protocol without a version), InThePast, SwitchLoop. Locks: new rows only.
    """
    asked = Asked(
        SwitchKind(kind),
        protocol_id,
        content,
        target_protocol_id,
        Scope(scope),
        None if enrolment_ids is None else tuple(sorted(set(enrolment_ids))),
        chosen,
        Effective(effective),
        effective_local,
        effective_at,
        reason.strip(),
        close_alerts_of_removed,
    )
    _require_complete(asked)

    def attempt() -> Preview:
        with database.transaction(organisation_id, isolation="repeatable read") as connection:
            return _preview(connection, organisation_id, asked, actor, settings)

    return run_again(attempt, attempts=10)

def _require_complete(asked: Asked) -> None:
    wanted = {
        "content": (asked.kind is SwitchKind.PUBLISH, asked.content is not None),
        "target_protocol_id": (asked.kind is SwitchKind.MOVE, asked.target_protocol_id is not None),
        "effective_local": (asked.effective is Effective.CIVIL, asked.effective_local is not None),
        "effective_at": (asked.effective is Effective.INSTANT, asked.effective_at is not None),
        "enrolment_ids": (
            asked.scope is Scope.SELECTION,
            asked.enrolment_ids is not None or asked.chosen is not None,
        ),
    }
    for name, (needed, given) in wanted.items():
        if needed and not given:
            raise InvalidSwitch(f"This switch needs {name}", where=name)
        if given and not needed:
            raise InvalidSwitch(f"This switch has no use for {name}", where=name)
    if asked.effective_local is not None and asked.effective_local.tzinfo is not None:
        raise InvalidSwitch("A civil date-time has no offset: each patient's zone decides", where="effective_local")
    if asked.effective_at is not None and asked.effective_at.tzinfo is None:
        raise InvalidSwitch("An instant needs an offset", where="effective_at")
    if asked.target_protocol_id == asked.protocol_id:
        raise NothingToSwitch("The enrolments are on this protocol already", where="target_protocol_id")
    if not 0 < len(asked.reason) <= _LONGEST_REASON:
        raise MissingReason(where="reason")


def _preview(
    connection: Connection, organisation_id: int, asked: Asked, actor: str, settings: SwitchSettings
) -> Preview:
    at = now(connection)
    control = store.get_control(connection, organisation_id=organisation_id, protocol_id=asked.protocol_id)
    if control is None:
        raise UnknownProtocol(where="protocol_id")
    span_of(asked.effective, asked.effective_local, asked.effective_at, accepted_at=at)
    selection = None
    if asked.scope is Scope.SELECTION:
        selection = freeze_selection(
            connection,
            organisation_id=organisation_id,
            protocol_id=asked.protocol_id,
            enrolment_ids=asked.enrolment_ids,
            chosen=asked.chosen,
            actor=actor,
        )
    patients = selection.member_count if selection else preview_store.count_on_protocol(
        connection, organisation_id=organisation_id, protocol_id=asked.protocol_id)
    figures, warnings, conflicts = Figures(patients), [], 0
    needs_approval = figures.patients > settings.approve_above_patients
    content = asked.content
    expires_at = at + settings.expires_after
    switch_id = store.insert_switch(
        connection,
        organisation_id=organisation_id,
        kind=asked.kind.value,
        protocol_id=asked.protocol_id,
        target_protocol_id=asked.target_protocol_id,
        content=None if content is None else to_document(content),
        content_hash=None if content is None else content_hash(content),
        timing_hash=None if content is None else timing_hash(content),
        conflicts=conflicts,
        scope=asked.scope.value,
        selection_id=selection.selection_id if selection else None,
        effective=asked.effective.value,
        effective_local=asked.effective_local,
        effective_at=asked.effective_at,
        close_alerts_of_removed=asked.close_alerts_of_removed,
        reason=asked.reason,
        seen_switch_number=control[0],
        figures=figures.to_document(),
        needs_approval=needs_approval,
        previewed_by=actor,
        previewed_at=at,
        expires_at=expires_at,
    )
    return Preview(
        switch_id, asked.kind, asked.protocol_id, asked.target_protocol_id, asked.scope, selection, asked.effective,
        control[0], figures, ranked(warnings), needs_approval, actor, at, expires_at)
