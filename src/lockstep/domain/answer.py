"""What is in force for an enrolment at an instant, and what became of its occurrences: answers computed from facts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from lockstep.domain.agenda import Course, activity_keys, occurrences_between
from lockstep.domain.content import Content
from lockstep.domain.occurrence import Fate, Key, Occurrence, OccurrenceState
from lockstep.domain.state import State
from lockstep.domain.timeline import Segment


@dataclass(frozen=True, slots=True)
class InForce:
    """What governs an enrolment at `at`, as known at `known_at`; `content` carries the personal changes.

    Version number, by and content are None while the protocol has no version in force. `since_at` is when the
    version came into force for this patient; `personal_changes` counts those that apply.
    """

    enrolment_id: int
    at: datetime
    known_at: datetime
    program_title: str
    protocol_id: int
    protocol_title: str
    version_number: int | None
    since_at: datetime
    accepted_by: str | None
    personal_changes: int
    zone: str
    paused: bool
    content: Content | None


@dataclass(frozen=True, slots=True)
class Decided:
    """A judgement with its last correction; `taken_at` is the instant of the measurement that fulfilled it."""

    activity_key: str
    on: date
    slot: str
    protocol_id: int
    version_number: int
    opens_at: datetime
    closes_at: datetime
    judge_at: datetime
    state: OccurrenceState
    taken_at: datetime | None

    @property
    def key(self) -> Key:
        """Nominal local date and slot label."""
        return (self.on, self.slot)


@dataclass(frozen=True, slots=True)
class AnsweredOccurrence:
    """One occurrence with its state at the instant asked about, under the version it belongs to."""

    activity_key: str
    on: date
    slot: str
    opens_at: datetime
    closes_at: datetime
    judge_at: datetime
    protocol_id: int
    version_number: int
    state: OccurrenceState


@dataclass(frozen=True, slots=True)
class AgendaAnswer:
    """The occurrences that meet a span, by opening; `in_force` names the version, None where nothing governs.

    `state` says in words what is in force and pending, from the same snapshot, where that was asked for too.
    """

    at: datetime
    known_at: datetime
    in_force: InForce | None
    occurrences: tuple[AnsweredOccurrence, ...]
    state: State | None = None


@dataclass(frozen=True, slots=True)
class Behind:
    """Whether an enrolment's agenda is in step with what is in force, and when the next known change comes.

    What is in force, and the answers about occurrences, are computed from facts and right either way.
    """

    enrolment_id: int
    at: datetime
    in_step: bool
    computed_at: datetime | None
    next_change_at: datetime | None


def since(timeline: tuple[Segment, ...], segment: Segment) -> datetime:
    """When the segment's version of its protocol came into force, whatever else divides the time since."""
    begins = segment.from_at
    for earlier in reversed(timeline):
        if earlier.from_at >= begins:
            continue
        if (earlier.protocol_id, earlier.version_number) != (segment.protocol_id, segment.version_number):
            break
        begins = earlier.from_at
    return begins


def fulfilled_by(occurrence: Occurrence, taken_at: datetime) -> Decided:
    """The occurrence as a measurement of that instant fulfils it."""
    return Decided(
        activity_key=occurrence.activity_key,
        on=occurrence.on,
        slot=occurrence.slot,
        protocol_id=occurrence.protocol_id,
        version_number=occurrence.version_number,
        opens_at=occurrence.opens_at,
        closes_at=occurrence.closes_at,
        judge_at=occurrence.judge_at,
        state=OccurrenceState.FULFILLED,
        taken_at=taken_at,
    )


def answered(
    course: Course, decided: Iterable[Decided], *, from_at: datetime, until_at: datetime, at: datetime
) -> tuple[AnsweredOccurrence, ...]:
    """Each occurrence that meets [from_at, until_at) once, with its state at `at`, ordered by opening. Pure.

    What was decided is shown even where the facts known by now would not ask it any more.
    """
    judged: dict[str, dict[Key, Decided]] = {}
    for each in decided:
        judged.setdefault(each.activity_key, {})[each.key] = each
    found: list[AnsweredOccurrence] = []
    for key in dict.fromkeys([*activity_keys(course.timeline), *judged]):
        found.extend(_of_activity(course, key, judged.get(key, {}), from_at, until_at, at))
    return tuple(sorted(found, key=lambda each: (each.opens_at, each.closes_at, each.activity_key, each.on, each.slot)))


