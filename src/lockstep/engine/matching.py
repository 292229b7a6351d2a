"""Finds what measurements fulfil: at once in the agenda's rows, else by walking the enrolment's own course."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from lockstep.domain.agenda import Head, Row, activity_keys, activity_of, occurrences
from lockstep.domain.content import Activity
from lockstep.domain.matching import Candidate, match
from lockstep.domain.occurrence import Fate, Key, Occurrence, OccurrenceState
from lockstep.domain.schedule import AfterEvent
from lockstep.domain.timeline import ProtocolFacts, Span
from lockstep.engine.agenda import bring_in_step
from lockstep.engine.course import Memory, NotShared, OwnCourse, SharedCourse
from lockstep.store import agenda as agenda_store
from lockstep.store import measurement as store
from lockstep.store import timeline as facts_store
from lockstep.store.database import Connection

_OUTAGES_REACH = timedelta(days=45)
_FULFILLED = (OccurrenceState.FULFILLED, OccurrenceState.FULFILLED_LATE)


@dataclass(frozen=True, slots=True)
class Stored:
    """A measurement that has just been stored, at the instant it belongs to."""

    measurement_id: int
    patient_id: int
    code: str
    at: datetime
    value: Decimal | None
    unit: str
    finding: str | None


@dataclass(slots=True)
class Agenda:
    """What one enrolment is asked, while its head is held; without a head it has ended."""

    enrolment_id: int
    patient_id: int
    head: Head | None
    rows: dict[str, Row]
    course: SharedCourse | OwnCourse
    decided: dict[str, set[Key]] = field(default_factory=dict)
    counted: dict[tuple[str, Key], list[int]] = field(default_factory=dict)
    states: dict[tuple[str, Key], tuple[OccurrenceState, int]] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)

    def count_missed(self, activity_key: str, missed_in_a_row: int) -> None:
        """The row of the activity knows how many occurrences before it were missed."""
        self.rows[activity_key] = replace(self.rows[activity_key], missed_in_a_row=missed_in_a_row)
        self.changed.add(activity_key)


@dataclass(slots=True)
class Found:
    """What is to be written: decisions, corrections, and the agendas whose rows changed."""

    decisions: list[agenda_store.Decision] = field(default_factory=list)
    corrections: list[store.Correction] = field(default_factory=list)
    corrected: list[tuple[Agenda, Occurrence]] = field(default_factory=list)
    changed: dict[int, Agenda] = field(default_factory=dict)


class Agendas:
    """The agendas that measurements of one batch concern, held and in step at one instant, `now`."""

    def __init__(
        self,
        connection: Connection,
        memory: Memory,
        *,
        organisation_id: int,
        people: Mapping[str, store.Person],
        codes: Mapping[str, Collection[str]],
    ) -> None:
        """Holds the heads of all enrolments of these patients; `codes` says what each identifier has measured.

        Locks: agenda_head in key order, for no key update.
        """
        self._connection = connection
        self._memory = memory
        self._organisation_id = organisation_id
        self._patient_of = {each: patient for patient, enrolments in people.values() for each, _ in enrolments}
        self._outages: tuple[Span, ...] | None = None
        self._batch: set[int] = set()
        self._hold(people, codes)
        self._members = self._memberships()
        self._bring_in_step()
        self._agendas: dict[int, Agenda] = {}
        self.of_patient: dict[int, list[Agenda]] = {}
        self._open()

    def _hold(self, people: Mapping[str, store.Person], codes: Mapping[str, Collection[str]]) -> None:
        """Heads, the instant, the rows of the measured activities and the protocols, in that order."""
        before = {protocol for _, enrolments in people.values() for _, protocol in enrolments if protocol is not None}
        remembered = self._memory.recall(self._connection, organisation_id=self._organisation_id, protocol_ids=before)
        held = store.hold_agendas(
            self._connection,
            organisation_id=self._organisation_id,
            enrolment_ids=sorted(self._patient_of),
            wanted=self._wanted(people, codes),
            protocol_ids=remembered,
        )
        self._heads, self.now, self._rows = held.heads, held.now, held.rows
        current = {head.protocol_id for head in self._heads.values()}
        keys = self._keys(codes)
        self._protocols = self._memory.world(
            self._connection,
            organisation_id=self._organisation_id,
            protocol_ids=current,
            marks=held.marks if current <= remembered else None,
        )
        if self._keys(codes) != keys:
            # A version that we had not seen measures the codes under other keys.
            self._rows = store.hold_agendas(
                self._connection,
                organisation_id=self._organisation_id,
                enrolment_ids=sorted(self._patient_of),
                wanted=self._wanted(people, codes),
                protocol_ids=(),
            ).rows

    def _keys(self, codes: Mapping[str, Collection[str]]) -> dict[str, frozenset[str]]:
        measured = {code for of_one in codes.values() for code in of_one}
        return {code: self._memory.activity_keys(self._organisation_id, code) for code in measured}

    def _wanted(
        self, people: Mapping[str, store.Person], codes: Mapping[str, Collection[str]]
    ) -> list[tuple[int, str]]:
        keys = self._keys(codes)
        return [
            (enrolment_id, key)
            for identifier, (_, enrolments) in people.items()
            for enrolment_id, protocol_id in enrolments
            if protocol_id is not None
            for key in sorted({key for code in codes[identifier] for key in keys[code]})
        ]

    def _memberships(self) -> dict[int, frozenset[int]]:
        selections = {
            switch.selection_id
            for protocol in self._protocols.values()
            for switch in protocol.switches
            if switch.selection_id is not None
        }
        if not selections:
            return {}
        return store.list_memberships(
            self._connection,
            organisation_id=self._organisation_id,
            enrolment_ids=self._heads.keys(),
            selection_ids=selections,
        )

    def _bring_in_step(self) -> None:
        newest: dict[tuple[int, frozenset[int]], int] = {}
        none: frozenset[int] = frozenset()
        behind = []
        for enrolment_id, head in self._heads.items():
            key = (head.protocol_id, self._members.get(enrolment_id, none))
            if key not in newest:
                newest[key] = _newest_generation(self._protocols[key[0]], key[1], self.now)
            if head.generation < newest[key] or (head.next_change_at is not None and head.next_change_at <= self.now):
                behind.append(enrolment_id)
        if not behind:
            return
        bring_in_step(self._connection, organisation_id=self._organisation_id, enrolment_ids=behind, now=self.now)
        held = store.hold_agendas(
            self._connection,
            organisation_id=self._organisation_id,
            enrolment_ids=behind,
            wanted=None,
            protocol_ids=(),
        )
        for enrolment_id in behind:
            self._heads.pop(enrolment_id)
            self._rows.pop(enrolment_id, None)
        self._heads.update(held.heads)
        self._rows.update(held.rows)
        self._protocols = self._memory.world(
            self._connection,
            organisation_id=self._organisation_id,
            protocol_ids={head.protocol_id for head in self._heads.values()},
        )
        self._members = self._memberships()

    def _open(self) -> None:
        """Every enrolment has its course: the cohort's where nothing of its own can matter, else its own."""
        self._memory.recall_cohorts(
            self._connection,
            organisation_id=self._organisation_id,
            cohort_ids={head.cohort_id for head in self._heads.values()},
        )
        shared: dict[tuple[int, int, frozenset[int]], SharedCourse] = {}
        none: frozenset[int] = frozenset()
        own = []
        for enrolment_id, patient_id in self._patient_of.items():
            head = self._heads.get(enrolment_id)
            rows = self._rows.get(enrolment_id, {})
            if head is None or head.individual:
                own.append(enrolment_id)
                continue
            if any(
                row.protocol_id != head.protocol_id or row.opens_at < head.individual_until for row in rows.values()
            ):
                own.append(enrolment_id)
                continue
            key = (head.protocol_id, head.cohort_id, self._members.get(enrolment_id, none))
            course = shared.get(key)
            if course is None:
                course = shared[key] = self._shared(*key)
            self._add(Agenda(enrolment_id, patient_id, head, rows, course))
        for enrolment_id, own_course in self._own(own).items():
            self._add(
                Agenda(
                    enrolment_id,
                    self._patient_of[enrolment_id],
                    self._heads.get(enrolment_id),
                    self._rows.get(enrolment_id, {}),
                    own_course,
                )
            )

    def _add(self, agenda: Agenda) -> None:
        self._agendas[agenda.enrolment_id] = agenda
        self.of_patient.setdefault(agenda.patient_id, []).append(agenda)

    def _shared(self, protocol_id: int, cohort_id: int, selections: frozenset[int]) -> SharedCourse:
        return self._memory.shared(
            self._connection,
            organisation_id=self._organisation_id,
            protocol=self._protocols[protocol_id],
            cohort_id=cohort_id,
            selections=selections,
            outages=self._known_outages(),
            now=self.now,
        )

    def _known_outages(self) -> tuple[Span, ...]:
        if self._outages is None:
            self._outages = facts_store.load_outages(
                self._connection, organisation_id=self._organisation_id, since_at=self.now - _OUTAGES_REACH
            )
        return self._outages

    def _own(self, enrolment_ids: Sequence[int]) -> dict[int, OwnCourse]:
        if not enrolment_ids:
            return {}
        known = facts_store.load_enrolments(
            self._connection, organisation_id=self._organisation_id, enrolment_ids=enrolment_ids
        )
        world = self._memory.world(
            self._connection,
            organisation_id=self._organisation_id,
            protocol_ids={assigned.protocol_id for facts in known.values() for assigned in facts.assignments},
        )
        outages = self._known_outages()
        return {each: OwnCourse(facts, world, outages, self.now) for each, facts in known.items()}

    # -- matching

    def match(self, stored: Sequence[Stored]) -> Found:
        """What the measurements fulfil, in order of the instants they belong to."""
        found = Found()
        self._batch = {each.measurement_id for each in stored}
        jobs = [
            (agenda, each)
            for each in sorted(stored, key=_in_order)
            for agenda in self.of_patient.get(each.patient_id, ())
        ]
        self._recall_decided(jobs)
        apart: dict[int, list[Stored]] = {}
        for agenda, each in jobs:
            if agenda.enrolment_id in apart:
                apart[agenda.enrolment_id].append(each)
                continue
            try:
                done = self._at_once(agenda, each, found)
            except NotShared:
                done = False
            if not done:
                apart[agenda.enrolment_id] = [each]
        if apart:
            self._apart(apart, found)
        return found

    def _recall_decided(self, jobs: Iterable[tuple[Agenda, Stored]]) -> None:
        """Keys decided at or after each row that may be left behind, further back where windows may overlap."""
        since = {}
        for agenda, each in jobs:
            for row in agenda.rows.values():
                activity = agenda.course.asked(row)
                if activity is not None and activity.code == each.code:
                    reach = timedelta() if agenda.course.shared else _reach(activity)
                    since[agenda.enrolment_id, row.activity_key] = row.on - reach
        decided = store.list_decided_since(
            self._connection,
            organisation_id=self._organisation_id,
            since=[(enrolment_id, key, on) for (enrolment_id, key), on in since.items()],
        )
        for (enrolment_id, activity_key), keys in decided.items():
            self._agendas[enrolment_id].decided.setdefault(activity_key, set()).update(keys)

    def _at_once(self, agenda: Agenda, each: Stored, found: Found) -> bool:
        """Whether the rows alone say what the measurement fulfils; then it is noted. All or nothing."""
        measured = agenda.course.measured(each.at, each.code)
        takes: list[tuple[Row, Activity, bool]] = []
        for row in agenda.rows.values():
            activity = agenda.course.asked(row)
            if activity is None:
                return False
            if activity.code != each.code:
                continue
            if row.opens_at <= each.at < row.closes_at:
                takes.append((row, activity, False))
            elif row.closes_at <= each.at < row.judge_at and self._is_late(agenda, row, each.at):
                takes.append((row, activity, True))
            else:
                return False
        if measured is not None and any(activity.key not in agenda.rows for activity in measured[1]):
            return False
        followed = [(row, late, self._follow(agenda, row, activity.quantity)) for row, activity, late in takes]
        for _, _, (_, following) in followed:
            # What was measured in a window that is open already must be counted apart.
            if following is not None and following.quantity > 1 and following.nominal_at <= self.now:
                return False
        for row, late, (completes, following) in followed:
            self._take(agenda, row, each, late, completes, following, found)
        return True

    def _is_late(self, agenda: Agenda, row: Row, at: datetime) -> bool:
        """Whether the grace of the row's occurrence is all that takes the measurement: no outage, no other window."""
        # A row is extended by an outage only when it is due: until then its own close may not be the right one.
        if any(span.meets(row.opens_at, row.closes_at) for span in self._known_outages()):
            return False
        return self._nothing_else_open(agenda, row, at)

    def _nothing_else_open(self, agenda: Agenda, row: Row, at: datetime) -> bool:
        following = agenda.course.following(row, agenda.decided.get(row.activity_key, ()))
        return following is None or following.nominal_at > at

    def _follow(self, agenda: Agenda, row: Row, quantity: int) -> tuple[bool, Occurrence | None]:
        """Whether one more measurement completes the row's occurrence, and what then follows it."""
        if row.taken + 1 < quantity:
            return False, None
        return True, agenda.course.following(row, agenda.decided.get(row.activity_key, ()))

    def _take(
        self,
        agenda: Agenda,
        row: Row,
        each: Stored,
        late: bool,
        completes: bool,
        following: Occurrence | None,
        found: Found,
    ) -> None:
        """The measurement counts for the row's occurrence; a fulfilled one gives way to the one that follows."""
        found.changed[agenda.enrolment_id] = agenda
        agenda.changed.add(row.activity_key)
        if not completes:
            agenda.rows[row.activity_key] = replace(row, taken=row.taken + 1)
            return
        state = OccurrenceState.FULFILLED_LATE if late else OccurrenceState.FULFILLED
        self._fulfil(agenda, row, state, each.measurement_id, found)
        if following is None:
            del agenda.rows[row.activity_key]
            return
        agenda.rows[row.activity_key] = after = _row(row, following)
        if following.quantity > 1 and following.nominal_at <= self.now:
            self._count_on(agenda, after, each, following, found)

    def _fulfil(self, agenda: Agenda, row: Row, state: OccurrenceState, measurement_id: int, found: Found) -> None:
        opened = agenda.course.opened(row)
        found.decisions.append(agenda_store.Decision(agenda.enrolment_id, opened, state, measurement_id))
        agenda.states[row.activity_key, row.key] = (state, 0)
        agenda.decided.setdefault(row.activity_key, set()).add(row.key)

    def _count_on(self, agenda: Agenda, row: Row, each: Stored, occurrence: Occurrence, found: Found) -> None:
        """What was measured in a window before it became the earliest undecided one counts for it."""
        name = (row.activity_key, row.key)
        if name not in agenda.counted:
            asked = agenda_store.Asked(agenda.patient_id, each.code, occurrence.nominal_at, occurrence.closes_at)
            (numbers,) = agenda_store.list_measurements_in(
                self._connection, organisation_id=self._organisation_id, asked=[asked]
            )
            agenda.counted[name] = [number for number in numbers if number not in self._batch]
        taken = agenda.counted[name]
        if len(taken) < occurrence.quantity:
            agenda.rows[row.activity_key] = replace(row, taken=len(taken))
            return
        last = taken[occurrence.quantity - 1]
        self._fulfil(agenda, row, OccurrenceState.FULFILLED, last, found)
        following = agenda.course.following(row, agenda.decided[row.activity_key])
        if following is None:
            del agenda.rows[row.activity_key]
            return
        agenda.rows[row.activity_key] = after = _row(row, following)
        if following.quantity > 1 and following.nominal_at <= self.now:
            self._count_on(agenda, after, each, following, found)

    # -- apart: enrolments whose own facts and earlier judgements must be looked at

    def _apart(self, apart: dict[int, list[Stored]], found: Found) -> None:
        own = self._own([each for each in apart if self._agendas[each].course.shared])
        walks: list[tuple[Agenda, Stored, dict[str, list[Occurrence]]]] = []
        for enrolment_id, measured in apart.items():
            agenda = self._agendas[enrolment_id]
            if enrolment_id in own:
                agenda.course = own[enrolment_id]
            assert isinstance(agenda.course, OwnCourse)
            walks.extend((agenda, each, _around(agenda.course, each)) for each in measured)
        self._recall_decided((agenda, each) for agenda, each, _ in walks)
        self._recall_states(walks)
        self._recall_counts(walks)
        for agenda, each, around in walks:
            for activity_key, candidates in around.items():
                self._walked(agenda, each, activity_key, candidates, found)

    def _recall_states(self, walks: Sequence[tuple[Agenda, Stored, dict[str, list[Occurrence]]]]) -> None:
        keys = {
            (agenda.enrolment_id, occurrence.activity_key, *occurrence.key)
            for agenda, occurrence in _all(walks)
            if (occurrence.activity_key, occurrence.key) not in agenda.states
        }
        states = store.list_states(self._connection, organisation_id=self._organisation_id, keys=keys)
        for (enrolment_id, activity_key, on, slot), state in states.items():
            self._agendas[enrolment_id].states[activity_key, (on, slot)] = state

    def _recall_counts(self, walks: Sequence[tuple[Agenda, Stored, dict[str, list[Occurrence]]]]) -> None:
        """Measurements taken before this batch inside windows that want several."""
        asked = {}
        for agenda, each, around in walks:
            for occurrence in (each for found in around.values() for each in found):
                if occurrence.quantity > 1:
                    name = (agenda.enrolment_id, occurrence.activity_key, occurrence.key)
                    asked[name] = agenda_store.Asked(
                        agenda.patient_id, each.code, occurrence.nominal_at, occurrence.judge_at
                    )
        found = agenda_store.list_measurements_in(
            self._connection, organisation_id=self._organisation_id, asked=list(asked.values())
        )
        for (enrolment_id, activity_key, key), numbers in zip(asked, found, strict=True):
            before = [number for number in numbers if number not in self._batch]
            self._agendas[enrolment_id].counted.setdefault((activity_key, key), before)

    def _walked(
        self,
        agenda: Agenda,
        each: Stored,
        activity_key: str,
        around: Sequence[Occurrence],
        found: Found,
    ) -> None:
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
            completes, following = self._follow(agenda, row, occurrence.quantity)
            self._take(agenda, row, each, matched.late, completes, following, found)
            return
        agenda.counted.setdefault((activity_key, occurrence.key), []).append(each.measurement_id)
        if matched.completes:
            self._decide(agenda, each, occurrence, matched.late, found)

    def _decide(self, agenda: Agenda, each: Stored, occurrence: Occurrence, late: bool, found: Found) -> None:
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


