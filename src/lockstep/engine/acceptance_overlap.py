"""Judges again what came in while a switch was being accepted: its instant had come, but nobody could see it yet."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from lockstep.domain.alert import Alert, merged
from lockstep.domain.refusal import InvalidMeasurement
from lockstep.domain.rule import is_severer
from lockstep.engine.alert import judging, limit_alerts
from lockstep.engine.course import OwnCourse
from lockstep.engine.matching_agenda import Agenda
from lockstep.engine.matching_taking import Stored
from lockstep.store import acceptance_overlap as store
from lockstep.store import agenda as agenda_store
from lockstep.store import alert as alert_store
from lockstep.store import timeline as facts_store
from lockstep.store.acceptance_overlap import Received
from lockstep.store.clock import now as clock_now
from lockstep.store.database import Connection, Database

LONGEST = timedelta(seconds=1)
"""How long after E something may have been judged without knowing of it: a commit is refused after 250 ms."""
ALLOWED = "The version in force when the value was taken allows it."
_MOST = 500

AgendasOf = dict[int, list[Agenda]]
Name = tuple[int, str, str, str, int]
"""Enrolment, activity, rule, its kind, measurement."""


def judge_overlap(database: Database, *, organisation_id: int, operation_id: int) -> int:
    """What was received as the operation's switch was accepted is judged by the limits in force when it was taken.

    Called once everything that ran at the acceptance has ended. Differences are appended: an alert that is missing is
    raised, an open one that lists nothing else is resolved with its reason, unless its activity is gone with the
    switch (rule 6). Returns how many values were judged otherwise. In transactions of at most 500 measurements;
    idempotent. Locks: heads of those judged otherwise in key order, then alerts.
    """
    changed, after = 0, (0, 0)
    while True:
        with database.transaction(organisation_id) as connection:
            at = store.find_accepted_at(connection, organisation_id=organisation_id, operation_id=operation_id)
            if at is None:
                return changed
            received = store.list_received(
                connection,
                organisation_id=organisation_id,
                from_at=at,
                until_at=at + LONGEST,
                after=after,
                most=_MOST,
            )
            changed += _Overlap(connection, organisation_id, at, received).judge() if received else 0
        if len(received) < _MOST:
            return changed
        after = received[-1].patient_id, received[-1].measurement_id


class _Overlap:
    """A transaction that judges some measurements again."""

    def __init__(
        self, connection: Connection, organisation_id: int, accepted_at: datetime, received: Sequence[Received]
    ) -> None:
        self._connection, self._organisation_id = connection, organisation_id
        self._accepted_at, self._received = accepted_at, received
        self._now = clock_now(connection)

    def judge(self) -> int:
        agendas = self._agendas()
        wanted, judged = self._wanted(agendas)
        concerned = {each.enrolment_id for of_one in agendas.values() for each in of_one}
        if not self._differing(wanted, judged, concerned):
            return 0
        # Read again under the heads: whoever else judges these holds them.
        agenda_store.lock_heads(
            self._connection, organisation_id=self._organisation_id, enrolment_ids=sorted(concerned)
        )
        differing = self._differing(wanted, judged, concerned)
        alert_store.raise_alerts(
            self._connection,
            organisation_id=self._organisation_id,
            alerts=merged(
                # What lists the value already becomes more severe, and lists it no second time.
                wanted[name] if differing[name] is None else replace(wanted[name], samples=())
                for name in sorted(differing)
                if name in wanted
            ),
            raised_at=self._now,
        )
        alert_store.resolve_alerts(
            self._connection,
            organisation_id=self._organisation_id,
            alert_ids=sorted({each for name, each in differing.items() if each is not None and name not in wanted}),
            resolution=ALLOWED,
            updated_at=self._now,
        )
        return len({name[-1] for name in differing})

    def _agendas(self) -> AgendasOf:
        """Per patient the enrolments with their courses as they are known now."""
        key: dict[str, Any] = {"organisation_id": self._organisation_id}
        patients = {each.patient_id for each in self._received}
        enrolments = store.list_enrolments_of(self._connection, **key, patient_ids=patients)
        known = facts_store.load_enrolments(self._connection, **key, enrolment_ids=enrolments)
        protocol_ids = {assigned.protocol_id for facts in known.values() for assigned in facts.assignments}
        world = facts_store.load_world(self._connection, **key, protocol_ids=protocol_ids)
        found: AgendasOf = defaultdict(list)
        for enrolment_id, facts in sorted(known.items()):
            course = OwnCourse(facts, world, (), self._now)
            found[facts.patient_id].append(Agenda(enrolment_id, facts.patient_id, None, {}, course))
        return found

    def _wanted(self, agendas: AgendasOf) -> tuple[dict[Name, Alert], set[tuple[int, str, int]]]:
        """The alerts that each raises by the limits in force when it was taken, and what it is judged for."""
        wanted: dict[Name, Alert] = {}
        judged: set[tuple[int, str, int]] = set()
        for each in self._received:
            # Measured in a unit of the former version: it cannot be judged by the limits of another quantity.
            with suppress(InvalidMeasurement):
                for alert in limit_alerts([Stored(*each)], agendas, self._now):
                    wanted[(*alert.key, each.measurement_id)] = alert
                judged |= {
                    (agenda.enrolment_id, activity.key, each.measurement_id)
                    for agenda, _, activities in judging(agendas.get(each.patient_id, ()), each.at, each.code)
                    for activity in activities
                }
        return wanted, judged

    def _differing(
        self, wanted: dict[Name, Alert], judged: set[tuple[int, str, int]], concerned: set[int]
    ) -> dict[Name, int | None]:
        """What no alert lists but should; with its alert what one lists less severely, or wrongly and as all of it."""
        listed = store.list_limit_samples(
            self._connection,
            organisation_id=self._organisation_id,
            enrolment_ids=concerned,
            measurement_ids=[each.measurement_id for each in self._received],
            from_at=self._accepted_at,
        )
        wrong = [
            each
            for each in listed
            if each.open
            and each.name not in wanted
            and (each.enrolment_id, each.activity_key, each.measurement_id) in judged
        ]
        wrongly = Counter(each.alert_id for each in wrong)
        known = {each.name for each in listed}
        missing: dict[Name, int | None] = {name: None for name in wanted if name not in known}
        milder = {
            each.name: each.alert_id
            for each in listed
            if each.open and each.name in wanted and is_severer(wanted[each.name].judged_by.severity, each.severity)
        }
        return (
            missing
            | milder
            | {each.name: each.alert_id for each in wrong if wrongly[each.alert_id] == each.occurrences}
        )
