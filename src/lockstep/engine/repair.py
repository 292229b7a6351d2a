"""Repairs what a check found: agendas are computed anew from facts alone, judgements and alerts mended by appending."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, cast

from lockstep.domain.agenda import Row
from lockstep.domain.alert import Alert, JudgedBy, Sample, is_late
from lockstep.domain.check import Demand, Period, demand
from lockstep.domain.drift import Drift, DriftKind
from lockstep.domain.missed import run_length
from lockstep.domain.occurrence import Key, Occurrence, OccurrenceState
from lockstep.domain.timeline import EnrolmentFacts, Span, World, segments
from lockstep.engine.agenda import cohort_of, compute_head
from lockstep.engine.audit import record_entry
from lockstep.engine.check import get_check
from lockstep.engine.check_slice import Memory, examine
from lockstep.store import agenda as agenda_store
from lockstep.store import alert as alert_store
from lockstep.store import check as store
from lockstep.store import check_stored as stored_store
from lockstep.store import timeline as facts_store
from lockstep.store.check import EVER
from lockstep.store.check_stored import Correction, Past
from lockstep.store.clock import now as clock_now
from lockstep.store.database import Connection, Database

FALSE_ALERT = "A check found that nothing stands behind it."
REPAIRED_AT_ONCE = 100
_MOST_DRIFTS = 10_000
_ROUNDS = 4
"""A mended judgement may show an alert to mend, and that is all that can follow from another."""
_OUTAGES_REACH = timedelta(days=45)
_EVENTS_REACH = timedelta(days=35)
_LONGEST_RUN = timedelta(days=800)


@dataclass(frozen=True, slots=True)
class Repaired:
    """How many enrolments and drifts were repaired, and how many enrolments must wait for a later attempt."""

    enrolments: int
    drifts: int
    left: int


def repair(database: Database, *, organisation_id: int, check_id: int, actor: str) -> Repaired:
    """The enrolments in which the check found drift are what their facts demand; the drifts stay, as repaired.

    Agendas are written from facts, decisions and measurements alone. What was never decided is then decided by the
    judging duty, whose row is set back to it. A decision without a reason is corrected by appending: never asked is
    waived. One that must wait until its window is over is left for a later call. Raises UnknownCheck.
    Locks, in each of several transactions: heads in key order, their rows, alerts.
    """
    check = get_check(database, organisation_id=organisation_id, check_id=check_id)
    with database.transaction(organisation_id, read_only=True) as connection:
        kept = store.list_drifts(
            connection, organisation_id=organisation_id, check_id=check_id, unrepaired=True, most=_MOST_DRIFTS
        )
    ids = sorted({each.drift.enrolment_id for each in kept})
    enrolments = drifts = 0
    for begin in range(0, len(ids), REPAIRED_AT_ONCE):
        part = ids[begin : begin + REPAIRED_AT_ONCE]
        with database.transaction(organisation_id) as connection:
            mended = _Repair(connection, organisation_id, part, check.since_at).mend()
            now = clock_now(connection)
            count = store.note_repaired(
                connection, organisation_id=organisation_id, check_id=check_id, enrolment_ids=mended, repaired_at=now
            )
            record_entry(
                connection,
                organisation_id=organisation_id,
                actor=actor,
                action="repair drift",
                subject=f"check {check_id}",
                detail={"enrolment_ids": mended, "drifts": count, "left": len(part) - len(mended)},
            )
        enrolments, drifts = enrolments + len(mended), drifts + count
    return Repaired(enrolments, drifts, len(ids) - enrolments)


class _Repair:
    """One transaction: some enrolments, held, are compared and mended until nothing differs."""

    def __init__(
        self, connection: Connection, organisation_id: int, enrolment_ids: Sequence[int], since_at: datetime | None
    ) -> None:
        self._connection = connection
        self._key: dict[str, Any] = {"organisation_id": organisation_id}
        self._organisation_id, self._ids, self._since_at = organisation_id, enrolment_ids, since_at

    def mend(self) -> list[int]:
        """Returns the enrolments that are as they must be, but for what the judging duty will decide now."""
        agenda_store.lock_heads(self._connection, **self._key, enrolment_ids=self._ids)
        self._now = clock_now(self._connection)
        self._load()
        left: list[Drift] = []
        for _ in range(_ROUNDS):
            left = [drift for drift in self._examine() if not waits_for_judging(drift)]
            for drift in left:
                self._mend(drift)
            self._write_agendas()
            if not left:
                break
        unmended = {drift.enrolment_id for drift in left}
        return [enrolment_id for enrolment_id in self._ids if enrolment_id not in unmended]

    def _load(self) -> None:
        begun = EVER if self._since_at is None else self._since_at - _EVENTS_REACH
        self._facts: dict[int, EnrolmentFacts] = facts_store.load_enrolments(
            self._connection, **self._key, enrolment_ids=self._ids, events_since_at=begun
        )
        protocol_ids = {each.protocol_id for facts in self._facts.values() for each in facts.assignments}
        self._world: World = facts_store.load_world(self._connection, **self._key, protocol_ids=protocol_ids)
        since_at = EVER if self._since_at is None else self._since_at - _OUTAGES_REACH
        outages: tuple[Span, ...] = facts_store.load_outages(self._connection, **self._key, since_at=since_at)
        slack = sum((each.until_at - each.from_at for each in outages if each.until_at), start=timedelta())
        period = Period(self._since_at, self._now, None, slack)
        self._demands: dict[int, Demand] = {
            enrolment_id: demand(facts, self._world, outages, period) for enrolment_id, facts in self._facts.items()
        }

    def _examine(self) -> list[Drift]:
        return examine(
            self._connection,
            organisation_id=self._organisation_id,
            enrolment_ids=self._ids,
            since_at=self._since_at,
            memory=Memory(),
        ).drifts

    # -- judgements and alerts

    def _mend(self, drift: Drift) -> None:
        if drift.kind is DriftKind.MISSING_OCCURRENCE:
            self._decide(drift)
        elif drift.kind is DriftKind.EXTRA_OCCURRENCE:
            self._correct(drift)
        elif drift.kind is DriftKind.MISSING_ALERT:
            self._raise(drift)
        elif drift.kind is DriftKind.FALSE_ALERT:
            assert drift.found is not None
            alert_store.resolve_alerts(
                self._connection,
                **self._key,
                alert_ids=[cast(int, drift.found["alert_id"])],
                resolution=FALSE_ALERT,
                updated_at=self._now,
            )

    def _decide(self, drift: Drift) -> None:
        """Enough was measured: the occurrence is fulfilled."""
        assert drift.expected is not None
        occurrence = self._occurrence(drift, drift.expected)
        decision = agenda_store.Decision(
            drift.enrolment_id,
            occurrence,
            OccurrenceState(cast(str, drift.expected["state"])),
            cast(int, drift.expected["measurement_id"]),
        )
        agenda_store.save_decisions(self._connection, **self._key, decisions=[decision], decided_at=self._now)

    def _correct(self, drift: Drift) -> None:
        """What was decided is judged again: fulfilled by what was measured, missed, or never asked and so waived."""
        assert drift.activity_key is not None
        assert drift.found is not None
        expected: Mapping[str, Any] = drift.expected or {"state": OccurrenceState.WAIVED}
        if expected["state"] is None:
            return
        on, slot = date.fromisoformat(cast(str, drift.found["on"])), cast(str, drift.found["slot"])
        name = (drift.enrolment_id, drift.activity_key)
        history = stored_store.list_history(self._connection, **self._key, wanted=[name], since_on=on)[name]
        number = next(past.corrections for past in history if past.key == (on, slot)) + 1
        correction = Correction(*name, on, slot, number, expected["state"], expected.get("measurement_id"))
        stored_store.save_corrections(self._connection, **self._key, corrections=[correction], recorded_at=self._now)
        if expected["state"] != OccurrenceState.MISSED:
            alert_store.lower_missed(self._connection, **self._key, keys=[(*name, on, slot)], updated_at=self._now)

    def _raise(self, drift: Drift) -> None:
        assert drift.expected is not None
        occurrence = self._occurrence(drift, drift.expected)
        rules = self._demands[drift.enrolment_id].missed_rules(occurrence)
        rule = next(each for each in rules if each.key == drift.expected["rule"])
        judged_by = JudgedBy(rule.severity, occurrence.protocol_id, occurrence.version_number)
        sample = Sample(occurrence.judge_at, judged_by, on=occurrence.on, slot=occurrence.slot)
        alert = Alert(
            enrolment_id=drift.enrolment_id,
            activity_key=occurrence.activity_key,
            rule_key=rule.key,
            kind="missed",
            judged_by=judged_by,
            about_at=occurrence.judge_at,
            late=is_late(occurrence.judge_at, self._now),
            # An alert that is only less severe than it must be lists it already.
            samples=(sample,) if drift.found is None else (),
        )
        alert_store.raise_alerts(self._connection, **self._key, alerts=[alert], raised_at=self._now)

    def _occurrence(self, drift: Drift, expected: Mapping[str, object]) -> Occurrence:
        assert drift.activity_key is not None
        key = (date.fromisoformat(cast(str, expected["on"])), expected["slot"])
        asked = self._demands[drift.enrolment_id].activities[drift.activity_key].asked
        return next(each for each in asked if each.key == key)

    # -- agendas, from facts alone

    def _write_agendas(self) -> None:
        """Heads and rows of all these enrolments are written as their facts, decisions and measurements demand."""
        cohorts = agenda_store.ensure_cohorts(
            self._connection,
            **self._key,
            wanted={cohort_of(facts, self._now) for facts in self._facts.values()},
        )
        found = agenda_store.list_rows(self._connection, **self._key, enrolment_ids=self._ids)
        heads, rows, gone, empty = [], [], [], []
        for enrolment_id, facts in self._facts.items():
            cohort_id = cohorts[cohort_of(facts, self._now)]
            head = compute_head(
                enrolment_id,
                facts,
                segments(facts, self._world),
                self._world,
                cohort_id=cohort_id,
                now=self._now,
            )
            wanted = self._rows(enrolment_id, cohort_id, {row.activity_key: row for row in found.get(enrolment_id, ())})
            if head is None or (head.ended_at is not None and not wanted):
                gone.append(enrolment_id)
                continue
            heads.append(head)
            rows += wanted
            kept = {row.activity_key for row in wanted}
            empty += [
                (enrolment_id, row.activity_key) for row in found.get(enrolment_id, ()) if row.activity_key not in kept
            ]
        agenda_store.save_rows(self._connection, **self._key, rows=rows)
        agenda_store.delete_rows(self._connection, **self._key, keys=empty)
        agenda_store.save_heads(self._connection, **self._key, heads=heads, computed_at=self._now)
        agenda_store.delete_agendas(self._connection, **self._key, enrolment_ids=gone)

    def _rows(self, enrolment_id: int, cohort_id: int, before: Mapping[str, Row]) -> list[Row]:
        activities = self._demands[enrolment_id].activities
        names = [(enrolment_id, key) for key in activities]
        history = stored_store.list_history(
            self._connection, **self._key, wanted=names, since_on=(self._now - _LONGEST_RUN).date()
        )
        rows = []
        for key, of_key in activities.items():
            past = history[enrolment_id, key]
            decided: set[Key] = {each.key for each in past}
            occurrence = next((each for each in of_key.asked if each.key not in decided), None)
            if occurrence is not None:
                rows.append(self._row(enrolment_id, cohort_id, occurrence, past, before.get(key)))
        return rows

    def _row(
        self, enrolment_id: int, cohort_id: int, occurrence: Occurrence, past: Sequence[Past], before: Row | None
    ) -> Row:
        earlier = [OccurrenceState(each.state) for each in past if each.judge_at < occurrence.judge_at]
        row = Row(
            enrolment_id=enrolment_id,
            activity_key=occurrence.activity_key,
            cohort_id=cohort_id,
            protocol_id=occurrence.protocol_id,
            version_number=occurrence.version_number,
            on=occurrence.on,
            slot=occurrence.slot,
            opens_at=occurrence.opens_at,
            closes_at=occurrence.closes_at,
            judge_at=occurrence.judge_at,
            taken=0,
            missed_in_a_row=run_length(earlier),
        )
        if before is not None and (before.key, before.opens_at) == (row.key, row.opens_at):
            return replace(row, taken=before.taken)
        return replace(row, taken=self._taken(enrolment_id, occurrence)) if occurrence.quantity > 1 else row

    def _taken(self, enrolment_id: int, occurrence: Occurrence) -> int:
        """Of a quantity what was measured inside the window already."""
        codes = self._demands[enrolment_id].activities[occurrence.activity_key].codes
        asked = [
            agenda_store.Asked(self._facts[enrolment_id].patient_id, code, occurrence.nominal_at, occurrence.closes_at)
            for code in codes
        ]
        found = agenda_store.list_measurements_in(self._connection, **self._key, asked=asked)
        return min(sum(map(len, found)), occurrence.quantity - 1)


def waits_for_judging(drift: Drift) -> bool:
    """Whether the judging duty decides it as soon as the row holds it."""
    return (
        drift.kind is DriftKind.MISSING_OCCURRENCE
        and drift.expected is not None
        and drift.expected.get("state") == OccurrenceState.MISSED
    )
