"""Answers what a comparison left open: by measurements, facts as known then, and what was decided before."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta

from lockstep.domain.check import Demand, Period, demand
from lockstep.domain.check_comparison import Findings, explains, found_decision, is_evident, of_occurrence, silent
from lockstep.domain.check_stored import FULFILLED, MISSED, WAIVED, Decided, OpenAlert, Question, Run, Unsure
from lockstep.domain.drift import Drift, DriftKind
from lockstep.domain.occurrence import Fate, Occurrence
from lockstep.domain.rule import Missed
from lockstep.domain.timeline import World
from lockstep.store import check_stored as stored_store
from lockstep.store import timeline as facts_store
from lockstep.store.check import EVER
from lockstep.store.check_stored import Measured, Past, Sampled
from lockstep.store.database import Connection

_LONGEST_WINDOW = timedelta(days=50)
_LONGEST_RUN = timedelta(days=800)
"""How far back a run of missed occurrences is looked for, as judging does."""
_EVENTS_REACH = timedelta(days=35)


def answer(
    connection: Connection,
    *,
    organisation_id: int,
    compared: Sequence[tuple[Findings, Demand]],
    world: World,
    period: Period,
) -> list[Drift]:
    """The drifts that the open questions of groups turn out to be; asked together. Reads only. Locks: none."""
    answers = _Answers(connection, organisation_id, world, period)
    return [
        *answers.measured([(each, asked) for findings, asked in compared for each in findings.questions]),
        *answers.unsure([(each, asked) for findings, asked in compared for each in findings.unsure]),
        *answers.runs([each for findings, _ in compared for each in findings.runs]),
        *answers.alerts([(each, asked) for findings, asked in compared for each in findings.alerts]),
    ]


class _Answers:
    def __init__(self, connection: Connection, organisation_id: int, world: World, period: Period) -> None:
        self._connection, self._organisation_id = connection, organisation_id
        self._world, self._period = world, period

    # -- measurements

    def measured(self, questions: Sequence[tuple[Question, Demand]]) -> Iterator[Drift]:
        """Occurrences for which enough was measured, but that were missed or are not decided."""
        hits = stored_store.list_measured(
            self._connection, organisation_id=self._organisation_id, questions=[each for each, _ in questions]
        )
        asked = {id(each): demanded for each, demanded in questions}
        since_at = min((hit.question.occurrence.nominal_at for hit in hits), default=EVER)
        history = self._history(
            {(hit.enrolment_id, hit.question.occurrence.activity_key) for hit in hits}, since_at - _LONGEST_WINDOW
        )
        for hit in hits:
            occurrence = hit.question.occurrence
            begun = asked[id(hit.question)].activities[occurrence.activity_key].begun
            usable = _usable(hit, history[hit.enrolment_id, occurrence.activity_key], begun)
            if len(usable) < occurrence.quantity:
                continue
            measurement_id, at = usable[occurrence.quantity - 1]
            state = "fulfilled" if at < occurrence.closes_at else "fulfilled late"
            yield Drift(
                hit.enrolment_id,
                occurrence.activity_key,
                DriftKind.EXTRA_OCCURRENCE if hit.question.missed else DriftKind.MISSING_OCCURRENCE,
                {**of_occurrence(occurrence), "state": state, "measurement_id": measurement_id},
                {**of_occurrence(occurrence), "state": MISSED} if hit.question.missed else None,
            )

    # -- decisions that today's facts do not explain

    def unsure(self, unsure: Sequence[tuple[Unsure, Demand]]) -> Iterator[Drift]:
        """Decisions that were not right by the facts known when they were made either."""
        if not unsure:
            return
        since_at = min(each.decided.opens_at for each, _ in unsure) - _LONGEST_WINDOW
        history = self._history(
            {(enrolment_id, each.decided.activity_key) for each, _ in unsure for enrolment_id in each.enrolment_ids},
            since_at,
        )
        for each, asked in unsure:
            for enrolment_id in each.enrolment_ids:
                past = next(
                    past for past in history[enrolment_id, each.decided.activity_key] if past.key == each.decided.key
                )
                own = _narrowed(each.decided, past)
                # A pause entered afterwards waives what had been missed in it, and says so in a correction.
                waived = own.state == MISSED and _is_paused(own, asked)
                if waived or not (_was_right(own, asked, self._period) or self._was_right_then(enrolment_id, own)):
                    expected = _not_yet(own, asked)
                    kind = DriftKind.EXTRA_OCCURRENCE
                    yield Drift(enrolment_id, own.activity_key, kind, expected, found_decision(own))

    def _was_right_then(self, enrolment_id: int, decided: Decided) -> bool:
        """By the facts known when it was decided: a pause entered afterwards does not make a fulfilled one wrong."""
        known_at = decided.decided_from_at
        key = {"organisation_id": self._organisation_id}
        known = facts_store.load_enrolments(
            self._connection,
            **key,
            enrolment_ids=[enrolment_id],
            known_at=known_at,
            events_since_at=decided.opens_at - _EVENTS_REACH,
        )
        facts = known.get(enrolment_id)
        if facts is None or not facts.assignments or not facts.zones:
            return False
        world = facts_store.load_world(
            self._connection,
            **key,
            protocol_ids={assigned.protocol_id for assigned in facts.assignments},
            known_at=known_at,
        )
        since_at = decided.opens_at - _LONGEST_WINDOW
        outages = facts_store.load_outages(self._connection, **key, since_at=since_at, known_at=known_at)
        period = Period(since_at, max(known_at, decided.opens_at), None, self._period.slack)
        return _was_right(decided, demand(facts, world, outages, period), period)

    # -- alerts

    def runs(self, runs: Sequence[Run]) -> Iterator[Drift]:
        """Runs that began before the period and are long enough, but that no alert lists."""
        if not runs:
            return
        begins_at = self._period.since_at or EVER
        history = self._history(
            {(enrolment_id, run.occurrence.activity_key) for run in runs for enrolment_id, _ in run.counts},
            max(EVER, begins_at - _LONGEST_RUN),
        )
        for run in runs:
            for enrolment_id, count in run.counts:
                past = history[enrolment_id, run.occurrence.activity_key]
                before = [each for each in past if not self._period.holds(each.judge_at)]
                if count + _leading(before, lambda each: each.state) >= run.in_a_row:
                    yield Drift(
                        enrolment_id,
                        run.occurrence.activity_key,
                        DriftKind.MISSING_ALERT,
                        silent(run.occurrence, run.rule_key),
                        None,
                    )

    def alerts(self, alerts: Sequence[tuple[OpenAlert, Demand]]) -> Iterator[Drift]:
        """Open alerts that list no missed occurrence which broke their rule."""
        wanted = {
            (enrolment_id, each.activity_key, each.rule_key): asked
            for each, asked in alerts
            for enrolment_id in each.enrolment_ids
        }
        if not wanted:
            return
        sampled = stored_store.list_open_samples(
            self._connection, organisation_id=self._organisation_id, wanted=list(wanted)
        )
        oldest = min((on for each in sampled.values() for on, _ in each.keys), default=self._period.now.date())
        history = self._history(
            {(enrolment_id, key) for enrolment_id, key, _ in wanted},
            datetime.combine(oldest, datetime.min.time(), self._period.now.tzinfo) - _LONGEST_RUN,
        )
        for name, alert in sorted(sampled.items()):
            enrolment_id, key, rule_key = name
            if not self._has_reason(alert, wanted[name], key, rule_key, history[enrolment_id, key]):
                found = {"rule": rule_key, "alert_id": alert.alert_id}
                yield Drift(enrolment_id, key, DriftKind.FALSE_ALERT, None, found)

    def _has_reason(self, alert: Sampled, asked: Demand, key: str, rule_key: str, history: Sequence[Past]) -> bool:
        of_key = asked.activities.get(key)
        if of_key is not None and of_key.after_events:
            # Events may be told of in another order than they happened: a run is what was judged one after another.
            history = sorted(history, key=lambda past: past.decided_at, reverse=True)
        for index, past in enumerate(history):
            if past.key in alert.keys and past.state == MISSED:
                in_a_row = self._in_a_row(alert, asked, key, rule_key, past)
                # As first judged: what arrived late inside a run leaves the alert to whoever looks at it.
                if _leading(history[index:], lambda each: WAIVED if each.state == WAIVED else each.first) >= in_a_row:
                    return True
        return False

    def _in_a_row(self, alert: Sampled, asked: Demand, key: str, rule_key: str, past: Past) -> int:
        """How many the rule wants, as it was when the occurrence was asked; 1 where it is not known any more."""
        protocol = self._world.get(alert.protocol_id)
        content = protocol.versions.get(alert.version_number) if protocol is not None else None
        for activity in (asked.asking(key, past.key, past.opens_at), content.activity(key) if content else None):
            for rule in activity.rules if activity is not None else ():
                if rule.key == rule_key and isinstance(rule, Missed):
                    return rule.in_a_row
        return 1

    def _history(self, wanted: set[tuple[int, str]], since_at: datetime) -> dict[tuple[int, str], list[Past]]:
        since_on: date = max(since_at, EVER).date()
        return stored_store.list_history(
            self._connection, organisation_id=self._organisation_id, wanted=wanted, since_on=since_on
        )


def _usable(hit: Measured, history: Iterable[Past], begun: Iterable[Occurrence]) -> list[tuple[int, datetime]]:
    """What no other occurrence of the activity took, or may have taken where several count together."""
    occurrence = hit.question.occurrence
    used = {past.measurement_id for past in history if past.key != occurrence.key}
    usable = [each for each in hit.measurements if each[0] not in used or each[1] < occurrence.opens_at]
    if occurrence.quantity == 1:
        return usable
    others = [each for each in begun if each.key != occurrence.key]
    return [(number, at) for number, at in usable if not any(each.nominal_at <= at < each.judge_at for each in others)]


def _was_right(decided: Decided, asked: Demand, period: Period) -> bool:
    activities = asked.activities.get(decided.activity_key)
    if activities is None:
        return False
    explained = [
        each
        for each in activities.by_key.get(decided.key, ())
        if explains(each, decided, overdue=period.overdue(each.judge_at))
    ]
    if decided.state in FULFILLED:
        return any(is_evident(each, decided, activities.codes) for each in explained)
    return bool(explained)


def _is_paused(decided: Decided, asked: Demand) -> bool:
    """Whether by the facts known today it lies in a pause, and was asked at no other time."""
    activities = asked.activities.get(decided.activity_key)
    found = activities.by_key.get(decided.key, ()) if activities is not None else ()
    return not any(each.fate is Fate.ASKED for each in found) and any(
        each.ended_at is not None and pause.holds(each.ended_at) for each in found for pause in asked.facts.pauses
    )


def _not_yet(decided: Decided, asked: Demand) -> dict[str, object] | None:
    """What is expected of a decision made before its time: that it is still open. None of one that nothing asks for."""
    activities = asked.activities.get(decided.activity_key)
    for occurrence in activities.by_key.get(decided.key, ()) if activities is not None else ():
        if occurrence.fate is Fate.ASKED:
            return {**of_occurrence(occurrence), "state": None}
    return None


def _leading(history: Iterable[Past], state: Callable[[Past], str]) -> int:
    """How many of the latest were missed in a row; what turned out never to be asked neither counts nor breaks."""
    count = 0
    for past in history:
        if state(past) in FULFILLED:
            break
        count += state(past) == MISSED
    return count


def _narrowed(decided: Decided, past: Past) -> Decided:
    """The decision of one enrolment alone."""
    return Decided(
        activity_key=decided.activity_key,
        on=past.on,
        slot=past.slot,
        opens_at=past.opens_at,
        closes_at=past.closes_at,
        judge_at=past.judge_at,
        first=past.first,
        state=past.state,
        code=decided.code,
        odd_at=decided.odd_at,
        decided_from_at=past.decided_at,
        decided_until_at=past.decided_at,
    )
