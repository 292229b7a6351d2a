"""Decides what was missed: once, in time, and never while something that came in before may still be on its way."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from lockstep.domain.agenda import Row
from lockstep.domain.alert import Alert, JudgedBy, Sample, is_late
from lockstep.domain.barrier import Barrier
from lockstep.domain.occurrence import Occurrence
from lockstep.engine import chunk
from lockstep.engine.agenda import bring_in_step, count_runs
from lockstep.engine.course import Memory as Courses
from lockstep.engine.due import Due
from lockstep.store import agenda as agenda_store
from lockstep.store import alert as alert_store
from lockstep.store import judgement as store
from lockstep.store import recalculation as aside_store
from lockstep.store.clock import now as clock_now
from lockstep.store.database import Connection, Database, is_transient
from lockstep.store.judgement import Advance, Broken, Standing


@dataclass(frozen=True, slots=True)
class Judged:
    """What one round did: heads held, occurrences missed, heads brought in step instead, and whether more is due."""

    count: int
    missed: int
    brought_in_step: int
    more: bool

    def __add__(self, other: "Judged") -> "Judged":
        return Judged(
            self.count + other.count,
            self.missed + other.missed,
            self.brought_in_step + other.brought_in_step,
            self.more or other.more,
        )


class Memory:
    """What a worker keeps between rounds of one organisation; nothing in it is needed for correctness."""

    def __init__(self) -> None:
        self.courses = Courses()
        self.chunk = chunk.Memory()


class Horizon:
    """Until when each organisation may be judged, as one worker has seen it. Without it nothing is."""

    def __init__(self) -> None:
        self._barrier = Barrier()

    def observe(self, connection: Connection) -> dict[int, datetime]:
        """Per organisation with something due the instant until which all is in; ingestion was seen alive after it.

        To be called often, in a duty's transaction of its own: an instant passes two seconds after it was first seen.
        """
        at = clock_now(connection)
        oldest_running, next_to_run = store.find_running(connection)
        passed_at = self._barrier.observe(at, oldest_running=oldest_running, next_to_run=next_to_run)
        return store.list_horizons(connection, passed_at=passed_at) if passed_at is not None else {}


def list_horizons(database: Database, horizon: Horizon) -> dict[int, datetime]:
    """The organisations with something to judge, each with its horizon. Locks: none."""
    with database.duty() as connection:
        return horizon.observe(connection)


def judge_due(
    database: Database, *, organisation_id: int, horizon_at: datetime, size: int = 2000, memory: Memory
) -> Judged:
    """At most `size` rows that are due at the horizon are decided: missed, with the alerts of their rules, and gone on.

    Enrolments behind are brought in step instead, and judged in a later round if they are still due; occurrences that
    an outage met are extended. Whoever fails by itself is set aside with the kind of failure, the others are judged.
    One transaction. Locks: heads (skipping locked ones), their rows, alerts.
    """
    held: list[int] = []
    try:
        with database.transaction(organisation_id) as connection:
            heads = store.claim_due_heads(connection, organisation_id=organisation_id, horizon_at=horizon_at, size=size)
            held.extend(heads)
            judged = _Round(connection, organisation_id, horizon_at, memory).judge(heads)
            # What was gone on from may be due again, so only a round that found nothing is the last.
            return replace(judged, more=judged.count > 0)
    except Exception as error:
        if is_transient(error) or not held:
            raise
        return replace(_judge_in_parts(database, organisation_id, horizon_at, held, memory, error), more=True)


def _judge_in_parts(
    database: Database,
    organisation_id: int,
    horizon_at: datetime,
    enrolment_ids: Sequence[int],
    memory: Memory,
    error: Exception,
) -> Judged:
    """The enrolments that failed together are judged in halves; one that fails alone is set aside."""
    if len(enrolment_ids) == 1:
        _set_aside(database, organisation_id, enrolment_ids[0], error)
        return Judged(0, 0, 0, False)
    middle = len(enrolment_ids) // 2
    judged = Judged(0, 0, 0, False)
    for part in (enrolment_ids[:middle], enrolment_ids[middle:]):
        try:
            with database.transaction(organisation_id) as connection:
                heads = store.claim_heads(connection, organisation_id=organisation_id, enrolment_ids=part)
                judged += _Round(connection, organisation_id, horizon_at, memory).judge(heads)
        except Exception as again:
            if is_transient(again):
                raise
            judged += _judge_in_parts(database, organisation_id, horizon_at, part, memory, again)
    return judged


def _set_aside(database: Database, organisation_id: int, enrolment_id: int, error: Exception) -> None:
    with database.transaction(organisation_id) as connection:
        aside_store.set_aside(
            connection,
            organisation_id=organisation_id,
            enrolment_id=enrolment_id,
            operation_id=None,
            # The kind only: the text of an error may quote a patient's values.
            reason=type(error).__name__,
            sqlstate=getattr(error, "sqlstate", None),
            now=clock_now(connection),
        )


class _Round:
    """One transaction of judging: what is due under held heads is read again, decided and gone on from."""

    def __init__(self, connection: Connection, organisation_id: int, horizon_at: datetime, memory: Memory) -> None:
        self._connection, self._organisation_id = connection, organisation_id
        self._horizon_at, self._memory = horizon_at, memory

    def judge(self, heads: dict[int, store.DueHead]) -> Judged:
        if not heads:
            return Judged(0, 0, 0, False)
        count = len(heads)
        self._now = clock_now(self._connection)
        self._due = Due(
            self._connection,
            self._memory.courses,
            organisation_id=self._organisation_id,
            heads=heads,
            now=self._now,
        )
        behind = self._due.take_behind()
        self._bring_behind_in_step(behind)
        standings = self._list_due()
        if self._due.outages and self._extend(standings):
            standings = self._list_due()
        missed, decided_before = self._save(self._due.opened(standings))
        self._raise_alerts(missed)
        self._advance(missed, apart=decided_before)
        return Judged(count, sum(len(each.enrolment_ids) for each in missed), len(behind), False)

    def _bring_behind_in_step(self, behind: Sequence[int]) -> None:
        if not behind:
            return
        heads = agenda_store.list_heads(self._connection, organisation_id=self._organisation_id, enrolment_ids=behind)
        protocol_ids = {head.protocol_id for head in heads.values()}
        protocol_ids |= {head.assigned_protocol_id for head in heads.values()}
        world = self._memory.courses.world(
            self._connection, organisation_id=self._organisation_id, protocol_ids=protocol_ids
        )
        chunk.step_heads(
            self._connection,
            organisation_id=self._organisation_id,
            heads=list(heads.values()),
            world=world,
            now=self._now,
            memory=self._memory.chunk,
        )

    def _list_due(self) -> list[Standing]:
        return store.list_due(
            self._connection,
            organisation_id=self._organisation_id,
            enrolment_ids=self._due.heads,
            horizon_at=self._horizon_at,
        )

    def _extend(self, standings: Sequence[Standing]) -> bool:
        """Rows that an outage met close later; whether there were any that may have changed."""
        extended: list[tuple[Occurrence, Sequence[int]]] = []
        apart: set[int] = set()
        for standing in standings:
            found, own = self._due.extended(standing)
            extended.extend(found.items())
            apart.update(own)
        store.extend_rows(self._connection, organisation_id=self._organisation_id, extended=extended)
        if apart:
            bring_in_step(
                self._connection, organisation_id=self._organisation_id, enrolment_ids=sorted(apart), now=self._now
            )
        return bool(extended or apart)

    def _save(self, standings: Sequence[Standing]) -> tuple[Sequence[Standing], set[tuple[int, str]]]:
        """The occurrences are decided; returns the standings of those missed now, and the rows decided before."""
        if not standings:
            return [], set()
        saved = store.save_missed(
            self._connection, organisation_id=self._organisation_id, standings=standings, decided_at=self._now
        )
        if len(saved) == sum(len(each.enrolment_ids) for each in standings):
            return standings, set()
        missed = []
        before: set[tuple[int, str]] = set()
        for each in standings:
            key = each.place.activity_key
            now_missed = [enrolment_id for enrolment_id in each.enrolment_ids if (enrolment_id, key) in saved]
            before |= {(enrolment_id, key) for enrolment_id in each.enrolment_ids} - saved
            if now_missed:
                missed.append(replace(each, enrolment_ids=now_missed))
        return missed, before

    def _raise_alerts(self, missed: Sequence[Standing]) -> None:
        """Each missed occurrence is evaluated once by the rules in force when it opened."""
        broken = [
            Broken(standing.place, rule, is_late(standing.place.judge_at, self._now), enrolment_ids)
            for standing in missed
            for rule, enrolment_ids in self._due.rules(standing)
        ]
        store.raise_missed(
            self._connection,
            organisation_id=self._organisation_id,
            broken=[each for each in broken if each.rule.in_a_row == 1],
            raised_at=self._now,
        )
        of_runs = [each for each in broken if each.rule.in_a_row > 1]
        runs = store.list_runs(self._connection, organisation_id=self._organisation_id, broken=of_runs)
        alert_store.raise_alerts(
            self._connection,
            organisation_id=self._organisation_id,
            alerts=[_alert(enrolment_id, of_runs[position], missed) for enrolment_id, position, missed in runs],
            raised_at=self._now,
        )

    def _advance(self, missed: Sequence[Standing], *, apart: Collection[tuple[int, str]]) -> None:
        """The rows hold what follows; occurrences that measurements fulfilled ahead of their turn are passed by."""
        alone = set(apart)
        going = [(standing, True, False) for standing in missed]
        while going:
            advances: list[Advance] = []
            for standing, was_missed, ends_run in going:
                key = standing.place.activity_key
                found, own = self._due.following(standing)
                alone.update((enrolment_id, key) for enrolment_id in own)
                advances.extend(
                    Advance(key, occurrence, was_missed, ends_run, members) for occurrence, members in found.items()
                )
            store.advance_rows(self._connection, organisation_id=self._organisation_id, advances=advances)
            going = self._decided_ahead(advances)
        self._advance_alone(alone)

    def _decided_ahead(self, advances: Sequence[Advance]) -> list[tuple[Standing, bool, bool]]:
        """Rows that now hold an occurrence which was decided before; only one that has opened can have been."""
        asked: list[tuple[Occurrence, Sequence[int]]] = [
            (each.occurrence, each.enrolment_ids)
            for each in advances
            if each.occurrence is not None and each.occurrence.nominal_at <= self._now
        ]
        decided = store.list_decided(self._connection, organisation_id=self._organisation_id, asked=asked)
        return [
            (Standing(_place(asked[position][0]), enrolment_ids), False, not was_missed)
            for position, was_missed, enrolment_ids in decided
        ]

    def _advance_alone(self, rows: Collection[tuple[int, str]]) -> None:
        """Rows whose enrolments do not share their course go on by their own facts, and count their run anew."""
        if not rows:
            return
        bring_in_step(
            self._connection,
            organisation_id=self._organisation_id,
            enrolment_ids=sorted({enrolment_id for enrolment_id, _ in rows}),
            now=self._now,
        )
        count_runs(self._connection, organisation_id=self._organisation_id, rows=rows)


def _place(occurrence: Occurrence) -> Row:
    """The occurrence as rows of any enrolment hold it."""
    return Row(
        enrolment_id=0,
        activity_key=occurrence.activity_key,
        cohort_id=0,
        protocol_id=occurrence.protocol_id,
        version_number=occurrence.version_number,
        on=occurrence.on,
        slot=occurrence.slot,
        opens_at=occurrence.opens_at,
        closes_at=occurrence.closes_at,
        judge_at=occurrence.judge_at,
        taken=0,
        missed_in_a_row=0,
    )


def _alert(enrolment_id: int, broken: Broken, missed: Sequence[tuple[datetime, date, str]]) -> Alert:
    place, rule = broken.place, broken.rule
    judged_by = JudgedBy(rule.severity, place.protocol_id, place.version_number)
    return Alert(
        enrolment_id=enrolment_id,
        activity_key=place.activity_key,
        rule_key=rule.key,
        kind="missed",
        judged_by=judged_by,
        about_at=place.judge_at,
        late=broken.late,
        samples=tuple(Sample(at, judged_by, on=on, slot=slot) for at, on, slot in missed),
    )
