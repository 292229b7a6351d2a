"""Brings the agendas of enrolments in step with what is in force, each computed from its own facts."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from lockstep.domain.agenda import Course, Head, Row, activity_keys, earliest_undecided
from lockstep.domain.cohort import FOR_EVER, NEVER, reach
from lockstep.domain.missed import run_length
from lockstep.domain.occurrence import Fate, Key, Occurrence, OccurrenceState
from lockstep.domain.switch import AcceptedSwitch, zone_at
from lockstep.domain.timeline import (
    EnrolmentFacts,
    Segment,
    Span,
    World,
    as_of,
    generation_at,
    in_force,
    next_change,
    segments,
)
from lockstep.engine.earlier import Changed, asked_for, fulfilled_at_changes
from lockstep.store import agenda as store
from lockstep.store import judgement as judgement_store
from lockstep.store import timeline as facts_store
from lockstep.store.database import Connection

_OUTAGES_REACH = timedelta(days=45)
_MOST_RUN = 1000
"""Occurrences looked back at when a run of missed ones is counted anew."""


@dataclass(frozen=True, slots=True)
class Computed:
    """The agenda of one enrolment as it must be; no head when nothing is left to do (ended, and all decided)."""

    head: Head | None
    occurrences: Mapping[str, Occurrence]
    rows: Sequence[Row]


def bring_in_step(
    connection: Connection,
    *,
    organisation_id: int,
    enrolment_ids: Sequence[int],
    now: datetime,
    changed_at: datetime | None = None,
) -> int:
    """Heads and rows of the enrolments are what the facts in force at `now` demand; returns how many there were.

    `changed_at` is the beginning of a fact that the caller has just written, if it lies before `now`. New ones get
    their head. Measurements already taken inside a window that a switch newly asks count for it (rule 4). Idempotent.
    Locks: the heads in key order, for no key update, then their rows.
    """
    ids = sorted(set(enrolment_ids))
    heads = store.lock_heads(connection, organisation_id=organisation_id, enrolment_ids=ids)
    # Facts are read after the locks: whoever wrote some before us has committed, and nobody writes more until we end.
    known = facts_store.load_enrolments(connection, organisation_id=organisation_id, enrolment_ids=ids)
    rows = store.list_rows(connection, organisation_id=organisation_id, enrolment_ids=ids)
    protocol_ids = {assigned.protocol_id for facts in known.values() for assigned in facts.assignments}
    protocol_ids |= {head.protocol_id for head in heads.values()}
    world = facts_store.load_world(connection, organisation_id=organisation_id, protocol_ids=protocol_ids)
    outages = facts_store.load_outages(connection, organisation_id=organisation_id, since_at=now - _OUTAGES_REACH)
    since = {each: changed_since(heads.get(each), facts, world, now, changed_at) for each, facts in known.items()}
    floors = {each: floor_of(since[each], rows.get(each, ())) for each in known}
    decided = store.list_decided(
        connection,
        organisation_id=organisation_id,
        enrolment_ids=ids,
        # Stored as decided, not as outages since have extended it.
        closes_after=min(floors.values(), default=now) - _lasting(outages),
    )
    cohorts = store.ensure_cohorts(
        connection,
        organisation_id=organisation_id,
        wanted={cohort_of(facts, now) for facts in known.values()},
    )
    _save(
        connection,
        organisation_id,
        now,
        [
            _Subject(
                enrolment_id,
                facts,
                heads.get(enrolment_id),
                rows.get(enrolment_id, []),
                since[enrolment_id],
                floors[enrolment_id],
                cohorts[cohort_of(facts, now)],
            )
            for enrolment_id, facts in known.items()
        ],
        world,
        outages,
        decided,
    )
    return len(known)


def cohort_of(facts: EnrolmentFacts, now: datetime) -> tuple[str, date]:
    """Zone and anchor of the enrolment at the instant; of one that has ended, at its end."""
    return zone_at(facts.zones, facts.lasting_at(now)), facts.anchor_on


def _lasting(outages: Sequence[Span]) -> timedelta:
    return sum((outage.until_at - outage.from_at for outage in outages if outage.until_at), start=timedelta())


@dataclass(frozen=True, slots=True)
class _Subject:
    enrolment_id: int
    facts: EnrolmentFacts
    head: Head | None
    rows: Sequence[Row]
    since_at: datetime
    floor: datetime
    cohort_id: int


def floor_of(since_at: datetime, rows: Sequence[Row]) -> datetime:
    """The instant before whose end every closed occurrence is decided: nothing that closed until then needs looking at.

    The rows are the earliest undecided occurrences of the timeline they were computed for; what they were not computed
    for begins at the earliest change since (`changed_since`).
    """
    return min([since_at, *(row.opens_at for row in rows)])


def changed_since(
    head: Head | None, facts: EnrolmentFacts, world: World, now: datetime, changed_at: datetime | None
) -> datetime:
    """The earliest change that the head was not computed for, else `now`.

    That is a switch it has not seen, a known change reached, the caller's fact; of a newcomer the first assignment.
    """
    if head is None:
        begins = facts.assignments[0].from_at
        if facts.discharged_at is None:
            return begins
        # Of one that has ended all is decided, but for what the caller's fact asks afterwards.
        return max(begins, facts.discharged_at - _OUTAGES_REACH if changed_at is None else changed_at)
    unseen = [switch for switch in world[head.protocol_id].switches if _unseen(switch, head)]
    changes = [switch.effective_for(facts.zones) for switch in unseen if switch.holds(facts.selections)]
    if head.next_change_at is not None:
        changes.append(head.next_change_at)
    if changed_at is not None:
        changes.append(changed_at)
    return min([*changes, now])


def _unseen(switch: AcceptedSwitch, head: Head) -> bool:
    return switch.generation is not None and switch.generation > head.generation


def compute_head(
    enrolment_id: int,
    facts: EnrolmentFacts,
    timeline: tuple[Segment, ...],
    world: World,
    *,
    cohort_id: int,
    now: datetime,
) -> Head | None:
    """The head for the facts in force at the instant; after discharge, of what was in force last.

    None where nothing ever was: the enrolment ended as it began.
    """
    if not timeline:
        return None
    segment = in_force(timeline, now) or (timeline[0] if timeline[0].from_at > now else timeline[-1])
    own = [assigned for assigned in facts.assignments if assigned.from_at <= max(now, timeline[0].from_at)][-1]
    return Head(
        enrolment_id=enrolment_id,
        protocol_id=segment.protocol_id,
        version_number=segment.version_number or 0,
        generation=generation_at(world, segment.protocol_id, now),
        cohort_id=cohort_id,
        assigned_at=own.from_at,
        assigned_protocol_id=own.protocol_id,
        individual_until=individual_until(facts, world, now),
        computed_at=now,
        next_change_at=next_change(timeline, now),
        ended_at=facts.discharged_at if has_ended(facts, now) else None,
    )


def has_ended(facts: EnrolmentFacts, now: datetime) -> bool:
    """Whether the enrolment is over by the instant; what closed before is decided all the same."""
    return facts.discharged_at is not None and facts.discharged_at <= now


def individual_until(facts: EnrolmentFacts, world: World, now: datetime) -> datetime:
    """Until when facts that the cohort does not share bear on the enrolment's occurrences; NEVER if none do.

    A change of zone or the end of a pause bears on windows open then, so as long as the protocols' windows reach.
    """
    own = facts.assignments[0].from_at
    lasting = (
        facts.personal_changes
        or facts.events
        or facts.discharged_at is not None
        or any(pause.until_at is None or pause.until_at > now for pause in facts.pauses)
        or any(assigned.from_at > now for assigned in facts.assignments)
        or any(zone.from_at > now for zone in facts.zones)
    )
    if lasting:
        return FOR_EVER
    changes = [pause.until_at for pause in facts.pauses if pause.until_at is not None]
    changes += [zone.from_at for zone in facts.zones if zone.from_at > own]
    changes += [assigned.from_at for assigned in facts.assignments[1:]]
    return max((changed_at + reach(world) for changed_at in changes), default=NEVER)


def compute_occurrences(course: Course, *, floor: datetime, decided: Mapping[str, set[Key]]) -> dict[str, Occurrence]:
    """Per activity the earliest undecided occurrence on the course; activities without one are absent. Pure."""
    none: set[Key] = set()
    found = {}
    for key in activity_keys(course.timeline):
        earliest = earliest_undecided(course, key, from_at=floor, decided=decided.get(key, none))
        if earliest is not None:
            found[key] = earliest
    return found


def _save(
    connection: Connection,
    organisation_id: int,
    now: datetime,
    subjects: Sequence[_Subject],
    world: World,
    outages: tuple[Span, ...],
    decided: dict[tuple[int, str], set[Key]],
) -> None:
    heads: list[Head] = []
    gone: list[int] = []
    courses: list[tuple[_Subject, Head | None, Course]] = []
    for subject in subjects:
        timeline = segments(subject.facts, world)
        head = compute_head(subject.enrolment_id, subject.facts, timeline, world, cohort_id=subject.cohort_id, now=now)
        course = Course(as_of(timeline, now), subject.facts.anchor_on, outages, subject.facts.events)
        courses.append((subject, head, course))
    changed = [
        Changed(subject.enrolment_id, subject.facts.patient_id, course, subject.since_at)
        for subject, head, course in courses
        if head is not None
    ]
    decisions = fulfilled_at_changes(connection, organisation_id=organisation_id, changed=changed, decided=decided)
    rows: list[Row] = []
    empty: list[tuple[int, str]] = []
    for subject, head, course in courses:
        new, fulfilled = _rows(connection, organisation_id, subject, course, decided, now)
        decisions.extend(fulfilled)
        if head is None or (head.ended_at is not None and not new):
            gone.append(subject.enrolment_id)
            continue
        heads.append(head)
        rows.extend(row for row in new if row not in subject.rows)
        kept = {row.activity_key for row in new}
        empty.extend((row.enrolment_id, row.activity_key) for row in subject.rows if row.activity_key not in kept)
    store.save_decisions(connection, organisation_id=organisation_id, decisions=decisions, decided_at=now)
    store.save_rows(connection, organisation_id=organisation_id, rows=rows)
    count_runs(connection, organisation_id=organisation_id, rows=_gone_on(subjects, rows))
    store.delete_rows(connection, organisation_id=organisation_id, keys=empty)
    store.save_heads(connection, organisation_id=organisation_id, heads=heads, computed_at=now)
    store.delete_agendas(connection, organisation_id=organisation_id, enrolment_ids=gone)


def count_runs(connection: Connection, *, organisation_id: int, rows: Collection[tuple[int, str]]) -> None:
    """The rows (enrolment, activity) know how many occurrences before theirs were missed in a row, as decided.

    A pause or a version without the activity leaves no row to count on; neither counts nor breaks the run.
    Locks: agenda rows, under their held heads.
    """
    if not rows:
        return
    last = judgement_store.list_last_states(connection, organisation_id=organisation_id, rows=rows, most=_MOST_RUN)
    counts = {(enrolment_id, key): (held, run_length(states)) for enrolment_id, key, held, states in last}
    changed = {name: count for name, (held, count) in counts.items() if count != held}
    judgement_store.set_missed_in_a_row(connection, organisation_id=organisation_id, counts=changed)


def _gone_on(subjects: Sequence[_Subject], rows: Sequence[Row]) -> list[tuple[int, str]]:
    """The rows that hold another occurrence than before; those of newcomers have nothing behind them."""
    held = {(row.enrolment_id, row.activity_key): row.key for subject in subjects for row in subject.rows}
    newcomers = {subject.enrolment_id for subject in subjects if subject.head is None}
    names = [
        (row.enrolment_id, row.activity_key)
        for row in rows
        if row.key != held.get((row.enrolment_id, row.activity_key))
    ]
    return [name for name in names if name[0] not in newcomers]


def _rows(
    connection: Connection,
    organisation_id: int,
    subject: _Subject,
    course: Course,
    decided: dict[tuple[int, str], set[Key]],
    now: datetime,
) -> tuple[list[Row], list[store.Decision]]:
    """The rows of one enrolment; what was measured in a window before it became the row's counts for it."""
    before = {row.activity_key: row for row in subject.rows}
    decisions: list[store.Decision] = []
    rows: list[Row] = []
    for key in activity_keys(course.timeline):
        done = decided.setdefault((subject.enrolment_id, key), set())
        while True:
            occurrence = earliest_undecided(course, key, from_at=subject.floor, decided=done)
            if occurrence is None:
                break
            row = _row(subject, occurrence, before.get(key), now)
            if row.taken < 0:
                asked = asked_for(subject.facts.patient_id, course, occurrence)
                (taken,) = store.list_measurements_in(connection, organisation_id=organisation_id, asked=[asked])
                row = replace(row, taken=min(len(taken), occurrence.quantity - 1))
                if len(taken) >= occurrence.quantity:
                    last = taken[occurrence.quantity - 1]
                    decisions.append(store.Decision(subject.enrolment_id, occurrence, OccurrenceState.FULFILLED, last))
                    done.add(occurrence.key)
                    continue
            rows.append(row)
            break
    return rows, decisions


def _row(subject: _Subject, occurrence: Occurrence, before: Row | None, now: datetime) -> Row:
    """The occurrence as a row; `taken` is -1 where measurements from before it was the row's may count for it."""
    assert occurrence.fate is Fate.ASKED
    same = before is not None and before.key == occurrence.key and before.opens_at == occurrence.opens_at
    if same:
        assert before is not None
        taken = before.taken
    else:
        # Half of a quantity may have been taken while the row still held an earlier occurrence.
        half_taken = occurrence.quantity > 1 and occurrence.nominal_at < now
        taken = -1 if occurrence.nominal_at < occurrence.opens_at or half_taken else 0
    return Row(
        enrolment_id=subject.enrolment_id,
        activity_key=occurrence.activity_key,
        cohort_id=subject.cohort_id,
        protocol_id=occurrence.protocol_id,
        version_number=occurrence.version_number,
        on=occurrence.on,
        slot=occurrence.slot,
        opens_at=occurrence.opens_at,
        closes_at=occurrence.closes_at,
        judge_at=occurrence.judge_at,
        taken=taken,
        missed_in_a_row=before.missed_in_a_row if before else 0,
    )
