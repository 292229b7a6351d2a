"""S5: an asked occurrence is missed if and only if nothing qualifying came; decided once, evaluated once."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

from lockstep.proof.stress.checkers.measurements import kept_at
from lockstep.proof.stress.checkers.model import Model
from lockstep.proof.stress.checkers.windows import activities, every_days, windows_on
from lockstep.proof.stress.evidence import EnrolmentRow, Evidence, Final, OccurrenceRow
from lockstep.proof.stress.finding import Finding, Looking

MISSED = "missed"
DECIDED_WITHIN = timedelta(seconds=30)
MARGIN = timedelta(seconds=5)
"""Windows within which, or so near to which, a fact of the patient lies are looked at only where they were decided."""
MOST_WALKED = 5_000
REACH = timedelta(hours=30)
"""A civil day, wherever it is, lies within so much of its noon in UTC."""

Key = tuple[int, str, date, str]


def check_missed(evidence: Evidence) -> Finding:
    """Every window that must have been asked was decided, missed where nothing was measured in it and nowhere else."""
    looking = Looking("missed", "S5")
    final = evidence.final
    taken = _Taken(final)
    decided = {(row.enrolment_id, row.activity_key, row.on, row.slot): row for row in final.occurrences}
    looking.look(len(decided) == len(final.occurrences), "an occurrence was decided twice")
    for row in final.occurrences:
        _look_at_decided(row, taken, looking)
    expected = 0
    for key, opens_at, judge_at, code in expected_windows(final):
        expected += 1
        found = decided.get(key)
        if looking.look(found is not None, "{} was never decided", key) and found is not None:
            missed, measured = found.last_state == MISSED, taken.between(key[0], code, opens_at, judge_at)
            looking.look(missed != measured, "{} is {}, measured: {}", key, found.last_state, measured)
    looking.figures = {
        "decided": len(decided),
        "missed": sum(row.state == MISSED for row in final.occurrences),
        "corrected": sum(row.state != row.last_state for row in final.occurrences),
        "windows computed from the document": expected,
    }
    return looking.finding()


def check_evaluated(evidence: Evidence) -> Finding:
    """Each missed occurrence of an activity with such a rule stands in one alert once, and no other does."""
    looking = Looking("evaluated", "S5")
    final = evidence.final
    samples: Counter[tuple[object, ...]] = Counter(
        (each.enrolment_id, each.activity_key, each.on, each.slot, each.rule_key)
        for each in final.samples
        if each.kind == MISSED
    )
    for row in final.occurrences:
        for rule in _missed_rules(final, row):
            place = (row.enrolment_id, row.activity_key, row.on, row.slot, rule)
            wanted = 1 if row.state == MISSED else 0
            count = samples.pop(place, 0)
            looking.look(count == wanted, "{} was {} and is in {} alerts", place, row.state, count)
    for left in samples:
        looking.look(False, f"an alert of what was never missed: {left}")
    return looking.finding()


def _missed_rules(final: Final, row: OccurrenceRow) -> list[str]:
    content = final.contents.get((row.protocol_id, row.version_number), {"activities": []})
    activity = activities(content).get(row.activity_key, {})
    return [each["key"] for each in activity.get("rules", ()) if each.get("kind") == MISSED and each["in_a_row"] == 1]


class _Taken:
    """When a patient's measurements of a code were taken, by the rule of the design and not by what was stored."""

    def __init__(self, final: Final) -> None:
        patients = {row.enrolment_id: (row.organisation_id, row.patient) for row in final.enrolments}
        self._patients = patients
        self._codes = {
            (protocol_id, number, key): activity["code"]
            for (protocol_id, number), content in final.contents.items()
            for key, activity in activities(content).items()
        }
        self.by_id = {(row.organisation_id, row.measurement_id): row for row in final.measurements}
        self._at: dict[tuple[int, str, str], list[datetime]] = defaultdict(list)
        for row in final.measurements:
            self._at[row.organisation_id, row.patient, row.code].append(kept_at(row))

    def between(self, enrolment_id: int, code: str, from_at: datetime, until_at: datetime) -> bool:
        if enrolment_id not in self._patients:
            return False
        return any(from_at <= at < until_at for at in self._at.get((*self._patients[enrolment_id], code), ()))

    def code(self, row: OccurrenceRow) -> str:
        return str(self._codes.get((row.protocol_id, row.version_number, row.activity_key), row.activity_key))

    def patient(self, enrolment_id: int) -> str | None:
        found = self._patients.get(enrolment_id)
        return found[1] if found else None


def _look_at_decided(row: OccurrenceRow, taken: _Taken, looking: Looking) -> None:
    code = taken.code(row)
    looking.look(not row.still_open, "decided, and still asked: {}", row)
    if row.last_state == MISSED:
        measured = taken.between(row.enrolment_id, code, row.opens_at, row.judge_at)
        looking.look(not measured, "missed although measured: {}", row)
        looking.look(row.decided_at >= row.judge_at, "missed before it was due: {}", row)
    elif row.state != MISSED:
        by = taken.by_id.get((row.organisation_id, row.measurement_id or 0))
        fits = by is not None and by.patient == taken.patient(row.enrolment_id) and by.code == code
        looking.look(fits, "fulfilled by nothing: {}", row)