def _of_activity(
    course: Course,
    activity_key: str,
    judged: Mapping[Key, Decided],
    from_at: datetime,
    until_at: datetime,
    at: datetime,
) -> Iterable[AnsweredOccurrence]:
    by_key: dict[Key, list[Occurrence]] = {}
    for occurrence in occurrences_between(course, activity_key, from_at=from_at, until_at=until_at):
        by_key.setdefault(occurrence.key, []).append(occurrence)
    for key, candidates in by_key.items():
        yield _answer(chosen(candidates, at), judged.get(key), at)
    for key, decision in judged.items():
        if key not in by_key:
            yield _stored(decision, at)


def chosen(candidates: Iterable[Occurrence], at: datetime) -> Occurrence:
    """Of the occurrences of one key the one that stands at the instant.

    What is asked then goes first, then what is asked at another time, then what ended, then what never began.
    """

    def rank(indexed: tuple[int, Occurrence]) -> tuple[bool, bool, bool, int]:
        index, occurrence = indexed
        lasts = occurrence.ended_at is None or at < occurrence.ended_at
        stands = occurrence.opens_at <= at and lasts
        return (stands, occurrence.fate is Fate.ASKED, not never_asked(occurrence), index)

    return max(enumerate(candidates), key=rank)[1]


def never_asked(occurrence: Occurrence) -> bool:
    """Whether it was waived from its beginning."""
    return occurrence.ended_at is not None and occurrence.ended_at <= occurrence.opens_at


def state_of(occurrence: Occurrence, decision: Decided | None, at: datetime) -> OccurrenceState:
    """The state at the instant: by what was measured, else what the timeline ended, what was judged, time.

    What was waived after it had been missed is one that the timeline ends: a pause was entered afterwards.
    """
    fulfilled = decision is not None and decision.state not in (OccurrenceState.MISSED, OccurrenceState.WAIVED)
    if decision is not None and fulfilled and (decision.taken_at is None or decision.taken_at <= at):
        return decision.state
    if occurrence.ended_at is not None and (occurrence.ended_at <= at or never_asked(occurrence)):
        return OccurrenceState(occurrence.fate.value)
    if decision is not None and not fulfilled and decision.judge_at <= at:
        return decision.state
    return _by_time(occurrence, at)


def _by_time(occurrence: Occurrence | Decided, at: datetime) -> OccurrenceState:
    if at < occurrence.opens_at:
        return OccurrenceState.COMING
    return OccurrenceState.OPEN if at < occurrence.closes_at else OccurrenceState.GRACE


def _answer(occurrence: Occurrence, decision: Decided | None, at: datetime) -> AnsweredOccurrence:
    named: Occurrence | Decided = decision or occurrence
    return AnsweredOccurrence(
        activity_key=occurrence.activity_key,
        on=occurrence.on,
        slot=occurrence.slot,
        opens_at=occurrence.opens_at,
        closes_at=occurrence.closes_at,
        judge_at=occurrence.judge_at,
        protocol_id=named.protocol_id,
        version_number=named.version_number,
        state=state_of(occurrence, decision, at),
    )


def _stored(decision: Decided, at: datetime) -> AnsweredOccurrence:
    instant = decision.judge_at if decision.state is OccurrenceState.MISSED else decision.taken_at
    return AnsweredOccurrence(
        activity_key=decision.activity_key,
        on=decision.on,
        slot=decision.slot,
        opens_at=decision.opens_at,
        closes_at=decision.closes_at,
        judge_at=decision.judge_at,
        protocol_id=decision.protocol_id,
        version_number=decision.version_number,
        state=decision.state if instant is None or instant <= at else _by_time(decision, at),
    )
