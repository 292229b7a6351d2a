"""Agendas brought in step one change at a time are those computed once from all facts (invariant S9)."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hypothesis import event, given, settings
from hypothesis import strategies as st
from tests.domain.test_agenda_walk import CONTENTS
from tests.domain.timelines import FIRST, accepted, at, enrolled, walk

from lockstep.domain.agenda import Course, Head, Row, earliest_undecided
from lockstep.domain.content import Content
from lockstep.domain.occurrence import Fate, Key, Occurrence
from lockstep.domain.switch import AcceptedSwitch
from lockstep.domain.timeline import EnrolmentFacts, ProtocolFacts, Span, World, as_of, segments
from lockstep.engine.agenda import changed_since, compute_head, floor_of

ENDS = at(8)
half_hours = st.integers(48, 48 * 6).map(lambda n: at(1, n / 2))


@dataclass(frozen=True)
class Plan:
    """What happens in a run: switches, pauses with when they are entered, and recalculations."""

    facts: EnrolmentFacts
    switches: tuple[AcceptedSwitch, ...]
    versions: dict[int, Content]
    pauses: tuple[tuple[datetime, Span], ...]
    recalculated_at: tuple[datetime, ...]
    fulfilled_of_ten: int

    def known(self, instant: datetime) -> tuple[EnrolmentFacts, World]:
        """The facts recorded up to the instant."""
        pauses = tuple(span for entered_at, span in self.pauses if entered_at <= instant)
        switches = tuple(switch for switch in self.switches if switch.accepted_at <= instant)
        versions = {number: self.versions[number] for number in (each.version_number for each in switches) if number}
        return replace(self.facts, pauses=pauses), {1: ProtocolFacts(1, switches, versions)}


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    begins = at(2, 0.25)
    instants = sorted(draw(st.lists(half_hours.filter(lambda each: each > begins), max_size=5, unique=True)))
    switches = [accepted(1, at(1), version=1)]
    for number, instant in enumerate(instants, start=2):
        local = None
        if draw(st.booleans()):
            later = instant + timedelta(hours=draw(st.integers(1, 60)))
            local = later.replace(tzinfo=None)
        first_at = instant if local is None else local.replace(tzinfo=instant.tzinfo)
        switches.append(replace(accepted(number, instant, version=number, local=local), first_at=first_at))
    versions = {switch.number: draw(st.sampled_from(CONTENTS)) for switch in switches}
    pauses = []
    if draw(st.booleans()):
        first, last, delay = draw(half_hours), draw(st.integers(1, 60)), draw(st.integers(0, 24))
        first = max(first, begins)
        pauses.append((first + timedelta(hours=delay), Span(first, first + timedelta(hours=last))))
    recalculated = sorted(draw(st.lists(half_hours, max_size=6)))
    return Plan(
        enrolled(begins), tuple(switches), versions, tuple(pauses), tuple(recalculated), draw(st.integers(0, 9))
    )


@dataclass
class Run:
    """An enrolment whose row is kept as the engine keeps it: floor, decided keys, next row."""

    plan: Plan
    head: Head | None = None
    row: Row | None = None
    decided: dict[Key, datetime] = field(default_factory=dict)
    missed: set[Key] = field(default_factory=set)
    fulfilled: set[Key] = field(default_factory=set)
    now: datetime = FIRST

    def bring_in_step(self, now: datetime, changed_at: datetime | None = None) -> None:
        self.now = now
        facts, world = self.plan.known(now)
        timeline = segments(facts, world)
        rows = [self.row] if self.row else []
        floor = floor_of(changed_since(self.head, facts, world, now, changed_at), rows)
        decided = {key for key, closes_at in self.decided.items() if closes_at > floor}
        course = Course(as_of(timeline, now), facts.anchor_on)
        found = earliest_undecided(course, "weight", from_at=floor, decided=decided)
        self.head = compute_head(1, facts, timeline, world, cohort_id=1, now=now)
        self.row = None if found is None else row_of(found)

    def is_behind(self, now: datetime) -> bool:
        assert self.head is not None
        _, world = self.plan.known(now)
        unseen = [
            each for each in world[1].switches if each.first_at <= now and (each.generation or 0) > self.head.generation
        ]
        reached = self.head.next_change_at is not None and self.head.next_change_at <= now
        return bool(unseen) or reached

    def decide(self, until_at: datetime) -> None:
        """Whatever is due up to the instant is judged, in step; some is fulfilled halfway through."""
        while self.row is not None:
            halfway = self.row.opens_at + (self.row.closes_at - self.row.opens_at) / 2
            is_fulfilled = (
                self.row.on.day * 7 + sum(map(ord, self.row.slot)) + self.row.version_number * 3
            ) % 10 < self.plan.fulfilled_of_ten
            due_at = halfway if is_fulfilled else self.row.judge_at
            if due_at > until_at:
                return
            due = self.row
            now = max(due_at, self.now)
            if self.is_behind(now):
                self.bring_in_step(now)
                if self.row is None or self.row.key != due.key or self.row.opens_at != due.opens_at:
                    continue
            self.decided[due.key] = due.closes_at
            (self.fulfilled if is_fulfilled else self.missed).add(due.key)
            self.bring_in_step(now)


def row_of(found: Occurrence) -> Row:
    return Row(
        1, found.activity_key, 1, 1, found.version_number, found.on, found.slot,
        found.opens_at, found.closes_at, found.judge_at, 0, 0,
    )  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(plans())
def test_step_by_step_is_the_same_as_at_once(plan: Plan) -> None:
    run = Run(plan)
    run.bring_in_step(plan.facts.enrolled_at)
    entered = dict(plan.pauses)
    for instant in sorted({*(each for each in plan.recalculated_at if each > plan.facts.enrolled_at), *entered, ENDS}):
        run.decide(instant)
        if instant in entered:
            run.bring_in_step(instant, changed_at=entered[instant].from_at)
        elif run.is_behind(instant):
            run.bring_in_step(instant)
        run.decide(instant)
    facts, world = plan.known(ENDS)
    course = Course(segments(facts, world), facts.anchor_on)
    asked = {each.key: each for each in walk(course, until_at=ENDS) if each.fate is Fate.ASKED}
    due = {key for key, each in asked.items() if each.judge_at <= ENDS}
    # A pause entered afterwards waives what was judged; nothing else takes a judgement back.
    waived = {key for _, span in plan.pauses for key, closes_at in run.decided.items() if closes_at > span.from_at}
    event(f"missed {min(len(run.missed), 3)}, fulfilled {min(len(run.fulfilled), 3)}")
    assert run.missed - waived <= due, "missed though not asked"
    assert due - run.missed - run.fulfilled == set(), "asked, and neither fulfilled nor missed"
    in_force = earliest_undecided(
        Course(as_of(course.timeline, ENDS), facts.anchor_on),
        "weight", from_at=facts.enrolled_at, decided=set(run.decided),
    )  # fmt: skip
    assert run.row == (None if in_force is None else row_of(in_force))
