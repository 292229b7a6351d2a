"""Finds what measurements fulfil where own facts or earlier judgements matter: along the enrolment's own course."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from lockstep.domain.agenda import activity_keys, activity_of, occurrences
from lockstep.domain.matching import Candidate, match
from lockstep.domain.occurrence import Fate, Occurrence, OccurrenceState
from lockstep.engine.course import OwnCourse
from lockstep.engine.matching_agenda import Agenda
from lockstep.engine.matching_taking import Found, Stored, Taking, reach_of
from lockstep.store import agenda as agenda_store
from lockstep.store import measurement as store

Walk = tuple[Agenda, Stored, dict[str, list[Occurrence]]]
"""A measurement of an enrolment with the occurrences that may take it, by activity."""


def match_apart(taking: Taking, apart: Mapping[int, Sequence[Stored]]) -> None:
    """What these enrolments' measurements fulfil is noted in `taking`. Locks: none beyond those of its agendas."""
    of_enrolment = taking.agendas.of_enrolment
    own = taking.agendas.own([each for each in apart if of_enrolment[each].course.shared])
    walks: list[Walk] = []
    for enrolment_id, measured in apart.items():
        agenda = of_enrolment[enrolment_id]
        if enrolment_id in own:
            agenda.course = own[enrolment_id]
        assert isinstance(agenda.course, OwnCourse)
        walks.extend((agenda, each, _around(agenda.course, each)) for each in measured)
    taking.recall_decided((agenda, each) for agenda, each, _ in walks)
    _recall_states(taking, walks)
    _recall_counts(taking, walks)
    for agenda, each, around in walks:
        for activity_key, candidates in around.items():
            _walked(taking, agenda, each, activity_key, candidates)


def _recall_states(taking: Taking, walks: Sequence[Walk]) -> None:
    keys = {
        (agenda.enrolment_id, occurrence.activity_key, *occurrence.key)
        for agenda, occurrence in _all(walks)
        if (occurrence.activity_key, occurrence.key) not in agenda.states
    }
    states = store.list_states(taking.agendas.connection, organisation_id=taking.agendas.organisation_id, keys=keys)
    for (enrolment_id, activity_key, on, slot), state in states.items():
        taking.agendas.of_enrolment[enrolment_id].states[activity_key, (on, slot)] = state


def _recall_counts(taking: Taking, walks: Sequence[Walk]) -> None:
    """Measurements taken before this batch inside windows that want several."""
    asked = {}
    for agenda, each, around in walks:
        for occurrence in (each for found in around.values() for each in found):
            if occurrence.quantity > 1:
                name = (agenda.enrolment_id, occurrence.activity_key, occurrence.key)
                asked[name] = agenda_store.Asked(
                    agenda.patient_id, each.code, occurrence.nominal_at, occurrence.judge_at
                )
    counted = taking.numbers_before(list(asked.values()))
    for (enrolment_id, activity_key, key), before in zip(asked, counted, strict=True):
        taking.agendas.of_enrolment[enrolment_id].counted.setdefault((activity_key, key), before)


def _walked(taking: Taking, agenda: Agenda, each: Stored, activity_key: str, around: Sequence[Occurrence]) -> None:
    """The measurement counts for the occurrence it fits best, if there is one, whether the row stands there or not."""
    row = agenda.rows.get(activity_key)
    open_ones = {}
    for occurrence in around:
        state = agenda.states.get((activity_key, occurrence.key))
        if state is None or state[0] is OccurrenceState.MISSED:
            taken = len(agenda.counted.get((activity_key, occurrence.key), ()))
            if row is not None and row.key == occurrence.key:
                taken = row.taken
            open_ones[occurrence.key] = (occurrence, _candidate(occurrence, taken))
    matched = match([candidate for _, candidate in open_ones.values()], each.at)
    if matched is None:
        return
    occurrence = open_ones[matched.candidate.on, matched.candidate.slot][0]
    if row is not None and row.key == occurrence.key:
        completes, following = taking.follow(agenda, row, occurrence.quantity)
        taking.take(agenda, row, each, matched.late, completes, following)
        return
    agenda.counted.setdefault((activity_key, occurrence.key), []).append(each.measurement_id)
    if matched.completes:
        _decide(taking.found, agenda, each, occurrence, matched.late)


def _decide(found: Found, agenda: Agenda, each: Stored, occurrence: Occurrence, late: bool) -> None:
    """An occurrence that is not the row's is fulfilled: for the first time, or in correction of a miss."""
    state = OccurrenceState.FULFILLED_LATE if late else OccurrenceState.FULFILLED
    key = (occurrence.activity_key, occurrence.key)
    before = agenda.states.get(key)
    agenda.decided.setdefault(occurrence.activity_key, set()).add(occurrence.key)
    if before is None:
        agenda.states[key] = (state, 0)
        found.decisions.append(agenda_store.Decision(agenda.enrolment_id, occurrence, state, each.measurement_id))
        return
    number = before[1] + 1
    agenda.states[key] = (state, number)
    found.corrected.append((agenda, occurrence))
    found.corrections.append(
        store.Correction(
            enrolment_id=agenda.enrolment_id,
            activity_key=occurrence.activity_key,
            on=occurrence.on,
            slot=occurrence.slot,
            number=number,
            state=state,
            measurement_id=each.measurement_id,
        )
    )


def _all(walks: Sequence[Walk]) -> Iterator[tuple[Agenda, Occurrence]]:
    for agenda, _, around in walks:
        for found in around.values():
            for occurrence in found:
                yield agenda, occurrence


def _around(course: OwnCourse, each: Stored) -> dict[str, list[Occurrence]]:
    """By activity the asked occurrences that take a measurement of this code and instant, early enough or in grace."""
    found: dict[str, list[Occurrence]] = {}
    timeline = course.course.timeline
    for key in activity_keys(timeline):
        of_key = [activity for segment in timeline if (activity := activity_of(segment, key)) is not None]
        if all(activity.code != each.code for activity in of_key):
            continue
        if timeline[0].from_at - each.at > max(map(reach_of, of_key)):
            continue  # no window that is open when the enrolment begins opened so long before
        grace = timedelta(minutes=max(activity.grace_minutes for activity in of_key))
        until_at = max(each.at, timeline[-1].from_at)
        for occurrence in occurrences(course.course, key, from_at=each.at - grace, in_pauses=False):
            if occurrence.nominal_at > until_at:
                break
            if (
                occurrence.fate is Fate.ASKED
                and occurrence.nominal_at <= each.at < occurrence.judge_at
                and _code(course, occurrence) == each.code
            ):
                found.setdefault(key, []).append(occurrence)
    return found


def _code(course: OwnCourse, occurrence: Occurrence) -> str | None:
    for segment in course.course.timeline:
        if (segment.protocol_id, segment.version_number) == (occurrence.protocol_id, occurrence.version_number):
            activity = activity_of(segment, occurrence.activity_key)
            return activity.code if activity else None
    return None


def _candidate(occurrence: Occurrence, taken: int) -> Candidate:
    return Candidate(
        activity_key=occurrence.activity_key,
        on=occurrence.on,
        slot=occurrence.slot,
        opens_at=occurrence.nominal_at,
        closes_at=occurrence.closes_at,
        grace_until_at=occurrence.judge_at,
        quantity=occurrence.quantity,
        taken_count=taken,
    )
