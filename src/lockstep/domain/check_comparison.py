"""Compares what is stored of enrolments with what must be: in bulk, a group with the same facts at a time."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Set
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import takewhile

from lockstep.domain.answer import never_asked
from lockstep.domain.check import Activities, Demand, Period
from lockstep.domain.check_stored import (
    FULFILLED,
    MISSED,
    WAIVED,
    Decided,
    Held,
    OpenAlert,
    Question,
    Run,
    Stored,
    Unsure,
)
from lockstep.domain.content import Timing, timing
from lockstep.domain.drift import Drift, DriftKind, Evidence, evidence
from lockstep.domain.occurrence import Fate, Key, Occurrence
from lockstep.domain.rule import SEVERITIES, Missed, is_severer
from lockstep.domain.schedule import AfterEvent, windows
from lockstep.domain.timeline import World

_NOBODY: frozenset[int] = frozenset()


@dataclass(slots=True)
class Findings:
    """What a comparison found, and what it must still ask: measurements, facts as known then, earlier occurrences."""

    drifts: list[Drift] = field(default_factory=list)
    pending: set[int] = field(default_factory=set)
    questions: list[Question] = field(default_factory=list)
    unsure: list[Unsure] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    alerts: list[OpenAlert] = field(default_factory=list)

    def add(
        self, ids: Iterable[int], key: str, kind: DriftKind, expected: Evidence | None, found: Evidence | None
    ) -> None:
        """The same drift of several enrolments."""
        self.drifts.extend(Drift(enrolment_id, key, kind, expected, found) for enrolment_id in ids)


@dataclass(frozen=True, slots=True)
class Group:
    """Enrolments with the same facts; those `behind` are about to be computed anew, so their rows are not compared."""

    members: frozenset[int]
    behind: frozenset[int]
    cohort_id: int | None


def compare(demand: Demand, world: World, group: Group, stored: Stored, period: Period) -> Findings:
    """Rows, decided occurrences and alerts of missed ones against what must be. Pure."""
    findings = Findings(pending=set(group.behind))
    for key in sorted({*demand.activities, *stored.activity_keys()}):
        _Activity(demand, world, group, stored, period, findings, key).compare()
    return findings


class _Activity:
    """The comparison of one activity."""

    def __init__(
        self,
        demand: Demand,
        world: World,
        group: Group,
        stored: Stored,
        period: Period,
        findings: Findings,
        key: str,
    ) -> None:
        self._demand, self._world, self._group = demand, world, group
        self._period, self._findings, self._key = period, findings, key
        self._stored = stored
        self._asked = demand.activities.get(key) or Activities()
        self._decided = stored.decided.get(key, [])
        self._done: dict[Key, set[int]] = defaultdict(set)
        self._unjudged: set[int] = set()
        for decided, ids in self._decided:
            self._done[decided.key] |= ids

    def compare(self) -> None:
        undecided, finished = self._find_undecided()
        self._compare_rows(undecided, finished)
        for decided, ids in self._decided:
            if self._period.holds(decided.judge_at):
                self._compare_decision(decided, ids)
        self._ask(undecided)
        self._compare_alerts()

    # -- the agenda row and what was not decided

    def _find_undecided(self) -> tuple[dict[Key, tuple[Occurrence, frozenset[int]]], frozenset[int]]:
        """Per occurrence who has not decided it, until the earliest that need not be; and who has nothing left."""
        undecided: dict[Key, tuple[Occurrence, frozenset[int]]] = {}
        active = self._group.members
        for occurrence in self._asked.asked:
            done = self._done.get(occurrence.key, _NOBODY)
            left = active - done
            if not left:
                continue
            undecided[occurrence.key] = (occurrence, left)
            if self._period.overdue(occurrence.judge_at):
                self._report_missing(occurrence, left)
                continue
            if occurrence.judge_at <= self._period.now:
                self._findings.pending |= left
            active = active & done
            if not active:
                break
        return undecided, active

    def _report_missing(self, occurrence: Occurrence, left: frozenset[int]) -> None:
        self._unjudged |= left
        self._findings.pending |= left & self._group.behind
        self._findings.add(
            left - self._group.behind,
            self._key,
            DriftKind.MISSING_OCCURRENCE,
            {**of_occurrence(occurrence), "state": MISSED},
            None,
        )

    def _compare_rows(self, undecided: dict[Key, tuple[Occurrence, frozenset[int]]], finished: frozenset[int]) -> None:
        having: set[int] = set()
        for held, ids in self._stored.rows.get(self._key, ()):
            having |= ids
            occurrence, owners = undecided.get(held.key, (None, _NOBODY))
            wrong = ids - self._group.behind
            kind = DriftKind.STALE_AGENDA
            if occurrence is None and self._outlasted(held):
                continue
            if occurrence is not None and self._stands_at(held, occurrence):
                if self._is_version(held, occurrence):
                    wrong = wrong - owners
                else:
                    kind = DriftKind.WRONG_VERSION
            for enrolment_id in wrong:
                expected = _first_of(undecided.values(), enrolment_id)
                found = _held(held)
                self._findings.add([enrolment_id], self._key, kind, expected, found)
        for enrolment_id in self._group.members - having - finished - self._group.behind:
            expected = _first_of(undecided.values(), enrolment_id)
            if expected is not None:
                self._findings.add([enrolment_id], self._key, DriftKind.STALE_AGENDA, expected, None)

    def _stands_at(self, held: Held, occurrence: Occurrence) -> bool:
        if held.opens_at != occurrence.opens_at or held.cohort_id != self._group.cohort_id:
            return False
        if (held.closes_at, held.judge_at) == (occurrence.closes_at, occurrence.judge_at):
            return True
        return self._learns_when_due(held, occurrence)

    def _outlasted(self, held: Held) -> bool:
        """Whether what the row holds had closed before a switch, a pause or the end, but for an outage known since."""
        return any(
            each.fate is not Fate.ASKED and each.opens_at == held.opens_at and self._learns_when_due(held, each)
            for each in self._asked.by_key.get(held.key, ())
        )

    def _learns_when_due(self, held: Held, occurrence: Occurrence) -> bool:
        """Whether only an outage tells the row from the occurrence: it is extended when it is due, not before."""
        shorter = occurrence.closes_at - held.closes_at
        return bool(self._demand.course.outages) and (
            shorter == occurrence.judge_at - held.judge_at
            and timedelta() < shorter <= self._period.slack
            and not self._period.overdue(held.judge_at)
        )

    def _is_version(self, held: Held, occurrence: Occurrence) -> bool:
        """Whether the row's version asks for this window too: rows are not written where only a number changes."""
        if (held.protocol_id, held.version_number) == (occurrence.protocol_id, occurrence.version_number):
            return True
        found = set(self._demand.timings(self._key, held.protocol_id, held.version_number))
        protocol = self._world.get(held.protocol_id)
        content = protocol.versions.get(held.version_number) if protocol is not None else None
        activity = content.activity(self._key) if content is not None else None
        if activity is not None:
            found.add(timing(activity))
        return any(self._asks(each, occurrence) for each in found)

    def _asks(self, of_version: Timing, occurrence: Occurrence) -> bool:
        # The quantity is not the row's: who reads it takes that of the version in force when the window opened.
        schedule, grace_minutes, _ = of_version
        if occurrence.closes_at + timedelta(minutes=grace_minutes) != occurrence.judge_at:
            return False
        segment = self._demand.segment_at(occurrence.opens_at)
        if segment is None or isinstance(schedule, AfterEvent):
            return True
        nominal = windows(
            schedule, anchor_on=self._demand.facts.anchor_on, zone=segment.zone, from_at=occurrence.nominal_at
        )
        return any(
            each.opens_at == occurrence.nominal_at and (each.on, each.slot) == occurrence.key
            for each in takewhile(lambda window: window.opens_at <= occurrence.nominal_at, nominal)
        )

    # -- decided occurrences

    def _compare_decision(self, decided: Decided, ids: set[int]) -> None:
        if decided.state == WAIVED:
            self._compare_waiver(decided, ids)
            return
        explained = [
            each
            for each in self._asked.by_key.get(decided.key, ())
            if explains(each, decided, overdue=self._period.overdue(each.judge_at))
        ]
        if not explained:
            self._findings.unsure.append(Unsure(decided, tuple(sorted(ids))))
            return
        if decided.state in FULFILLED and not any(is_evident(each, decided, self._asked.codes) for each in explained):
            due = any(each.fate is Fate.ASKED and self._period.overdue(each.judge_at) for each in explained)
            expected = {**of_occurrence(explained[0]), "state": MISSED if due else None}
            self._findings.add(ids, self._key, DriftKind.EXTRA_OCCURRENCE, expected, found_decision(decided))

    def _compare_waiver(self, decided: Decided, ids: set[int]) -> None:
        """Nothing that is asked, and due, is waived."""
        for each in self._asked.by_key.get(decided.key, ()):
            if each.fate is Fate.ASKED and self._period.overdue(each.judge_at):
                expected = {**of_occurrence(each), "state": MISSED}
                self._findings.add(ids, self._key, DriftKind.EXTRA_OCCURRENCE, expected, found_decision(decided))

    def _ask(self, undecided: dict[Key, tuple[Occurrence, frozenset[int]]]) -> None:
        """Who measured enough for what was missed, or for what is not decided yet?"""
        # What was measured under another code may have been asked then; and what was measured before anybody told
        # of the event counts for nothing. In both the decision is left as it is.
        if len(self._asked.codes) != 1 or self._asked.after_events:
            return
        (code,) = self._asked.codes
        missed: dict[Key, set[int]] = defaultdict(set)
        for decided, ids in self._decided:
            if decided.state == MISSED:
                missed[decided.key] |= ids
        for occurrence in self._asked.asked:
            if occurrence.nominal_at > self._period.now:
                continue
            waiting = undecided[occurrence.key][1] - self._group.behind if occurrence.key in undecided else _NOBODY
            wanted: tuple[tuple[bool, Set[int]], ...] = (
                (True, missed.get(occurrence.key, _NOBODY)),
                (False, waiting),
            )
            for was_missed, whose in wanted:
                if whose:
                    self._findings.questions.append(Question(occurrence, code, was_missed, tuple(sorted(whose))))

    # -- alerts of missed occurrences

    def _compare_alerts(self) -> None:
        """Each missed occurrence that breaks a rule is listed by an alert; each open alert lists one that does."""
        runs = _Runs()
        asked = {each.key: each for each in self._asked.asked}
        explained: dict[str, set[int]] = defaultdict(set)
        for decided, ids in sorted(self._decided, key=_in_order):
            if not self._period.holds(decided.judge_at):
                continue
            occurrence = asked.get(decided.key)
            if decided.state in FULFILLED:
                runs.end(ids)
            elif decided.state == MISSED and occurrence is not None:
                counts = runs.count(ids)
                for rule in self._demand.missed_rules(occurrence):
                    broken = ids if rule.in_a_row == 1 else self._broken(occurrence, rule, ids, runs, counts)
                    listed = self._listed(occurrence, rule)
                    self._report_silence(occurrence, rule, set(broken) - listed)
                    self._report_milder(occurrence, rule, set(broken))
                    explained[rule.key] |= broken & listed
        for (key, rule_key), ids in self._stored.open_alerts.items():
            # What is not judged yet may stand behind an alert of a run.
            if key == self._key and (rest := ids - explained[rule_key] - self._unjudged):
                self._findings.alerts.append(OpenAlert(key, rule_key, tuple(sorted(rest))))

    def _broken(
        self, occurrence: Occurrence, rule: Missed, ids: set[int], runs: "_Runs", counts: dict[int, int]
    ) -> set[int]:
        """Whose run is long enough; where it may have begun before the period somebody must look."""
        listed = self._listed(occurrence, rule)
        open_ended = [
            (each, counts[each])
            for each in (sorted(ids) if self._period.since_at is not None else ())
            if counts[each] < rule.in_a_row and each not in runs.ended and each not in listed
        ]
        if open_ended:
            self._findings.runs.append(Run(occurrence, rule.key, rule.in_a_row, tuple(open_ended)))
        return {each for each in ids if counts[each] >= rule.in_a_row}

    def _listed(self, occurrence: Occurrence, rule: Missed) -> Set[int]:
        """Whose alert of the rule lists the occurrence.

        Events may be told of in another order than they happened, and so be judged: then any of a run may be listed.
        """
        if self._asked.after_events and rule.in_a_row > 1:
            of_rule = [ids for each, ids in self._stored.listed.items() if each[:2] == (self._key, rule.key)]
            return frozenset().union(*of_rule)
        return self._stored.listed.get((self._key, rule.key, occurrence.on, occurrence.slot), _NOBODY)

    def _report_milder(self, occurrence: Occurrence, rule: Missed, ids: set[int]) -> None:
        """An open alert is as severe as the rule by which any of what it lists was judged."""
        listed = (self._key, rule.key, occurrence.on, occurrence.slot)
        for severity in SEVERITIES:
            if is_severer(rule.severity, severity):
                milder = ids & self._stored.shown.get((listed, severity), _NOBODY)
                expected = {**silent(occurrence, rule.key), "severity": rule.severity}
                found = {"rule": rule.key, "severity": severity}
                self._findings.add(milder, self._key, DriftKind.MISSING_ALERT, expected, found)

    def _report_silence(self, occurrence: Occurrence, rule: Missed, ids: set[int]) -> None:
        self._findings.add(ids, self._key, DriftKind.MISSING_ALERT, silent(occurrence, rule.key), None)