def _newest_generation(protocol: ProtocolFacts, selections: frozenset[int], now: datetime) -> int:
    return max(
        (
            switch.generation
            for switch in protocol.switches
            if switch.generation is not None and switch.first_at <= now and switch.holds(selections)
        ),
        default=0,
    )


def _reach(activity: Activity) -> timedelta:
    """How many dates before a row's own an occurrence may carry that closes after the row opens."""
    if isinstance(activity.schedule, AfterEvent):
        minutes = activity.schedule.delay_minutes + activity.schedule.lasts_minutes
    else:
        minutes = max(time_of_day.lasts_minutes for time_of_day in activity.schedule.times)
    return timedelta(days=minutes // 1440 + 2)


def _in_order(each: Stored) -> tuple[datetime, int]:
    return each.at, each.measurement_id


def _all(
    walks: Sequence[tuple[Agenda, Stored, dict[str, list[Occurrence]]]],
) -> Iterator[tuple[Agenda, Occurrence]]:
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


def _row(before: Row, following: Occurrence) -> Row:
    """The row once its occurrence is fulfilled: the one that follows, after no miss."""
    return Row(
        enrolment_id=before.enrolment_id,
        activity_key=before.activity_key,
        cohort_id=before.cohort_id,
        protocol_id=following.protocol_id,
        version_number=following.version_number,
        on=following.on,
        slot=following.slot,
        opens_at=following.opens_at,
        closes_at=following.closes_at,
        judge_at=following.judge_at,
        taken=0,
        missed_in_a_row=0,
    )
