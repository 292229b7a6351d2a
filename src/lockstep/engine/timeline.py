"""Answers what is in force for an enrolment and what it is asked, at an instant and as known at an instant."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from lockstep.domain.agenda import Course, activity_keys, asked_at_changes
from lockstep.domain.answer import AgendaAnswer, Behind, Decided, InForce, answered, fulfilled_by, since
from lockstep.domain.occurrence import Key
from lockstep.domain.refusal import NotAtThisTime, TooMany, UnknownEnrolment
from lockstep.domain.state import State, behind, coming, coming_pause, newer_version, pause_ends
from lockstep.domain.state_words import InForce as InForceWords
from lockstep.domain.state_words import NothingInForce, Pending, Scheduled, SetAside, state_words
from lockstep.domain.timeline import EnrolmentFacts, Segment, World, in_force, next_change, segments
from lockstep.engine.earlier import asked_for
from lockstep.store import agenda as agenda_store
from lockstep.store import answer as store
from lockstep.store import operation as operation_store
from lockstep.store import timeline as facts_store
from lockstep.store.clock import now as clock_now
from lockstep.store.database import Connection, Database

LONGEST_SPAN = timedelta(days=400)
_MOST_OPERATIONS = 1_000
_REACH = timedelta(days=45)
"""How much earlier than a span something may have begun that bears on it: no window of an activity is longer."""


@dataclass(frozen=True, slots=True)
class _Known:
    """One enrolment as known at an instant."""

    enrolment_id: int
    facts: EnrolmentFacts
    world: World
    timeline: tuple[Segment, ...]
    at: datetime
    known_at: datetime


def answer_in_force(
    database: Database,
    *,
    organisation_id: int,
    enrolment_id: int,
    at: datetime | None = None,
    known_at: datetime | None = None,
) -> InForce | None:
    """What governs the enrolment at `at`, as known at `known_at` (default: now); None outside the enrolment.

    One snapshot. The answer for a pair never changes, for instants more than a second ago (invariants S3, S4).
    Raises UnknownEnrolment, NotAtThisTime for a future `known_at`. Locks: none.
    """
    with _snapshot(database, organisation_id) as connection:
        known = _load(connection, organisation_id, enrolment_id, at, known_at)
        return _in_force(connection, organisation_id, known)


def answer_state(
    database: Database,
    *,
    organisation_id: int,
    enrolment_id: int,
    at: datetime | None = None,
    known_at: datetime | None = None,
) -> State:
    """What people are told of the enrolment: what is in force and what is pending, in the words of every face.

    Pending is what is decided for later (switches, a pause), a newer version that is not for this patient and, in an
    answer about now, an agenda that is behind, with the recalculations that bring it in step, or set aside.
    One snapshot. Raises UnknownEnrolment, NotAtThisTime. Locks: none.
    """
    with _snapshot(database, organisation_id) as connection:
        known = _load(connection, organisation_id, enrolment_id, at, known_at)
        governs = _in_force(connection, organisation_id, known)
        return _state(connection, organisation_id, known, governs, is_now=at is None and known_at is None)


def answer_agenda(
    database: Database,
    *,
    organisation_id: int,
    enrolment_id: int,
    from_at: datetime,
    until_at: datetime,
    at: datetime | None = None,
    known_at: datetime | None = None,
    with_state: bool = False,
) -> AgendaAnswer:
    """Every occurrence that meets [from_at, until_at) with its state at `at`, computed from facts, by opening.

    What is scheduled counts: an occurrence after E is the new version's. In step or not makes no difference.
    One snapshot. Raises UnknownEnrolment, NotAtThisTime, TooMany for a span above 400 days. Locks: none.
    """
    if until_at - from_at > LONGEST_SPAN:
        raise TooMany("The span is longer than 400 days", where="until_at", mend="Ask in pieces.")
    with _snapshot(database, organisation_id) as connection:
        known = _load(connection, organisation_id, enrolment_id, at, known_at, events_since_at=from_at - _REACH)
        outages = facts_store.load_outages(
            connection, organisation_id=organisation_id, since_at=from_at - _REACH, known_at=known.known_at
        )
        decided = store.list_decided(
            connection,
            organisation_id=organisation_id,
            enrolment_id=enrolment_id,
            patient_id=known.facts.patient_id,
            from_at=from_at,
            until_at=until_at,
            known_at=known.known_at,
        )
        course = Course(known.timeline, known.facts.anchor_on, outages, known.facts.events)
        decided += _fulfilled_before(connection, organisation_id, known, course, decided, from_at, until_at)
        governs = _in_force(connection, organisation_id, known)
        is_now = at is None and known_at is None
        return AgendaAnswer(
            at=known.at,
            known_at=known.known_at,
            in_force=governs,
            occurrences=answered(course, decided, from_at=from_at, until_at=until_at, at=known.at),
            state=_state(connection, organisation_id, known, governs, is_now=is_now) if with_state else None,
        )


def _fulfilled_before(
    connection: Connection,
    organisation_id: int,
    known: _Known,
    course: Course,
    decided: Sequence[Decided],
    from_at: datetime,
    until_at: datetime,
) -> list[Decided]:
    """Occurrences that measurements from before they were asked fulfil (rule 4), recalculated already or not."""
    stored = {(each.activity_key, each.key) for each in decided}
    asked = [
        each
        for key in activity_keys(course.timeline)
        for each in asked_at_changes(course, key, since_at=from_at - _REACH)
        if each.opens_at <= known.known_at and each.closes_at > from_at and each.nominal_at < until_at
    ]
    taken = store.list_taken(
        connection,
        organisation_id=organisation_id,
        windows=[asked_for(known.facts.patient_id, course, each) for each in asked],
        known_at=known.known_at,
    )
    fulfilled: dict[tuple[str, Key], Decided] = {}
    for each, found in zip(asked, taken, strict=True):
        name = (each.activity_key, each.key)
        if len(found) >= each.quantity and name not in stored:
            fulfilled.setdefault(name, fulfilled_by(each, found[each.quantity - 1]))
    return list(fulfilled.values())


def answer_behind(database: Database, *, organisation_id: int, enrolment_id: int) -> Behind:
    """Whether the agenda kept for the enrolment is in step now, and when the next change known already comes.

    One snapshot. Raises UnknownEnrolment. Locks: none.
    """
    with _snapshot(database, organisation_id) as connection:
        known = _load(connection, organisation_id, enrolment_id, None, None)
        return _behind(connection, organisation_id, known)


def _behind(connection: Connection, organisation_id: int, known: _Known) -> Behind:
    heads = agenda_store.list_heads(connection, organisation_id=organisation_id, enrolment_ids=[known.enrolment_id])
    head = heads.get(known.enrolment_id)
    governed = in_force(known.timeline, known.at) is not None
    if head is None or head.ended_at is not None:
        in_step = not governed
    else:
        reached = head.next_change_at is not None and head.next_change_at <= known.at
        in_step = governed and not reached and head.generation >= _generation_for(head.protocol_id, known)
    return Behind(
        enrolment_id=known.enrolment_id,
        at=known.at,
        in_step=in_step,
        computed_at=head.computed_at if head else None,
        next_change_at=next_change(known.timeline, known.at),
    )


def _state(
    connection: Connection, organisation_id: int, known: _Known, governs: InForce | None, *, is_now: bool
) -> State:
    pending = _coming(connection, organisation_id, known)
    paused_later = coming_pause(known.timeline, known.at)
    pending += [] if paused_later is None else [paused_later]
    in_step = set_aside = None
    if governs is not None:
        protocol = known.world[governs.protocol_id]
        pending += newer_version(protocol, known.facts, governs.version_number, known.at)
    if is_now:
        in_step = _behind(connection, organisation_id, known).in_step
        of = {"organisation_id": organisation_id, "enrolment_id": known.enrolment_id}
        set_aside = store.is_set_aside(connection, **of)
        if set_aside:
            pending.insert(0, SetAside())
        elif not in_step and governs is not None:
            unfinished = operation_store.list_operations(
                connection, organisation_id=organisation_id, unfinished=True, size=_MOST_OPERATIONS
            )
            pending[:0] = behind(unfinished, governs.protocol_id, known.facts.selections)
    return State(
        enrolment_id=known.enrolment_id,
        at=known.at,
        known_at=known.known_at,
        in_step=in_step,
        set_aside=set_aside,
        paused=governs is not None and governs.paused,
        next_change_at=next_change(known.timeline, known.at),
        words=state_words(_fact(known, governs), pending),
        pending=tuple(pending),
    )


def _fact(known: _Known, governs: InForce | None) -> InForceWords | NothingInForce:
    if governs is None:
        ended = known.facts.discharged_at
        return NothingInForce("discharged" if ended is not None and ended <= known.at else "not enrolled yet")
    if governs.version_number is None:
        return NothingInForce("no version published")
    return InForceWords(
        governs.program_title,
        governs.protocol_title,
        governs.version_number,
        governs.since_at,
        governs.zone,
        governs.accepted_by or "",
        governs.personal_changes,
        governs.paused,
        pause_ends(known.timeline, known.at) if governs.paused else None,
    )


def _coming(connection: Connection, organisation_id: int, known: _Known) -> list[Pending]:
    """What is scheduled for this enrolment, each with its own instant there."""
    changes = coming(known.timeline, known.facts, known.world, known.at)
    deciders = store.list_deciders(
        connection,
        organisation_id=organisation_id,
        switches=[(each.switch.protocol_id, each.switch.number) for each in changes if each.switch],
    )
    told: list[Pending] = []
    for each in changes:
        number = each.segment.version_number
        target = "no version" if number is None else f"version {number}"
        if each.moves:
            _, title, _ = store.find_names(
                connection,
                organisation_id=organisation_id,
                protocol_id=each.segment.protocol_id,
                version_number=number,
                since_at=each.segment.from_at,
                selections=known.facts.selections,
            )
            target = f"{title}, {target}"
        by = deciders.get((each.switch.protocol_id, each.switch.number), "") if each.switch else ""
        told.append(Scheduled(target, by, at=each.segment.from_at, zone=each.segment.zone))
    return told


def _generation_for(protocol_id: int, known: _Known) -> int:
    """The greatest generation in force on the protocol among the switches whose scope holds the enrolment."""
    switches = known.world[protocol_id].switches
    return max(
        (
            switch.generation
            for switch in switches
            if switch.generation is not None and switch.first_at <= known.at and switch.holds(known.facts.selections)
        ),
        default=0,
    )


@contextmanager
def _snapshot(database: Database, organisation_id: int) -> Iterator[Connection]:
    with database.transaction(organisation_id, read_only=True, isolation="repeatable read") as connection:
        yield connection


def _load(
    connection: Connection,
    organisation_id: int,
    enrolment_id: int,
    at: datetime | None,
    known_at: datetime | None,
    *,
    events_since_at: datetime | None = None,
) -> _Known:
    now = clock_now(connection)
    if known_at is not None and known_at > now:
        raise NotAtThisTime("Nobody knows yet what will be known", where="known_at", mend="Leave it out for now.")
    known_at = now if known_at is None else known_at
    loaded = facts_store.load_enrolments(
        connection,
        organisation_id=organisation_id,
        enrolment_ids=[enrolment_id],
        known_at=known_at,
        events_since_at=events_since_at,
    )
    if enrolment_id not in loaded or not loaded[enrolment_id].assignments:
        raise UnknownEnrolment(f"There is no enrolment {enrolment_id}", where="enrolment_id")
    facts = loaded[enrolment_id]
    protocol_ids = {assigned.protocol_id for assigned in facts.assignments}
    world = facts_store.load_world(
        connection, organisation_id=organisation_id, protocol_ids=protocol_ids, known_at=known_at
    )
    return _Known(enrolment_id, facts, world, segments(facts, world), now if at is None else at, known_at)


def _in_force(connection: Connection, organisation_id: int, known: _Known) -> InForce | None:
    segment = in_force(known.timeline, known.at)
    if segment is None:
        return None
    since_at = since(known.timeline, segment)
    program, protocol, accepted_by = store.find_names(
        connection,
        organisation_id=organisation_id,
        protocol_id=segment.protocol_id,
        version_number=segment.version_number,
        since_at=since_at,
        selections=known.facts.selections,
    )
    return InForce(
        enrolment_id=known.enrolment_id,
        at=known.at,
        known_at=known.known_at,
        program_title=program,
        protocol_id=segment.protocol_id,
        protocol_title=protocol,
        version_number=segment.version_number,
        since_at=since_at,
        accepted_by=accepted_by,
        personal_changes=segment.personal_changes,
        zone=segment.zone,
        paused=segment.paused,
        content=segment.content,
    )
