"""Computes the effect of a switch on everybody concerned: once for each group of enrolments that share their facts."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import chain

from lockstep.domain.cohort import Cohort, reach, settled
from lockstep.domain.conflict import Conflicts
from lockstep.domain.content import Content
from lockstep.domain.effect import Effect, effect_on, forecast, look_back
from lockstep.domain.switch import AcceptedSwitch, Effective, ZoneSpan
from lockstep.domain.timeline import Assigned, EnrolmentFacts, Span, World, generation_at, in_force, segments
from lockstep.store import agenda as agenda_store
from lockstep.store import preview as store
from lockstep.store.database import Connection
from lockstep.store.timeline import load_enrolments, load_outages, load_world

_SLICE = 1000
_TICK = timedelta.resolution
_OUTAGES_REACH = timedelta(days=45)


@dataclass(frozen=True, slots=True)
class Ground:
    """What a preview stands on: the world around a protocol, and whose heads may belong to its enrolments."""

    organisation_id: int
    protocol_id: int
    at: datetime
    world: World
    protocol_ids: tuple[int, ...]
    moves: tuple[tuple[datetime, datetime], ...]

    def question(self, *, recent_at: datetime, selection_id: int | None) -> store.Question:
        """For whom to count, as the store asks for it."""
        relevant = {
            switch.selection_id
            for protocol in self.world.values()
            for switch in protocol.switches
            if switch.selection_id is not None
        }
        if selection_id is not None:
            relevant.add(selection_id)
        return store.Question(
            organisation_id=self.organisation_id,
            at=self.at,
            protocol_id=self.protocol_id,
            protocol_ids=self.protocol_ids,
            generations=[generation_at(self.world, each, self.at) for each in self.protocol_ids],
            boundaries=sorted({*(first for first, _ in self.moves), *(last + _TICK for _, last in self.moves)}),
            recent_at=recent_at,
            selection_ids=sorted(relevant),
            selection_id=selection_id,
        )


def load_ground(
    connection: Connection, *, organisation_id: int, protocol_id: int, target_protocol_id: int | None, at: datetime
) -> Ground:
    """The world around the protocol, with those from which moves lead to it. Locks: none."""
    moves = store.list_moves(connection, organisation_id=organisation_id)
    around = {protocol_id}
    while more := {source for source, target, _, _ in moves if target in around} - around:
        around |= more
    wanted = around | ({target_protocol_id} if target_protocol_id is not None else set())
    return Ground(
        organisation_id,
        protocol_id,
        at,
        load_world(connection, organisation_id=organisation_id, protocol_ids=wanted),
        tuple(sorted(around)),
        tuple((first_at, last_at) for source, _, first_at, last_at in moves if source in around),
    )


def list_strays(connection: Connection, ground: Ground) -> tuple[list[int], list[int]]:
    """Enrolments that a move brought to the protocol, or took away, and whose heads do not show it yet. Locks: none."""
    joined: list[int] = []
    left: list[int] = []
    if not ground.moves:
        return joined, left
    question = ground.question(recent_at=ground.at, selection_id=None)
    after = 0
    while found := store.list_behind(connection, question, after_enrolment_id=after, limit=_SLICE):
        after = found[-1][0]
        heads = dict(found)
        known = load_enrolments(connection, organisation_id=ground.organisation_id, enrolment_ids=list(heads))
        world = with_origins(connection, ground, known.values())
        for enrolment_id, facts in known.items():
            segment = in_force(segments(facts, world), ground.at)
            here = segment is not None and segment.protocol_id == ground.protocol_id
            was_here = heads[enrolment_id] == ground.protocol_id
            if here != was_here:
                (joined if here else left).append(enrolment_id)
    return joined, left


def effects_of(
    connection: Connection, ground: Ground, switch: AcceptedSwitch, content: Content | None, conflicts: Conflicts
) -> Iterator[Effect]:
    """The effect on each group of those concerned, and on those whom facts of their own set apart. Locks: none.

    Afterwards `conflicts` holds what each of them would lose of what was changed for them alone.
    """
    outages = load_outages(connection, organisation_id=ground.organisation_id, since_at=ground.at - _OUTAGES_REACH)
    seen = forecast(switch, content, ground.world, outages)
    contents = chain.from_iterable(protocol.versions.values() for protocol in seen.with_it.values())
    recent_at = switch.first_at - look_back(contents) - reach(seen.with_it)
    question = ground.question(recent_at=recent_at, selection_id=switch.selection_id)
    counts_rows = switch.effective is Effective.NOW
    rows = store.list_group_rows(connection, question) if counts_rows else {}
    for group in store.list_groups(connection, question):
        undecided = rows.get(group.key, {}) if counts_rows else None
        facts = _facts(group, ground.world, recent_at + reach(ground.world))
        effect = effect_on(facts, group.members, seen, undecided=undecided)
        if effect is not None:
            effect.behind = group.behind
            yield effect
    individuals = _individuals(connection, ground, question, counts_rows, partial(_add, conflicts, switch, content))
    world = with_origins(connection, ground, [facts for facts, _ in individuals])
    seen = forecast(switch, content, world, outages)
    for facts, shape in individuals:
        effect = effect_on(facts, shape.members, seen, undecided=shape.rows if counts_rows else None)
        if effect is not None:
            effect.behind = shape.behind
            yield effect


def with_origins(connection: Connection, ground: Ground, known: Iterable[EnrolmentFacts]) -> World:
    """The ground's world with the protocols to which the enrolments were assigned before. Locks: none."""
    missing = {assigned.protocol_id for facts in known for assigned in facts.assignments} - ground.world.keys()
    if not missing:
        return ground.world
    return {
        **ground.world,
        **load_world(connection, organisation_id=ground.organisation_id, protocol_ids=missing),
    }


