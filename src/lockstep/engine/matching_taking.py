"""What a row does when a measurement counts for it: it counts on, is decided, or gives way to what follows."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from lockstep.domain.agenda import Row
from lockstep.domain.content import Activity
from lockstep.domain.occurrence import Occurrence, OccurrenceState
from lockstep.domain.schedule import AfterEvent
from lockstep.engine.matching_agenda import Agenda, Agendas
from lockstep.store import agenda as agenda_store
from lockstep.store import measurement as store


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
class Found:
    """What is to be written: decisions, corrections, and the agendas whose rows changed."""

    decisions: list[agenda_store.Decision] = field(default_factory=list)
    corrections: list[store.Correction] = field(default_factory=list)
    corrected: list[tuple[Agenda, Occurrence]] = field(default_factory=list)
    changed: dict[int, Agenda] = field(default_factory=dict)


class Taking:
    """One batch of measurements that is being matched, and what was found so far."""

    def __init__(self, agendas: Agendas, batch: Iterable[int]) -> None:
        self.agendas = agendas
        self.found = Found()
        self._batch = frozenset(batch)

    def recall_decided(self, jobs: Iterable[tuple[Agenda, Stored]]) -> None:
        """Keys decided at or after each row that may be left behind, further back where windows may overlap."""
        since = {}
        for agenda, each in jobs:
            for row in agenda.rows.values():
                activity = agenda.course.asked(row)
                if activity is not None and activity.code == each.code:
                    reach = timedelta() if agenda.course.shared else reach_of(activity)
                    since[agenda.enrolment_id, row.activity_key] = row.on - reach
        decided = store.list_decided_since(
            self.agendas.connection,
            organisation_id=self.agendas.organisation_id,
            since=[(enrolment_id, key, on) for (enrolment_id, key), on in since.items()],
        )
        for (enrolment_id, activity_key), keys in decided.items():
            self.agendas.of_enrolment[enrolment_id].decided.setdefault(activity_key, set()).update(keys)

    def follow(self, agenda: Agenda, row: Row, quantity: int) -> tuple[bool, Occurrence | None]:
        """Whether one more measurement completes the row's occurrence, and what then follows it."""
        if row.taken + 1 < quantity:
            return False, None
        return True, agenda.course.following(row, agenda.decided.get(row.activity_key, ()))

    def take(
        self,
        agenda: Agenda,
        row: Row,
        each: Stored,
        late: bool,
        completes: bool,
        following: Occurrence | None,
    ) -> None:
        """The measurement counts for the row's occurrence; a fulfilled one gives way to the one that follows."""
        self.found.changed[agenda.enrolment_id] = agenda
        agenda.changed.add(row.activity_key)
        if not completes:
            agenda.rows[row.activity_key] = replace(row, taken=row.taken + 1)
            return
        state = OccurrenceState.FULFILLED_LATE if late else OccurrenceState.FULFILLED
        self._fulfil(agenda, row, state, each.measurement_id)
        if following is None:
            del agenda.rows[row.activity_key]
            return
        agenda.rows[row.activity_key] = after = _row(row, following)
        if following.quantity > 1 and following.nominal_at <= self.agendas.now:
            self._count_on(agenda, after, each, following)

    def numbers_before(self, asked: list[agenda_store.Asked]) -> list[list[int]]:
        """For each window asked for, the measurements in it that were taken in before this batch. Locks: none."""
        listed = agenda_store.list_measurements_in(
            self.agendas.connection, organisation_id=self.agendas.organisation_id, asked=asked
        )
        return [[number for number in numbers if number not in self._batch] for numbers in listed]

    def _fulfil(self, agenda: Agenda, row: Row, state: OccurrenceState, measurement_id: int) -> None:
        opened = agenda.course.opened(row)
        self.found.decisions.append(agenda_store.Decision(agenda.enrolment_id, opened, state, measurement_id))
        agenda.states[row.activity_key, row.key] = (state, 0)
        agenda.decided.setdefault(row.activity_key, set()).add(row.key)

    def _count_on(self, agenda: Agenda, row: Row, each: Stored, occurrence: Occurrence) -> None:
        """What was measured in a window before it became the earliest undecided one counts for it."""
        name = (row.activity_key, row.key)
        if name not in agenda.counted:
            asked = agenda_store.Asked(agenda.patient_id, each.code, occurrence.nominal_at, occurrence.closes_at)
            (agenda.counted[name],) = self.numbers_before([asked])
        taken = agenda.counted[name]
        if len(taken) < occurrence.quantity:
            agenda.rows[row.activity_key] = replace(row, taken=len(taken))
            return
        last = taken[occurrence.quantity - 1]
        self._fulfil(agenda, row, OccurrenceState.FULFILLED, last)
        following = agenda.course.following(row, agenda.decided[row.activity_key])
        if following is None:
            del agenda.rows[row.activity_key]
            return
        agenda.rows[row.activity_key] = after = _row(row, following)
        if following.quantity > 1 and following.nominal_at <= self.agendas.now:
            self._count_on(agenda, after, each, following)


def reach_of(activity: Activity) -> timedelta:
    """How many dates before a row's own an occurrence may carry that closes after the row opens."""
    if isinstance(activity.schedule, AfterEvent):
        minutes = activity.schedule.delay_minutes + activity.schedule.lasts_minutes
    else:
        minutes = max(time_of_day.lasts_minutes for time_of_day in activity.schedule.times)
    return timedelta(days=minutes // 1440 + 2)


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
