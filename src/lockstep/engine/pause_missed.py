"""Waives what had been decided missed before somebody said that it lay in a pause, with its runs and its alerts."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from lockstep.domain.agenda import Course
from lockstep.domain.missed import run_lengths, waived_after_all
from lockstep.domain.occurrence import Key, OccurrenceState
from lockstep.domain.rule import Missed
from lockstep.domain.timeline import Segment, as_of, in_force, segments
from lockstep.engine.agenda import count_runs
from lockstep.store import alert as alert_store
from lockstep.store import check_stored as stored_store
from lockstep.store import timeline as facts_store
from lockstep.store.check_stored import Correction, Past, Sampled
from lockstep.store.database import Connection

PAUSED_AFTER_ALL = "What was missed lies in a pause that was entered afterwards."

_OUTAGES_REACH = timedelta(days=45)
_EVENTS_REACH = timedelta(days=35)
_LONGEST_RUN = timedelta(days=800)
"""How far back a run of missed occurrences is looked for, as judging does."""
_INSTANT = timedelta(microseconds=1)


def waive_missed(
    connection: Connection, *, organisation_id: int, enrolment_id: int, since_at: datetime, now: datetime
) -> int:
    """What was missed after `since_at`, but lies in a pause by the facts known now, is waived; returns how many.

    The first judgements stay, with a correction appended. The runs of the rows are counted anew, and open alerts of
    missed occurrences count no more what was waived, or stands in no run that is long enough any more; those left with
    nothing are resolved, in words. Locks: agenda rows and alerts, under the held head.
    """
    waiving = _Waiving(connection, organisation_id, enrolment_id, since_at, now)
    return waiving.waive()


class _Waiving:
    def __init__(
        self, connection: Connection, organisation_id: int, enrolment_id: int, since_at: datetime, now: datetime
    ) -> None:
        self._connection, self._organisation_id, self._enrolment_id = connection, organisation_id, enrolment_id
        self._since_at, self._now = since_at, now
        self._course = self._load()

    def _load(self) -> Course:
        facts = facts_store.load_enrolments(
            self._connection,
            organisation_id=self._organisation_id,
            enrolment_ids=[self._enrolment_id],
            events_since_at=self._since_at - _EVENTS_REACH,
        )[self._enrolment_id]
        protocol_ids = {assigned.protocol_id for assigned in facts.assignments}
        world = facts_store.load_world(
            self._connection, organisation_id=self._organisation_id, protocol_ids=protocol_ids
        )
        outages = facts_store.load_outages(
            self._connection, organisation_id=self._organisation_id, since_at=self._since_at - _OUTAGES_REACH
        )
        return Course(as_of(segments(facts, world), self._now), facts.anchor_on, outages, facts.events)

    def waive(self) -> int:
        rules = self._rules()
        sampled = stored_store.list_open_samples(
            self._connection,
            organisation_id=self._organisation_id,
            wanted=[(self._enrolment_id, key, rule_key) for key, of_key in rules.items() for rule_key in of_key],
        )
        oldest_on = min((on for alert in sampled.values() for on, _ in alert.keys), default=self._since_at.date())
        history = stored_store.list_history(
            self._connection,
            organisation_id=self._organisation_id,
            wanted=[(self._enrolment_id, key) for key in rules],
            since_on=min(oldest_on, self._since_at.date()) - _LONGEST_RUN,
        )
        waived = {key: self._waived(key, history[self._enrolment_id, key]) for key in rules}
        waived = {key: keys for key, keys in waived.items() if keys}
        self._correct(waived, history)
        for (_, key, rule_key), alert in sampled.items():
            if key in waived:
                self._recount(alert, rule_key, waived[key], history[self._enrolment_id, key], key)
        count_runs(
            self._connection,
            organisation_id=self._organisation_id,
            rows=[(self._enrolment_id, key) for key in waived],
        )
        return sum(map(len, waived.values()))

    def _rules(self) -> dict[str, set[str]]:
        """The keys of the rules on missed occurrences that each activity ever had."""
        found: dict[str, set[str]] = {}
        for segment in self._course.timeline:
            for activity in segment.content.activities if segment.content is not None else ():
                rules = found.setdefault(activity.key, set())
                rules.update(rule.key for rule in activity.rules if isinstance(rule, Missed))
        return found

    def _waived(self, activity_key: str, history: Sequence[Past]) -> frozenset[Key]:
        missed = {
            past.key for past in history if past.state == OccurrenceState.MISSED and past.closes_at > self._since_at
        }
        return waived_after_all(
            self._course, activity_key, missed, from_at=self._since_at, until_at=self._now + _INSTANT
        )

    def _correct(self, waived: Mapping[str, Collection[Key]], history: Mapping[tuple[int, str], list[Past]]) -> None:
        corrections = [
            Correction(
                enrolment_id=self._enrolment_id,
                activity_key=key,
                on=past.on,
                slot=past.slot,
                number=past.corrections + 1,
                state=OccurrenceState.WAIVED,
                measurement_id=None,
            )
            for key, keys in waived.items()
            for past in history[self._enrolment_id, key]
            if past.key in keys
        ]
        stored_store.save_corrections(
            self._connection, organisation_id=self._organisation_id, corrections=corrections, recorded_at=self._now
        )

    def _recount(
        self, alert: Sampled, rule_key: str, waived: Collection[Key], history: Sequence[Past], activity_key: str
    ) -> None:
        """The alert counts what it lists and what is still missed, in a run that its rule would be broken by."""
        lengths = run_lengths(
            (past.key, OccurrenceState.WAIVED if past.key in waived else OccurrenceState(past.state))
            for past in reversed(history)
        )
        opened = {past.key: past.opens_at for past in history}
        left = sum(
            key in lengths and lengths[key] >= self._in_a_row(alert, activity_key, rule_key, opened[key])
            for key in set(alert.keys)
        )
        alert_store.count_missed(
            self._connection,
            organisation_id=self._organisation_id,
            alert_id=alert.alert_id,
            occurrences=left,
            updated_at=self._now,
        )
        if not left:
            alert_store.resolve_alerts(
                self._connection,
                organisation_id=self._organisation_id,
                alert_ids=[alert.alert_id],
                resolution=PAUSED_AFTER_ALL,
                updated_at=self._now,
            )

    def _in_a_row(self, alert: Sampled, activity_key: str, rule_key: str, opens_at: datetime) -> int:
        """How many in a row the rule wanted when the occurrence opened, else when it was raised; else 1."""
        timeline = self._course.timeline
        raised = (alert.protocol_id, alert.version_number)
        of_alert = (each for each in timeline if (each.protocol_id, each.version_number) == raised)
        for segment in (in_force(timeline, opens_at), *of_alert):
            rule = _rule(segment, activity_key, rule_key)
            if rule is not None:
                return rule.in_a_row
        return 1


def _rule(segment: Segment | None, activity_key: str, rule_key: str) -> Missed | None:
    activity = segment.content.activity(activity_key) if segment is not None and segment.content is not None else None
    for rule in activity.rules if activity is not None else ():
        if rule.key == rule_key and isinstance(rule, Missed):
            return rule
    return None
