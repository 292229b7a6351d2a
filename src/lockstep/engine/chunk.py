"""Brings held heads and their rows in step, by cohort where members share everything, else each from its own facts."""

from collections import Counter, defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from lockstep.domain.agenda import Head
from lockstep.domain.occurrence import Occurrence
from lockstep.domain.timeline import World
from lockstep.engine.agenda import bring_in_step, count_runs
from lockstep.engine.chunk_earlier import asked_in_mid_window, count_earlier, list_fulfilled_on_the_way, row_of
from lockstep.engine.cohort import (
    Kind,
    KindTargets,
    Targets,
    kind_of,
    settled_protocol,
    settled_since,
)
from lockstep.engine.selection import list_memberships, relevant_selections
from lockstep.store import agenda as agenda_store
from lockstep.store import recalculation as store
from lockstep.store import timeline as facts_store
from lockstep.store.database import Connection
from lockstep.store.recalculation import HeadGroup, StandingRows, Step

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

    Locks: the rows of the heads, which the caller holds.
    """
    if not heads:
        return 0
    begins = settled_since(world, min(_changed_at(head, world, now) for head in heads))
    return step_groups(
        connection,
        organisation_id=organisation_id,
        groups=_grouped(heads, begins),
        begins=begins,
        world=world,
        now=now,
        memory=memory,
    )


def step_groups(
    connection: Connection,
    *,
    organisation_id: int,
    groups: Sequence[HeadGroup],
    begins: datetime,
    world: World,
    now: datetime,
    memory: Memory,
) -> int:
    """The held heads of the groups and their rows are in step; returns how many enrolments were computed singly.

    Members of a group are computed by cohort and written by one statement; individual ones, and those of rare kinds,
    each from its own facts. Assignments older than `begins` count alike. Locks: the rows of the caller's heads.
    """
    if not groups:
        return 0
    apart = [group for group in groups if _is_apart(group, begins, world, now)]
    shared = [group for group in groups if group not in apart]
    targets = _targets(connection, organisation_id, world, now, memory)
    _learn_cohorts(connection, organisation_id, groups, memory)
    present = {cohort_id for group in shared for cohort_id in group.cohort_ids}
    cohorts = {each: targets.representative(memory.cohorts[each], begins) for each in present}
    singly = [each for group in apart for each in group.enrolment_ids]
    kinds = _by_kind(connection, organisation_id, shared, begins, world)
    for kind in sorted(kinds, key=lambda kind: -len(kinds[kind].enrolment_ids))[_KINDS_LIMIT:]:
        singly.extend(kinds.pop(kind).enrolment_ids)
    for kind, members in kinds.items():
        singly.extend(_step_kind(connection, organisation_id, targets.of(kind), members, now, cohorts))
    if singly:
        bring_in_step(connection, organisation_id=organisation_id, enrolment_ids=singly, now=now)
    return len(singly)


@dataclass(slots=True)
class _Members:
    enrolment_ids: list[int]
    cohort_ids: list[int]

    def without(self, gone: Set[int]) -> "_Members":
        kept = [pair for pair in zip(self.enrolment_ids, self.cohort_ids, strict=True) if pair[0] not in gone]
        return _Members([enrolment_id for enrolment_id, _ in kept], [cohort_id for _, cohort_id in kept])


def _changed_at(head: Head | HeadGroup, world: World, now: datetime) -> datetime:
    """Not after the instant from which the heads may be wrong, whatever their zone."""
    changes = [
        switch.first_at
        for switch in world[head.protocol_id].switches
        if switch.generation is not None and switch.generation > head.generation
    ]
    if head.next_change_at is not None:
        changes.append(head.next_change_at)
    return min([*changes, now])


def _grouped(heads: Sequence[Head], begins: datetime) -> list[HeadGroup]:
    groups: dict[tuple[object, ...], list[Head]] = defaultdict(list)
    for head in heads:
        assigned = (max(head.assigned_at, begins), head.assigned_protocol_id, head.individual_until > begins)
        groups[head.protocol_id, head.generation, head.next_change_at, *assigned].append(head)
    return [
        HeadGroup(
            protocol_id=members[0].protocol_id,
            generation=members[0].generation,
            next_change_at=members[0].next_change_at,
            assigned_at=max(members[0].assigned_at, begins),
            assigned_protocol_id=members[0].assigned_protocol_id,
            individual=members[0].individual_until > begins,
            enrolment_ids=[head.enrolment_id for head in members],
            cohort_ids=[head.cohort_id for head in members],
        )
        for members in groups.values()
    ]


def _is_apart(group: HeadGroup, begins: datetime, world: World, now: datetime) -> bool:
    """Whether members are computed singly: own facts, a change missed before `begins` allows for, old moves."""
    return (
        group.individual
        or settled_since(world, _changed_at(group, world, now)) < begins
        or settled_protocol(group, world, begins) is None
    )


def _by_kind(
    connection: Connection, organisation_id: int, groups: Sequence[HeadGroup], begins: datetime, world: World
) -> dict[Kind, _Members]:
    """The members of the groups by everything but their cohort that bears on their targets."""
    relevant = relevant_selections(world)
    selections = list_memberships(
        connection,
        organisation_id=organisation_id,
        world=world,
        enrolment_ids=[each for group in groups for each in group.enrolment_ids],
    )
    kinds: dict[Kind, _Members] = defaultdict(lambda: _Members([], []))
    for group in groups:
        protocol_id = settled_protocol(group, world, begins)
        assert protocol_id is not None
        if not relevant:
            members = kinds[kind_of(group, protocol_id, frozenset())]
            members.enrolment_ids.extend(group.enrolment_ids)
            members.cohort_ids.extend(group.cohort_ids)
            continue
        for enrolment_id, cohort_id in zip(group.enrolment_ids, group.cohort_ids, strict=True):
            members = kinds[kind_of(group, protocol_id, selections.get(enrolment_id, frozenset()))]
            members.enrolment_ids.append(enrolment_id)
            members.cohort_ids.append(cohort_id)
    return kinds


def with_origins(
    connection: Connection, organisation_id: int, world: World, groups: Sequence[HeadGroup | Head]
) -> World:
    """The world with the protocols to which moved enrolments were assigned at first."""
    missing = {group.assigned_protocol_id for group in groups} - world.keys()
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


def _learn_cohorts(connection: Connection, organisation_id: int, groups: Sequence[HeadGroup], memory: Memory) -> None:
    unknown = {cohort_id for group in groups for cohort_id in group.cohort_ids} - memory.cohorts.keys()
    if unknown:
        memory.cohorts.update(
            agenda_store.list_cohorts(connection, organisation_id=organisation_id, cohort_ids=sorted(unknown))
        )


def _step_kind(
    connection: Connection,
    organisation_id: int,
    targets: KindTargets,
    members: _Members,
    now: datetime,
    cohorts: Cohorts,
) -> Set[int]:
    """The members are in step but for those returned, which cannot be computed together.

    They waited too long for a judgement, or had measured enough for what was asked on the way.
    """
    ids = store.Ids(members.enrolment_ids)
    present = set(members.cohort_ids)
    keys = targets.moving_keys(cohorts[cohort_id] for cohort_id in present)
    standings = store.list_standings(connection, organisation_id=organisation_id, ids=ids, activity_keys=keys)
    apart = list_fulfilled_on_the_way(
        connection,
        organisation_id=organisation_id,
        ids=ids,
        activity_keys=keys,
        targets=targets,
        cohorts=cohorts,
        present=present,
    )
    since_at = targets.remembers_since(cohorts[cohort_id] for cohort_id in present)
    if any(rows.standing.opens_at < since_at for rows in standings):
        apart |= store.list_waiting_since(connection, organisation_id=organisation_id, ids=ids, before_at=since_at)
    if apart:
        others = members.without(apart)
        if others.enrolment_ids:
            apart |= _step_kind(connection, organisation_id, targets, others, now, cohorts)
        return apart
    steps = [step for rows in standings for step in _steps(rows, targets, cohorts)]
    store.advance_rows(connection, organisation_id=organisation_id, ids=ids, steps=steps)
    having = Counter[str]()
    for rows in standings:
        having[rows.standing.activity_key] += rows.count
    lacking = [key for key in keys if having[key] < len(members.enrolment_ids)]
    fresh = _add_missing(connection, organisation_id, present, ids, lacking, targets, cohorts)
    asked = asked_in_mid_window([*((step.occurrence, step.cohort_ids[0]) for step in steps), *fresh], targets, cohorts)
    count_earlier(connection, organisation_id, ids, asked, targets, now, cohorts)
    _advance_heads(connection, organisation_id, members, present, targets, now, cohorts)
    return frozenset()


def _steps(rows: StandingRows, targets: KindTargets, cohorts: Cohorts) -> list[Step]:
    """Where rows that stand there must go, by cohort; those that stand right already are left out."""
    target_of = targets.targets(rows.standing.activity_key, rows.standing)
    by_target: dict[Occurrence | None, list[int]] = defaultdict(list)
    for cohort_id in rows.cohort_ids:
        by_target[target_of(cohorts[cohort_id])].append(cohort_id)
    return [
        Step(rows, occurrence, cohort_ids)
        for occurrence, cohort_ids in by_target.items()
        if occurrence is None or not _stands_at(rows, occurrence)
    ]


def _stands_at(rows: StandingRows, occurrence: Occurrence) -> bool:
    """Whether the rows hold this window of this protocol already; then they are not written, whatever its version."""
    standing = rows.standing
    return (standing.on, standing.slot) == occurrence.key and (
        rows.protocol_id,
        standing.opens_at,
        rows.closes_at,
        standing.judge_at,
    ) == (occurrence.protocol_id, occurrence.opens_at, occurrence.closes_at, occurrence.judge_at)


def _add_missing(
    connection: Connection,
    organisation_id: int,
    present: Set[int],
    ids: store.Ids,
    lacking: Sequence[str],
    targets: KindTargets,
    cohorts: Cohorts,
) -> list[tuple[Occurrence, int]]:
    """Members without a row for an activity get one where something is to be asked; returns those, with a cohort."""
    wanted: dict[tuple[int, str], Occurrence] = {}
    for key in lacking:
        target_of = targets.targets(key, None)
        for cohort_id in present:
            occurrence = target_of(cohorts[cohort_id])
            if occurrence is not None:
                wanted[cohort_id, key] = occurrence
    missing = store.list_without_row(connection, organisation_id=organisation_id, ids=ids, keys=list(wanted))
    added = [
        row_of(enrolment_id, cohort_id, wanted[cohort_id, activity_key])
        for enrolment_id, cohort_id, activity_key in missing
    ]
    agenda_store.save_rows(connection, organisation_id=organisation_id, rows=added)
    # An activity that comes back: what was missed of it before still counts.
    names = [(row.enrolment_id, row.activity_key) for row in added]
    count_runs(connection, organisation_id=organisation_id, rows=names)
    return [(occurrence, cohort_id) for (cohort_id, _), occurrence in wanted.items()]


def _advance_heads(
    connection: Connection,
    organisation_id: int,
    members: _Members,
    present: Set[int],
    targets: KindTargets,
    now: datetime,
    cohorts: Cohorts,
) -> None:
    values = {cohort_id: targets.head_values(cohorts[cohort_id]) for cohort_id in present}
    groups: dict[tuple[int, int, int, datetime | None], list[int]] = defaultdict(list)
    if len(set(values.values())) == 1:
        groups[next(iter(values.values()))] = members.enrolment_ids
    else:
        for enrolment_id, cohort_id in zip(members.enrolment_ids, members.cohort_ids, strict=True):
            groups[values[cohort_id]].append(enrolment_id)
    store.advance_heads(
        connection,
        organisation_id=organisation_id,
        groups=[(ids, *key) for key, ids in groups.items()],
        computed_at=now,
    )