def expected_windows(final: Final) -> Iterator[tuple[Key, datetime, datetime, str]]:
    """Windows that were asked for certain: far from every fact of the enrolment, under one version, and long closed."""
    model = Model(final)
    everything = frozenset(each.switch_id for each in final.switches if each.withdrawn_at is None)
    edges = _edges(final)
    zones = _settled_zones(final)
    until_at = final.at - DECIDED_WITHIN
    for row in _some_of_each_protocol(final):
        if row.patient_id not in zones:
            continue
        protocols = model.reachable(row.enrolment_id)
        changes = [*edges[row.enrolment_id], *edges[-row.organisation_id]]
        changes += [at for each in model.switches(protocols) for at in (each.first_at, each.last_at)]
        ends_at = min(until_at, row.discharged_at or until_at)
        day = row.enrolled_at.date() - timedelta(days=1)
        while day <= ends_at.date() + timedelta(days=1):
            yield from _on(final, model, everything, row, zones[row.patient_id], day, changes, ends_at)
            day += timedelta(days=1)


def _some_of_each_protocol(final: Final) -> list[EnrolmentRow]:
    """All enrolments, or of a protocol with many as many as can be walked through."""
    first = {each.enrolment_id: each.protocol_id for each in final.assignments if each.number == 1}
    groups: dict[int | None, list[EnrolmentRow]] = defaultdict(list)
    for row in final.enrolments:
        groups[first.get(row.enrolment_id)].append(row)
    return [row for rows in groups.values() for row in rows[:: 1 + len(rows) // MOST_WALKED]]


def _on(
    final: Final,
    model: Model,
    known: frozenset[int],
    row: EnrolmentRow,
    zone: str,
    day: date,
    changes: list[datetime],
    ends_at: datetime,
) -> Iterator[tuple[Key, datetime, datetime, str]]:
    for content in _contents_about(final, model, known, row, day, changes):
        for key, activity in activities(content).items():
            days = every_days(activity)
            if days is None or (day - row.anchor_on).days % days or activity.get("quantity", 1) != 1:
                continue
            for slot, opens_at, _, judge_at in windows_on(activity, zone, day):
                if opens_at <= row.enrolled_at + MARGIN or judge_at > ends_at:
                    continue
                if any(opens_at - MARGIN <= at <= judge_at + MARGIN for at in changes):
                    continue
                if _content_at(final, model, known, row, opens_at) is content and not _is_paused(
                    final, row.enrolment_id, opens_at
                ):
                    yield (row.enrolment_id, key, day, slot), opens_at, judge_at, activity["code"]


def _contents_about(
    final: Final, model: Model, known: frozenset[int], row: EnrolmentRow, day: date, changes: list[datetime]
) -> list[Mapping[str, Any]]:
    """The contents that may be in force for the enrolment on some instant of the civil day."""
    noon = datetime.combine(day, time(12), row.enrolled_at.tzinfo)
    near = {at for at in changes if abs(at - noon) < REACH}
    found: list[Mapping[str, Any]] = []
    for at in (noon - REACH, noon, noon + REACH, *sorted(near)):
        content = _content_at(final, model, known, row, at)
        if content is not None and not any(content is each for each in found):
            found.append(content)
    return found


def _content_at(
    final: Final, model: Model, known: frozenset[int], row: EnrolmentRow, at: datetime
) -> Mapping[str, Any] | None:
    standing = model.standing(row.enrolment_id, at, known)
    if standing is None or standing.version_number is None:
        return None
    return final.contents.get((standing.protocol_id, standing.version_number))


def _is_paused(final: Final, enrolment_id: int, at: datetime) -> bool:
    return any(
        each.enrolment_id == enrolment_id and each.from_at <= at and (each.until_at is None or at < each.until_at)
        for each in final.pauses
    )


def _edges(final: Final) -> dict[int, list[datetime]]:
    """Instants at which something of an enrolment changed; those of outages under the organisation, negated."""
    found: dict[int, list[datetime]] = defaultdict(list)
    for assigned in final.assignments:
        found[assigned.enrolment_id].append(assigned.from_at)
    for pause in final.pauses:
        found[pause.enrolment_id] += [pause.from_at, *([pause.until_at] if pause.until_at else [])]
    for organisation_id, from_at, until_at in final.outages:
        step = timedelta(minutes=1)
        found[-organisation_id] += [from_at + step * n for n in range(int((until_at - from_at) / step) + 1)]
        found[-organisation_id].append(until_at)
    return found


def _settled_zones(final: Final) -> dict[int, str]:
    """Where those patients live who never moved."""
    numbers = Counter(each.patient_id for each in final.zones)
    return {each.patient_id: each.zone for each in final.zones if numbers[each.patient_id] == 1}