class _Runs:
    """How many occurrences of each enrolment were missed in a row, since the period began or a fulfilled one."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self.ended: set[int] = set()

    def end(self, ids: Collection[int]) -> None:
        self.ended |= set(ids)
        for each in ids:
            self._counts.pop(each, None)

    def count(self, ids: Iterable[int]) -> dict[int, int]:
        counts = self._counts
        for each in ids:
            counts[each] = counts.get(each, 0) + 1
        return counts


def silent(occurrence: Occurrence, rule_key: str) -> dict[str, object]:
    """What an alert that is missing should list."""
    return {**of_occurrence(occurrence), "rule": rule_key}


def explains(occurrence: Occurrence, decided: Decided, *, overdue: bool) -> bool:
    """Whether it could be decided so: asked, or ended only after it was fulfilled; missed only from its judging on.

    What was measured before a window was asked fulfils it as it opens, whenever that is recalculated.
    """
    if decided.state == MISSED:
        # Judged too early, but it is due now: it would be judged the same.
        return occurrence.fate is Fate.ASKED and (overdue or decided.decided_from_at >= occurrence.judge_at)
    if occurrence.fate is Fate.ASKED:
        return True
    if decided.first not in FULFILLED or occurrence.ended_at is None:
        return False
    as_it_opened = decided.odd_at is not None and decided.odd_at < decided.opens_at == occurrence.opens_at
    return decided.decided_until_at <= occurrence.ended_at or (as_it_opened and not never_asked(occurrence))


def is_evident(occurrence: Occurrence, decided: Decided, codes: Collection[str]) -> bool:
    """Whether a measurement of what is asked, inside the window or its grace, stands behind a fulfilled occurrence."""
    if decided.code is None or decided.code not in codes:
        return False
    if decided.odd_at is not None:
        return occurrence.nominal_at <= decided.odd_at < occurrence.judge_at
    return occurrence.nominal_at <= decided.opens_at and decided.judge_at <= occurrence.judge_at


def _first_of(undecided: Iterable[tuple[Occurrence, frozenset[int]]], enrolment_id: int) -> dict[str, object] | None:
    for occurrence, ids in undecided:
        if enrolment_id in ids:
            return of_occurrence(occurrence)
    return None


def of_occurrence(occurrence: Occurrence) -> dict[str, object]:
    """The occurrence as evidence."""
    return evidence(
        on=occurrence.on,
        slot=occurrence.slot,
        opens_at=occurrence.opens_at,
        closes_at=occurrence.closes_at,
        judge_at=occurrence.judge_at,
        protocol_id=occurrence.protocol_id,
        version_number=occurrence.version_number,
    )


def _held(held: Held) -> dict[str, object]:
    return evidence(
        on=held.on,
        slot=held.slot,
        opens_at=held.opens_at,
        closes_at=held.closes_at,
        judge_at=held.judge_at,
        protocol_id=held.protocol_id,
        version_number=held.version_number,
        cohort_id=held.cohort_id,
    )


def found_decision(decided: Decided) -> dict[str, object]:
    """The decision as evidence."""
    return evidence(
        on=decided.on, slot=decided.slot, opens_at=decided.opens_at, judge_at=decided.judge_at, state=decided.state
    )


def _in_order(each: tuple[Decided, set[int]]) -> tuple[object, ...]:
    return each[0].judge_at, each[0].opens_at
