"""Shows what a switch would do, exactly and for everybody concerned, and freezes for whom it is."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from lockstep.domain.acceptance import Redirect, span_of, timing_hash
from lockstep.domain.conflict import Conflicts
from lockstep.domain.content import Content
from lockstep.domain.effect import Effect
from lockstep.domain.name import require_actor
from lockstep.domain.preview import Caution, Conflict, Figures, Preview, Rank, SwitchSettings
from lockstep.domain.preview_figures import cautions_of, figures_of, loosens_limits
from lockstep.domain.protocol_document import content_hash, to_document
from lockstep.domain.refusal import InvalidSwitch, MissingReason, NothingInForce, NothingToSwitch, UnknownProtocol
from lockstep.domain.selection import Filter, Selection
from lockstep.domain.switch import AcceptedSwitch, Effective, Scope, SwitchKind
from lockstep.domain.timeline import ProtocolFacts, Segment
from lockstep.engine.acceptance import require_no_loop
from lockstep.engine.forecast import Ground, effects_of, list_strays, load_ground
from lockstep.engine.selection import freeze_selection
from lockstep.store import preview as preview_store
from lockstep.store import switch as store
from lockstep.store.clock import now
from lockstep.store.database import Connection, Database, run_again

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
    close_alerts_of_removed: bool | None


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
    close_alerts_of_removed: bool | None = None,
    settings: SwitchSettings = DEFAULTS,
) -> Preview:
    """The switch stands as a preview with its figures and warnings, from one snapshot; nothing else has changed.

    A publication has `content`, a move `target_protocol_id`. With scope *selection* the enrolments named, or those that
    `chosen` describes, are frozen. `effective_local` (naive) belongs to *civil*, `effective_at` to *instant*.
    `close_alerts_of_removed` overrides what the version switched to says about them (rule 6).
    Raises InvalidSwitch, InvalidName, MissingReason, UnknownProtocol, UnknownEnrolment, NothingToSwitch,
    NothingInForce (a move to a protocol without a version), InThePast, SwitchLoop. Locks: new rows only.
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
    require_actor(actor)

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
    control, target_control = _controls(connection, organisation_id, asked)
    first_at, last_at = span_of(asked.effective, asked.effective_local, asked.effective_at, accepted_at=at)
    ground = load_ground(
        connection,
        organisation_id=organisation_id,
        protocol_id=asked.protocol_id,
        target_protocol_id=asked.target_protocol_id,
        at=at,
    )
    selection = _freeze(connection, organisation_id, asked, actor, ground)
    _require_some_effect(connection, organisation_id, asked, selection, last_at, at)
    switch = AcceptedSwitch(
        protocol_id=asked.protocol_id,
        number=control[0] + 1,
        kind=asked.kind,
        version_number=control[1] + 1 if asked.content is not None else None,
        target_protocol_id=asked.target_protocol_id,
        scope=asked.scope,
        selection_id=selection.selection_id if selection else None,
        effective=asked.effective,
        effective_local=asked.effective_local,
        effective_at=asked.effective_at,
        accepted_at=at,
        generation=None,
        first_at=first_at,
    )
    conflicts = Conflicts(asked.content)
    effects = list(effects_of(connection, ground, switch, asked.content, conflicts))
    before, after = _contents(effects, ground, asked)
    _require_somebody_watched(asked, effects)
    closes_alerts = _closes_alerts(asked, after)
    figures, cautions = _count(
        connection, ground, selection, effects, conflicts.all(), (before, after), target_control, closes_alerts
    )
    needs_approval = figures.patients > settings.approve_above_patients or (
        settings.approve_loosening and loosens_limits(effects)
    )
    refused = [caution.patients or 0 for caution in cautions if caution.rank is Rank.REFUSED]
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
        conflicts=sum(refused),
        scope=asked.scope.value,
        selection_id=switch.selection_id,
        effective=asked.effective.value,
        effective_local=asked.effective_local,
        effective_at=asked.effective_at,
        close_alerts_of_removed=closes_alerts,
        reason=asked.reason,
        seen_switch_number=control[0],
        figures={**figures.to_document(), "cautions": [asdict(caution) for caution in cautions]},
        needs_approval=needs_approval,
        previewed_by=actor,
        previewed_at=at,
        expires_at=expires_at,
    )
    return Preview(
        switch_id=switch_id,
        kind=asked.kind,
        protocol_id=asked.protocol_id,
        target_protocol_id=asked.target_protocol_id,
        scope=asked.scope,
        selection=selection,
        effective=asked.effective,
        seen_switch_number=control[0],
        close_alerts_of_removed=closes_alerts,
        figures=figures,
        cautions=cautions,
        needs_approval=needs_approval,
        previewed_by=actor,
        previewed_at=at,
        expires_at=expires_at,
    )


