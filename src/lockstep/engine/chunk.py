"""Brings held heads and their rows in step, by cohort where members share everything, else each from its own facts."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from lockstep.domain.agenda import Head, Row
from lockstep.domain.cohort import NEVER
from lockstep.domain.occurrence import Occurrence, OccurrenceState
from lockstep.domain.timeline import World
from lockstep.engine.agenda import bring_in_step
from lockstep.engine.cohort import (
    Kind,
    KindTargets,
    Targets,
    code_of,
    has_moves,
    kind_of,
    relevant_selections,
    settled_since,
)
from lockstep.store import agenda as agenda_store
from lockstep.store import recalculation as store
from lockstep.store import timeline as facts_store
from lockstep.store.database import Connection
from lockstep.store.recalculation import StandingRows, Step

_OUTAGES_REACH = timedelta(days=45)
_KINDS_LIMIT = 8
"""Heads of rarer kinds are computed one by one: a statement for each kind would cost more."""

Cohorts = dict[int, tuple[str, date]]


class Memory:
    """What a worker keeps between chunks of one organisation; nothing in it is needed for correctness."""

    def __init__(self) -> None:
        self.targets: Targets | None = None
        self.cohorts: Cohorts = {}


def step_heads(
    connection: Connection,
    *,
    organisation_id: int,
    heads: Sequence[Head],
    world: World,
    now: datetime,
    memory: Memory,
) -> int:
    """The held heads and their rows are in step with what is in force at `now`; returns how many were computed singly.

    Heads of the same kind are computed by cohort and written by one statement; the others each from its own facts.
    Locks: the rows of the heads, which the caller holds.
    """
    if not heads:
        return 0
    targets = _targets(connection, organisation_id, world, now, memory)
    _learn_cohorts(connection, organisation_id, heads, memory)
    selections = _selections(connection, organisation_id, heads, world)
    kinds, singly = _sorted_by_kind(heads, targets, selections, memory.cohorts)
    for kind, members in kinds.items():
        _step_kind(connection, organisation_id, targets.of(kind), members, now, memory.cohorts)
    if singly:
        bring_in_step(connection, organisation_id=organisation_id, enrolment_ids=singly, now=now)
    return len(singly)


def _sorted_by_kind(
    heads: Sequence[Head], targets: Targets, selections: dict[int, frozenset[int]], cohorts: Cohorts
) -> tuple[dict[Kind, list[Head]], list[int]]:
    """The heads by kind, and those to be computed singly: individual ones and those of rare kinds."""
    world = targets.world
    begins, moves = settled_since(world, min(head.computed_at for head in heads)), has_moves(world)
    none: frozenset[int] = frozenset()
    kinds: dict[Kind, list[Head]] = defaultdict(list)
    singly: list[int] = []
    for head in heads:
        held = selections.get(head.enrolment_id, none) if selections else none
        kind = kind_of(head, cohorts[head.cohort_id], world, begins=begins, moves=moves, selections=held)
        kinds[kind].append(head)
    for kind, members in sorted(kinds.items(), key=lambda item: -len(item[1])):
        of = targets.of(kind)
        alone = [
            head
            for head in members
            if head.individual_until > NEVER and head.individual_until > of.course(cohorts[head.cohort_id]).changed_at
        ]
        singly.extend(head.enrolment_id for head in alone)
        if alone:
            apart = {head.enrolment_id for head in alone}
            kinds[kind] = [head for head in members if head.enrolment_id not in apart]
    rare = sorted(kinds, key=lambda kind: -len(kinds[kind]))[_KINDS_LIMIT:]
    for kind in rare:
        singly.extend(head.enrolment_id for head in kinds.pop(kind))
    return {kind: members for kind, members in kinds.items() if members}, singly


def with_origins(connection: Connection, organisation_id: int, world: World, heads: Sequence[Head]) -> World:
    """The world with the protocols to which moved enrolments were assigned at first."""
    missing = {head.assigned_protocol_id for head in heads} - world.keys()
    if not missing:
        return world
    return {
        **world,
        **facts_store.load_world(connection, organisation_id=organisation_id, protocol_ids=missing),
    }


def _targets(connection: Connection, organisation_id: int, world: World, now: datetime, memory: Memory) -> Targets:
    since_at = now.replace(minute=0, second=0, microsecond=0) - _OUTAGES_REACH
    outages = facts_store.load_outages(connection, organisation_id=organisation_id, since_at=since_at)
    if memory.targets is None or not memory.targets.still_hold(world, outages, now):
        memory.targets = Targets(world, outages, now)
    return memory.targets


def _learn_cohorts(connection: Connection, organisation_id: int, heads: Sequence[Head], memory: Memory) -> None:
    unknown = {head.cohort_id for head in heads} - memory.cohorts.keys()
    if unknown:
        memory.cohorts.update(
            agenda_store.list_cohorts(connection, organisation_id=organisation_id, cohort_ids=sorted(unknown))
        )


def _selections(
    connection: Connection, organisation_id: int, heads: Sequence[Head], world: World
) -> dict[int, frozenset[int]]:
    """The relevant selections that hold each enrolment; asked for only where a timeline names any."""
    relevant = relevant_selections(world)
    if not relevant:
        return {}
    return store.list_memberships(
        connection,
        organisation_id=organisation_id,
        enrolment_ids=[head.enrolment_id for head in heads],
        selection_ids=sorted(relevant),
    )


def _step_kind(
    connection: Connection,
    organisation_id: int,
    targets: KindTargets,
    members: Sequence[Head],
    now: datetime,
    cohorts: Cohorts,
) -> None:
    ids = store.Ids([head.enrolment_id for head in members])
    standings = store.list_standings(connection, organisation_id=organisation_id, ids=ids)
    steps = [step for rows in standings for step in _steps(rows, targets, cohorts)]
    store.advance_rows(connection, organisation_id=organisation_id, ids=ids, steps=steps)
    sizes = Counter(head.cohort_id for head in members)
    fresh = _add_missing(connection, organisation_id, sizes, ids, standings, targets, cohorts)
    asked = _asked_in_mid_window([*((step.occurrence, step.cohort_ids[0]) for step in steps), *fresh], targets, cohorts)
    _count_earlier(connection, organisation_id, ids, asked, targets, now, cohorts)
    _advance_heads(connection, organisation_id, members, targets, now, cohorts)


def _steps(rows: StandingRows, targets: KindTargets, cohorts: Cohorts) -> list[Step]:
    """Where rows that stand there must go, by cohort; those that stand right already are left out."""
    target_of = targets.targets(rows.standing.activity_key, rows.standing)
    by_target: dict[Occurrence | None, list[int]] = defaultdict(list)
    for cohort_id in set(rows.cohort_ids):
        by_target[target_of(cohorts[cohort_id])].append(cohort_id)
    return [
        Step(rows, occurrence, cohort_ids)
        for occurrence, cohort_ids in by_target.items()
        if occurrence is None or not _stands_at(rows, occurrence)
    ]


def _stands_at(rows: StandingRows, occurrence: Occurrence) -> bool:
    """Whether the rows hold this window already; then they are not written, whatever version asks for the same window now."""
    standing = rows.standing
    return (standing.on, standing.slot) == occurrence.key and (
        standing.opens_at,
        rows.closes_at,
        standing.judge_at,
    ) == (occurrence.opens_at, occurrence.closes_at, occurrence.judge_at)


def _add_missing(
    connection: Connection,
    organisation_id: int,
    sizes: Counter[int],
    ids: store.Ids,
    standings: Sequence[StandingRows],
    targets: KindTargets,
    cohorts: Cohorts,
) -> list[tuple[Occurrence, int]]:
    """Activities for which members have no row yet get one where something is to be asked; returns those, with a cohort.

    A cohort of which every member has a row needs no look: the counts of its standings tell.
    """
    having: dict[str, Counter[int]] = defaultdict(Counter)
    for rows in standings:
        having[rows.standing.activity_key].update(rows.cohort_ids)
    wanted: dict[tuple[int, str], Occurrence] = {}
    for cohort_id, size in sizes.items():
        for key in targets.keys(cohorts[cohort_id]):
            if having[key][cohort_id] < size:
                occurrence = targets.targets(key, None)(cohorts[cohort_id])
                if occurrence is not None:
                    wanted[cohort_id, key] = occurrence
    missing = store.list_without_row(connection, organisation_id=organisation_id, ids=ids, keys=list(wanted))
    added = [
        row_of(enrolment_id, cohort_id, wanted[cohort_id, activity_key])
        for enrolment_id, cohort_id, activity_key in missing
    ]
    agenda_store.save_rows(connection, organisation_id=organisation_id, rows=added)
    return [(occurrence, cohort_id) for (cohort_id, _), occurrence in wanted.items()]


def row_of(enrolment_id: int, cohort_id: int, occurrence: Occurrence, *, missed_in_a_row: int = 0) -> Row:
    """A fresh row that holds the occurrence, nothing taken yet."""
    return Row(
        enrolment_id=enrolment_id,
        activity_key=occurrence.activity_key,
        cohort_id=cohort_id,
        protocol_id=occurrence.protocol_id,
        version_number=occurrence.version_number,
        on=occurrence.on,
        slot=occurrence.slot,
        opens_at=occurrence.opens_at,
        closes_at=occurrence.closes_at,
        judge_at=occurrence.judge_at,
        taken=0,
        missed_in_a_row=missed_in_a_row,
    )


def _asked_in_mid_window(
    candidates: Iterable[tuple[Occurrence | None, int]], targets: KindTargets, cohorts: Cohorts
) -> dict[Occurrence, str]:
    """The occurrences that were asked in the middle of their window, with the code of what they measure."""
    return {
        occurrence: code_of(targets.course(cohorts[cohort_id]), occurrence)
        for occurrence, cohort_id in candidates
        if occurrence is not None and occurrence.nominal_at < occurrence.opens_at
    }


def _count_earlier(
    connection: Connection,
    organisation_id: int,
    ids: store.Ids,
    asked: dict[Occurrence, str],
    targets: KindTargets,
    now: datetime,
    cohorts: Cohorts,
) -> None:
    """Measurements taken inside the nominal window before it was asked count for it (rule 4) and may fulfil it."""
    found = store.list_taken_before(connection, organisation_id=organisation_id, ids=ids, asked=list(asked.items()))
    if not found:
        return
    occurrences = {(each.activity_key, each.key, each.opens_at): each for each in asked}
    rows = agenda_store.list_rows(
        connection,
        organisation_id=organisation_id,
        enrolment_ids=[enrolment_id for enrolment_id, _, _ in found],
    )
    by_key = {(row.enrolment_id, row.activity_key): row for of in rows.values() for row in of}
    changed: list[Row] = []
    gone: list[tuple[int, str]] = []
    decisions: list[agenda_store.Decision] = []
    for enrolment_id, activity_key, taken in found:
        row = by_key[enrolment_id, activity_key]
        occurrence = occurrences[activity_key, row.key, row.opens_at]
        if len(taken) < occurrence.quantity:
            changed.append(replace(row, taken=len(taken)))
            continue
        last = taken[occurrence.quantity - 1]
        decisions.append(agenda_store.Decision(enrolment_id, occurrence, OccurrenceState.FULFILLED, last))
        # Nothing else of the new course is decided yet, so what follows is the same for all who fulfilled it.
        following = targets.targets(activity_key, None, frozenset({row.key}))(cohorts[row.cohort_id])
        if following is None:
            gone.append((enrolment_id, activity_key))
        else:
            changed.append(row_of(enrolment_id, row.cohort_id, following))
    agenda_store.save_decisions(connection, organisation_id=organisation_id, decisions=decisions, decided_at=now)
    agenda_store.save_rows(connection, organisation_id=organisation_id, rows=changed)
    agenda_store.delete_rows(connection, organisation_id=organisation_id, keys=gone)


def _advance_heads(
    connection: Connection,
    organisation_id: int,
    members: Sequence[Head],
    targets: KindTargets,
    now: datetime,
    cohorts: Cohorts,
) -> None:
    groups: dict[tuple[int, int, int, datetime | None], list[int]] = defaultdict(list)
    for head in members:
        groups[targets.head_values(cohorts[head.cohort_id])].append(head.enrolment_id)
    store.advance_heads(
        connection,
        organisation_id=organisation_id,
        groups=[(ids, *key) for key, ids in groups.items()],
        computed_at=now,
    )