def _facts(group: store.Group, world: World, changed_at: datetime) -> EnrolmentFacts:
    cohort = Cohort(group.zone, group.anchor_on, group.assigned_at, group.assigned_protocol_id, group.selection_ids)
    cohort = settled(cohort, world, changed_at=changed_at)
    return EnrolmentFacts(
        patient_id=0,
        anchor_on=cohort.anchor_on,
        enrolled_at=cohort.assigned_at,
        zones=(ZoneSpan(cohort.assigned_at, cohort.zone),),
        assignments=(Assigned(cohort.assigned_at, cohort.assigned_protocol_id),),
        selections=cohort.selections,
    )


@dataclass(slots=True)
class _Shape:
    members: int
    behind: int
    rows: dict[str, Counter[tuple[datetime, datetime]]]


def _add(
    conflicts: Conflicts,
    switch: AcceptedSwitch,
    content: Content | None,
    known: Mapping[int, EnrolmentFacts],
    world: World,
) -> None:
    seen = forecast(switch, content, world)
    for enrolment_id, facts in known.items():
        conflicts.add(enrolment_id, facts, seen)


def _individuals(
    connection: Connection,
    ground: Ground,
    question: store.Question,
    counts_rows: bool,
    look: Callable[[Mapping[int, EnrolmentFacts], World], None],
) -> Collection[tuple[EnrolmentFacts, _Shape]]:
    shapes: dict[EnrolmentFacts, _Shape] = {}
    for found in chain(
        _slices(store.list_individuals, connection, question), _slices(store.list_planned, connection, question)
    ):
        ids = [enrolment_id for enrolment_id, _ in found]
        known = load_enrolments(connection, organisation_id=question.organisation_id, enrolment_ids=ids)
        changed = {number: facts for number, facts in known.items() if facts.personal_changes}
        if changed:
            look(changed, with_origins(connection, ground, changed.values()))
        rows = (
            agenda_store.list_rows(connection, organisation_id=question.organisation_id, enrolment_ids=ids)
            if counts_rows
            else {}
        )
        for enrolment_id, behind in found:
            facts = _shape_of(known[enrolment_id], question)
            shape = shapes.setdefault(facts, _Shape(0, 0, defaultdict(Counter)))
            shape.members += 1
            shape.behind += behind
            for row in rows.get(enrolment_id, ()):
                shape.rows[row.activity_key][row.judge_at, row.opens_at] += 1
    return shapes.items()


def _slices(
    listed: Callable[..., list[tuple[int, bool]]], connection: Connection, question: store.Question
) -> Iterator[list[tuple[int, bool]]]:
    after = 0
    while found := listed(connection, question, after_enrolment_id=after, limit=_SLICE):
        after = found[-1][0]
        yield found


def _shape_of(facts: EnrolmentFacts, question: store.Question) -> EnrolmentFacts:
    """The facts that have a part in a preview's figures: most of those set apart fall together again."""
    timed = tuple(
        change for change in facts.personal_changes if change.field.partition(".")[0] not in ("rules", "plausible")
    )
    return replace(
        facts,
        patient_id=0,
        enrolled_at=facts.assignments[0].from_at,
        selections=facts.selections & set(question.selection_ids),
        personal_changes=timed,
        pauses=_without_old(facts, question.recent_at),
        events=(),
    )


def _without_old(facts: EnrolmentFacts, recent_at: datetime) -> tuple[Span, ...]:
    return tuple(pause for pause in facts.pauses if pause.until_at is None or pause.until_at > recent_at)