def _controls(connection: Connection, organisation_id: int, asked: Asked) -> tuple[tuple[int, int], int | None]:
    control = store.get_control(connection, organisation_id=organisation_id, protocol_id=asked.protocol_id)
    if control is None:
        raise UnknownProtocol(f"There is no protocol {asked.protocol_id}", where="protocol_id")
    if asked.target_protocol_id is None:
        return control[:2], None
    target = store.get_control(connection, organisation_id=organisation_id, protocol_id=asked.target_protocol_id)
    if target is None:
        raise UnknownProtocol(f"There is no protocol {asked.target_protocol_id}", where="target_protocol_id")
    if target[3] != control[3]:
        raise InvalidSwitch("The protocols belong to different programs", where="target_protocol_id")
    return control[:2], target[0]


def _freeze(connection: Connection, organisation_id: int, asked: Asked, actor: str, ground: Ground) -> Selection | None:
    if asked.scope is Scope.EVERYONE:
        return None
    joined_ids, left_ids = list_strays(connection, ground)
    return freeze_selection(
        connection,
        organisation_id=organisation_id,
        protocol_id=asked.protocol_id,
        enrolment_ids=asked.enrolment_ids,
        chosen=asked.chosen,
        actor=actor,
        joined_ids=joined_ids,
        left_ids=left_ids,
    )


def _require_some_effect(
    connection: Connection,
    organisation_id: int,
    asked: Asked,
    selection: Selection | None,
    last_at: datetime,
    at: datetime,
) -> None:
    """Not what the last publication said already, to the same patients and no earlier; no way round in a circle."""
    if asked.target_protocol_id is not None:
        require_no_loop(
            connection,
            organisation_id,
            Redirect(asked.protocol_id, asked.target_protocol_id, selection.selection_id if selection else None),
            store.list_redirects_to_come(connection, organisation_id=organisation_id),
        )
        return
    assert asked.content is not None
    publications = store.list_publications(connection, organisation_id=organisation_id, protocol_id=asked.protocol_id)
    last = publications[-1] if publications else None
    if last is None or last.content_hash != content_hash(asked.content) or last.last_at > max(last_at, at):
        return
    if last.selection_id is not None and (
        selection is None
        or preview_store.count_not_in(
            connection,
            organisation_id=organisation_id,
            selection_id=selection.selection_id,
            other_selection_id=last.selection_id,
        )
    ):
        return
    raise NothingToSwitch(f"Version {last.version_number} says exactly this already", where="content")


def _require_somebody_watched(asked: Asked, effects: Sequence[Effect]) -> None:
    if asked.kind is not SwitchKind.MOVE:
        return
    if not effects and asked.effective is Effective.NOW:
        raise NothingToSwitch("Nobody is on this protocol")
    unwatched = sum(effect.members for effect in effects if effect.after.content is None)
    if unwatched:
        raise NothingInForce(
            f"{unwatched:,} patients would have nothing in force on the other protocol",
            where="target_protocol_id",
            mend="Publish a version there first.",
        )


def _contents(effects: Sequence[Effect], ground: Ground, asked: Asked) -> tuple[Content | None, Content | None]:
    """The contents that most of those concerned have before and after; with nobody concerned, the last published."""
    before = _most(effects, lambda effect: effect.before)
    own = ground.world[asked.protocol_id]
    if before is None:
        before = _last_version(own)
    after = asked.content
    if asked.target_protocol_id is not None:
        target = ground.world[asked.target_protocol_id]
        number = _most(effects, lambda effect: effect.after)
        after = target.versions.get(number if number is not None else _last_version(target) or 0)
    return own.versions.get(before or 0), after


def _closes_alerts(asked: Asked, after: Content | None) -> bool:
    """Whether open alerts of removed activities are closed: as the switch says, else the version switched to."""
    if asked.close_alerts_of_removed is not None:
        return asked.close_alerts_of_removed
    return after is not None and not after.on_switch.keep_alerts_of_removed


def _most(effects: Sequence[Effect], of: Callable[[Effect], Segment]) -> int | None:
    counts: Counter[int | None] = Counter()
    for effect in effects:
        counts[of(effect).version_number] += effect.members
    return max(counts, key=lambda number: counts[number], default=None)


def _last_version(protocol: ProtocolFacts) -> int | None:
    numbers = [switch.version_number for switch in protocol.switches if switch.version_number is not None]
    return numbers[-1] if numbers else None


def _count(
    connection: Connection,
    ground: Ground,
    selection: Selection | None,
    effects: Sequence[Effect],
    conflicts: tuple[Conflict, ...],
    contents: tuple[Content | None, Content | None],
    seen_target_number: int | None,
    closes_alerts: bool,
) -> tuple[Figures, tuple[Caution, ...]]:
    before, after = contents
    question = ground.question(recent_at=ground.at, selection_id=selection.selection_id if selection else None)
    figures = figures_of(
        effects,
        before,
        after,
        skipped=selection.skipped if selection else (),
        conflicts=conflicts,
        seen_target_number=seen_target_number,
    )
    removed = [activity.key for activity in figures.activities if activity.change == "removed"]
    open_alerts = preview_store.count_open_alerts(connection, question, activity_keys=removed) if removed else {}
    cautions = cautions_of(
        effects,
        figures,
        after,
        open_alerts=open_alerts,
        closes_alerts=closes_alerts,
    )
    return figures, cautions
