"""The pure twin: the whole engine as dictionaries and domain functions, computed from all facts at every question."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import takewhile

from lockstep.domain.agenda import Course, activity_keys, activity_of, asked_at_changes, occurrences
from lockstep.domain.answer import AnsweredOccurrence, Decided, answered
from lockstep.domain.asked import asked_in
from lockstep.domain.occurrence import Fate, Key, Occurrence, OccurrenceState
from lockstep.domain.timeline import EnrolmentFacts, Span, World, as_of, in_force, segments

HORIZON = timedelta(days=9)
MISSED, FULFILLED, LATE = OccurrenceState.MISSED, OccurrenceState.FULFILLED, OccurrenceState.FULFILLED_LATE
WAIVED = OccurrenceState.WAIVED

Name = tuple[int, str, Key]
"""Enrolment, activity, key: what names an occurrence."""


@dataclass
class Twin:
    """Facts, measurements and decisions; nothing derived is kept beyond the instant it was asked for."""

    protocols: World = field(default_factory=dict)
    enrolments: dict[int, EnrolmentFacts] = field(default_factory=dict)
    outages: tuple[Span, ...] = ()
    measurements: dict[int, list[tuple[datetime, str, datetime]]] = field(default_factory=lambda: defaultdict(list))
    matched: dict[tuple[int, str, Key, datetime], int] = field(default_factory=lambda: defaultdict(int))
    decided: dict[Name, Decided] = field(default_factory=dict)
    corrected: set[tuple[int, str]] = field(default_factory=set)
    _paused: set[int] = field(default_factory=set)
    _asked: dict[tuple[int, str, datetime], list[Occurrence]] = field(default_factory=dict)
    _courses: dict[tuple[int, datetime], Course] = field(default_factory=dict)

    def learn(self, protocols: World, enrolments: dict[int, EnrolmentFacts], outages: tuple[Span, ...]) -> None:
        """The facts are these."""
        known = self.enrolments
        self._paused = {
            each for each, facts in enrolments.items() if each in known and facts.pauses != known[each].pauses
        }
        self.protocols, self.enrolments, self.outages = protocols, enrolments, outages
        self._asked.clear()
        self._courses.clear()

    def course(self, enrolment_id: int, at: datetime) -> Course:
        """What is in force at the instant, without what is scheduled for later."""
        if (enrolment_id, at) not in self._courses:
            facts = self.enrolments[enrolment_id]
            timeline = as_of(segments(facts, self.protocols), at)
            self._courses[enrolment_id, at] = Course(timeline, facts.anchor_on, self.outages, facts.events)
        return self._courses[enrolment_id, at]

    def asked(self, enrolment_id: int, key: str, at: datetime) -> list[Occurrence]:
        """Asked occurrences of an activity from the beginning of the enrolment until well after the instant."""
        name = (enrolment_id, key, at)
        if name not in self._asked:
            self._asked[name] = list(self._walk(enrolment_id, key, at))
        return self._asked[name]

    def _walk(self, enrolment_id: int, key: str, at: datetime) -> Iterable[Occurrence]:
        course, begins = self.course(enrolment_id, at), self.enrolments[enrolment_id].enrolled_at
        for occurrence in occurrences(course, key, from_at=begins, in_pauses=False):
            if occurrence.nominal_at > at + HORIZON:
                break
            if occurrence.fate is Fate.ASKED:
                yield occurrence

    def keys(self, enrolment_id: int, at: datetime) -> list[str]:
        """All activities that were ever in force."""
        return activity_keys(self.course(enrolment_id, at).timeline)

    def code(self, enrolment_id: int, occurrence: Occurrence, at: datetime) -> str:
        """What is measured for the occurrence."""
        timeline = self.course(enrolment_id, at).timeline
        segment = asked_in(timeline, occurrence.activity_key, occurrence.key, occurrence.opens_at)
        activity = activity_of(segment, occurrence.activity_key) if segment else None
        return activity.code if activity else ""

    def taken(self, enrolment_id: int, occurrence: Occurrence, at: datetime) -> int:
        """How many measurements count for the occurrence: matched to it, or taken before it was asked (rule 4)."""
        earlier = 0
        if occurrence.nominal_at < occurrence.opens_at:
            code = self.code(enrolment_id, occurrence, at)
            earlier = sum(
                each == code and occurrence.nominal_at <= taken_at < occurrence.opens_at
                for taken_at, each, _ in self.measurements[self.enrolments[enrolment_id].patient_id]
            )
        return earlier + self.matched[enrolment_id, occurrence.activity_key, occurrence.key, occurrence.opens_at]

    def settle(self, at: datetime) -> None:
        """What earlier measurements fulfil as a change asks it is decided (rule 4), whatever later ones make of it."""
        for enrolment_id, facts in self.enrolments.items():
            for key in self.keys(enrolment_id, at):
                for each in asked_at_changes(self.course(enrolment_id, at), key, since_at=facts.enrolled_at):
                    if (enrolment_id, key, each.key) not in self.decided:
                        before = self._before(enrolment_id, each, at)
                        if len(before) >= each.quantity:
                            self._decide(enrolment_id, each, FULFILLED, before[each.quantity - 1])

    def _before(self, enrolment_id: int, occurrence: Occurrence, at: datetime) -> list[datetime]:
        """When something was measured in the nominal window, known when the occurrence was asked."""
        code = self.code(enrolment_id, occurrence, at)
        return sorted(
            taken_at
            for taken_at, of, received_at in self.measurements[self.enrolments[enrolment_id].patient_id]
            if of == code and occurrence.nominal_at <= taken_at and received_at < occurrence.opens_at
        )

    def measure(self, patient_id: int, code: str, taken_at: datetime, at: datetime) -> None:
        """A measurement came in at `at`: per activity it counts for the window that closes first."""
        for enrolment_id, facts in self.enrolments.items():
            if facts.patient_id == patient_id:
                for key in self.keys(enrolment_id, at):
                    self._match(enrolment_id, key, code, taken_at, at)
        self.measurements[patient_id].append((taken_at, code, at))

    def _match(self, enrolment_id: int, key: str, code: str, taken_at: datetime, at: datetime) -> None:
        candidates = [
            each
            for each in self.asked(enrolment_id, key, at)
            if self._is_wanting(enrolment_id, each)
            and each.nominal_at <= taken_at < each.judge_at
            and self.code(enrolment_id, each, at) == code
        ]
        inside = [each for each in candidates if taken_at < each.closes_at]
        if not candidates:
            return
        chosen = min(inside or candidates, key=lambda each: (each.closes_at, each.opens_at))
        name = (enrolment_id, chosen.activity_key, chosen.key, chosen.opens_at)
        taken = self.taken(enrolment_id, chosen, at) + 1
        if taken_at >= chosen.opens_at:
            # One from before it was asked is counted as such.
            self.matched[name] += 1
        if taken >= chosen.quantity:
            self._decide(enrolment_id, chosen, FULFILLED if inside else LATE, taken_at)

    def _is_wanting(self, enrolment_id: int, occurrence: Occurrence) -> bool:
        decided = self.decided.get((enrolment_id, occurrence.activity_key, occurrence.key))
        return decided is None or decided.state is MISSED

    def judge(self, at: datetime, left_out: Set[int]) -> None:
        """Everything due until the instant is decided, also what closed before a discharge."""
        for enrolment_id in self.enrolments.keys() - left_out:
            for key in self.keys(enrolment_id, at):
                for occurrence in self.asked(enrolment_id, key, at):
                    name = (enrolment_id, key, occurrence.key)
                    if occurrence.judge_at <= at and name not in self.decided:
                        self._decide(enrolment_id, occurrence, MISSED, None)

    def waive(self, at: datetime) -> None:
        """What was missed in a pause of which somebody told since is waived, unless it is asked on resumption."""
        for name, decided in self.decided.items():
            if name[0] not in self._paused or decided.state is not MISSED:
                continue
            walked = occurrences(self.course(name[0], at), name[1], from_at=self.enrolments[name[0]].enrolled_at)
            fates = {each.fate for each in takewhile(lambda each: each.nominal_at <= at, walked) if each.key == name[2]}
            if Fate.WAIVED in fates and Fate.ASKED not in fates:
                self.decided[name] = replace(decided, state=WAIVED)

    def _decide(
        self, enrolment_id: int, occurrence: Occurrence, state: OccurrenceState, taken_at: datetime | None
    ) -> None:
        name = (enrolment_id, occurrence.activity_key, occurrence.key)
        if name in self.decided:
            self.corrected.add(name[:2])
            self.decided[name] = replace(self.decided[name], state=state, taken_at=taken_at)
            return
        self.decided[name] = Decided(
            activity_key=occurrence.activity_key,
            on=occurrence.on,
            slot=occurrence.slot,
            protocol_id=occurrence.protocol_id,
            version_number=occurrence.version_number,
            opens_at=occurrence.opens_at,
            closes_at=occurrence.closes_at,
            judge_at=occurrence.judge_at,
            state=state,
            taken_at=taken_at,
        )

    # -- what follows from it

    def first(self, enrolment_id: int, key: str, at: datetime) -> Occurrence | None:
        """The earliest undecided occurrence of an activity."""
        undecided = [
            each for each in self.asked(enrolment_id, key, at) if (enrolment_id, key, each.key) not in self.decided
        ]
        return min(undecided, key=lambda each: (each.judge_at, each.opens_at), default=None)

    def rows(self, enrolment_id: int, at: datetime) -> dict[str, tuple[object, ...]]:
        """Per activity the earliest undecided occurrence: (on, slot, opens, closes, judged, taken, missed in a row)."""
        found: dict[str, tuple[object, ...]] = {}
        for key in self.keys(enrolment_id, at):
            first = self.first(enrolment_id, key, at)
            if first is not None:
                taken = self.taken(enrolment_id, first, at)
                missed = self.run(enrolment_id, key, first)
                found[key] = (first.on, first.slot, first.opens_at, first.closes_at, first.judge_at, taken, missed)
        return found

    def run(self, enrolment_id: int, key: str, before: Occurrence) -> int:
        """How many occurrences before this one were missed in a row."""
        last = (before.judge_at, before.opens_at)
        run = 0
        for each in reversed(self.history(enrolment_id, key)):
            if (each.judge_at, each.opens_at) < last and each.state is not WAIVED:
                if each.state is not MISSED:
                    break
                run += 1
        return run

    def history(self, enrolment_id: int, key: str) -> list[Decided]:
        """The decided occurrences of an activity in the order in which they are judged."""
        decided = [each for name, each in self.decided.items() if name[:2] == (enrolment_id, key)]
        return sorted(decided, key=lambda each: (each.judge_at, each.opens_at))

    def alerts(self) -> dict[tuple[int, str, str], int]:
        """How many occurrences the open alert of each rule lists: each missed one, and those of runs of two or more."""
        found: dict[tuple[int, str, str], int] = defaultdict(int)
        for enrolment_id, key in {name[:2] for name in self.decided}:
            run = 0
            history = [each for each in self.history(enrolment_id, key) if each.state is not WAIVED]
            for each in [*(each.state is MISSED for each in history), False]:
                if each:
                    run += 1
                    found[enrolment_id, key, "missed"] += 1
                    continue
                if run > 1:
                    found[enrolment_id, key, "silent"] += run
                run = 0
        return found

    def effect(
        self, before: Mapping[int, Course], protocol_id: int, chosen: Set[int], at: datetime
    ) -> tuple[int, dict[str, int]]:
        """Whom a switch at the instant concerned, and what became of the occurrences that were open at it.

        Those that events started are left out, as in a preview.
        """
        patients, counts = 0, dict.fromkeys(("go_on", "superseded", "asked_at_once", "waived"), 0)
        for enrolment_id in chosen & before.keys():
            segment = in_force(before[enrolment_id].timeline, at)
            if segment is None or segment.protocol_id != protocol_id:
                continue
            patients += 1
            for key in set(self.keys(enrolment_id, at)) - {"recheck"}:
                for fate in self._fates(enrolment_id, key, before[enrolment_id], at):
                    counts[fate] += 1
        return patients, counts

    def _fates(self, enrolment_id: int, key: str, before: Course, at: datetime) -> Iterable[str]:
        was_open = {
            each.key
            for each in self._open(before, key, at)
            if each.fate is Fate.ASKED and each.opens_at < at and (enrolment_id, key, each.key) not in self.decided
        }
        for each in self._open(self.course(enrolment_id, at), key, at):
            if each.opens_at < at and each.key in was_open and each.fate is not Fate.WAIVED:
                yield "superseded" if each.fate is Fate.SUPERSEDED else "go_on"
            elif each.nominal_at < at == each.opens_at and each.fate is Fate.ASKED:
                yield "asked_at_once"
            elif each.fate is Fate.WAIVED and each.ended_at == at:
                yield "waived"

    @staticmethod
    def _open(course: Course, key: str, at: datetime) -> Iterable[Occurrence]:
        return takewhile(lambda each: each.nominal_at <= at, occurrences(course, key, from_at=at))

    def answer(
        self, enrolment_id: int, from_at: datetime, until_at: datetime, at: datetime
    ) -> tuple[AnsweredOccurrence, ...]:
        """The occurrences that meet a span with their states, what is scheduled included."""
        facts = self.enrolments[enrolment_id]
        course = Course(segments(facts, self.protocols), facts.anchor_on, self.outages, facts.events)
        decided = [
            each
            for name, each in self.decided.items()
            if name[0] == enrolment_id and each.closes_at > from_at and each.opens_at < until_at
        ]
        return answered(course, decided, from_at=from_at, until_at=until_at, at=at)
