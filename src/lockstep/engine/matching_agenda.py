"""The agendas that a batch of measurements concerns: held, in step at one instant, each with its course."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from lockstep.domain.agenda import Head, Row
from lockstep.domain.alert import RELEVANT_FOR
from lockstep.domain.measurement import OLDEST_TRUSTED
from lockstep.domain.occurrence import Key, OccurrenceState
from lockstep.domain.timeline import ProtocolFacts, Span
from lockstep.engine.agenda import bring_in_step
from lockstep.engine.course import Memory, OwnCourse, SharedCourse
from lockstep.engine.selection import list_memberships
from lockstep.store import measurement as store
from lockstep.store import timeline as facts_store
from lockstep.store.database import Connection

_OUTAGES_REACH = timedelta(days=45)


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
        self.connection = connection
        self._memory = memory
        self.organisation_id = organisation_id
        self._patient_of = {each: patient for patient, enrolments in people.values() for each, _ in enrolments}
        self._outages: tuple[Span, ...] | None = None
        self._hold(people, codes)
        self._members = self._memberships()
        self._bring_in_step()
        self.of_enrolment: dict[int, Agenda] = {}
        self.of_patient: dict[int, list[Agenda]] = {}
        self._open()

    def _hold(self, people: Mapping[str, store.Person], codes: Mapping[str, Collection[str]]) -> None:
        """Heads, the instant, the rows of the measured activities and the protocols, in that order."""
        before = {protocol for _, enrolments in people.values() for _, protocol in enrolments if protocol is not None}
        remembered = self._memory.recall(self.connection, organisation_id=self.organisation_id, protocol_ids=before)
        held = store.hold_agendas(
            self.connection,
            organisation_id=self.organisation_id,
            enrolment_ids=sorted(self._patient_of),
            wanted=self._wanted(people, codes),
            protocol_ids=remembered,
        )
        self._heads, self.now, self._rows = held.heads, held.now, held.rows
        current = {head.protocol_id for head in self._heads.values()}
        keys = self._keys(codes)
        self._protocols = self._memory.world(
            self.connection,
            organisation_id=self.organisation_id,
            protocol_ids=current,
            marks=held.marks if current <= remembered else None,
        )
        if self._keys(codes) != keys:
            # A version that we had not seen measures the codes under other keys.
            self._rows = store.hold_agendas(
                self.connection,
                organisation_id=self.organisation_id,
                enrolment_ids=sorted(self._patient_of),
                wanted=self._wanted(people, codes),
                protocol_ids=(),
            ).rows

    def _keys(self, codes: Mapping[str, Collection[str]]) -> dict[str, frozenset[str]]:
        measured = {code for of_one in codes.values() for code in of_one}
        return {code: self._memory.activity_keys(self.organisation_id, code) for code in measured}

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
        return list_memberships(
            self.connection, organisation_id=self.organisation_id, world=self._protocols, enrolment_ids=self._heads
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
        bring_in_step(self.connection, organisation_id=self.organisation_id, enrolment_ids=behind, now=self.now)
        held = store.hold_agendas(
            self.connection,
            organisation_id=self.organisation_id,
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
            self.connection,
            organisation_id=self.organisation_id,
            protocol_ids={head.protocol_id for head in self._heads.values()},
        )
        self._members = self._memberships()

    def _open(self) -> None:
        """Every enrolment has its course: the cohort's where nothing of its own can matter, else its own."""
        self._memory.recall_cohorts(
            self.connection,
            organisation_id=self.organisation_id,
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
        for enrolment_id, own_course in self.own(own).items():
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
        self.of_enrolment[agenda.enrolment_id] = agenda
        self.of_patient.setdefault(agenda.patient_id, []).append(agenda)

    def _shared(self, protocol_id: int, cohort_id: int, selections: frozenset[int]) -> SharedCourse:
        return self._memory.shared(
            self.connection,
            organisation_id=self.organisation_id,
            protocol=self._protocols[protocol_id],
            cohort_id=cohort_id,
            selections=selections,
            outages=self.known_outages(),
            now=self.now,
        )

    def known_outages(self) -> tuple[Span, ...]:
        """Outages that may still bear on what is open."""
        if self._outages is None:
            self._outages = facts_store.load_outages(
                self.connection, organisation_id=self.organisation_id, since_at=self.now - _OUTAGES_REACH
            )
        return self._outages

    def reach_back(self, oldest: Mapping[int, datetime]) -> None:
        """Patients who measured before the course at hand holds for them get their own, with the outages of that time.

        `oldest` is the earliest instant of each patient. Locks: none.
        """
        early = {
            enrolment_id: oldest[agenda.patient_id]
            for enrolment_id, agenda in self.of_enrolment.items()
            if agenda.patient_id in oldest and oldest[agenda.patient_id] < self._holds_from(agenda)
        }
        if not early:
            return
        outages = facts_store.load_outages(
            self.connection, organisation_id=self.organisation_id, since_at=min(early.values()) - _OUTAGES_REACH
        )
        for enrolment_id, course in self.own(sorted(early), outages=outages).items():
            self.of_enrolment[enrolment_id].course = course

    def _holds_from(self, agenda: Agenda) -> datetime:
        """From when on the agenda's course says what was in force for the enrolment; a cohort knows no enrolments."""
        head = agenda.head
        course = agenda.course
        if head is None or isinstance(course, OwnCourse):
            return self.now - OLDEST_TRUSTED
        moved = head.protocol_id != head.assigned_protocol_id
        # A head does not know when a switch moved it: what pages was taken within that time, the rest is looked up.
        since_at = self.now - (RELEVANT_FOR if moved else OLDEST_TRUSTED)
        return max(since_at, head.assigned_at, head.individual_until, course.governs_from)

    def own(self, enrolment_ids: Sequence[int], *, outages: tuple[Span, ...] | None = None) -> dict[int, OwnCourse]:
        """The courses of enrolments from their own facts; `outages` are those that may bear on them. Locks: none."""
        if not enrolment_ids:
            return {}
        known = facts_store.load_enrolments(
            self.connection, organisation_id=self.organisation_id, enrolment_ids=enrolment_ids
        )
        world = self._memory.world(
            self.connection,
            organisation_id=self.organisation_id,
            protocol_ids={assigned.protocol_id for facts in known.values() for assigned in facts.assignments},
        )
        outages = self.known_outages() if outages is None else outages
        return {each: OwnCourse(facts, world, outages, self.now) for each, facts in known.items()}


def _newest_generation(protocol: ProtocolFacts, selections: frozenset[int], now: datetime) -> int:
    return max(
        (
            switch.generation
            for switch in protocol.switches
            if switch.generation is not None and switch.first_at <= now and switch.holds(selections)
        ),
        default=0,
    )
