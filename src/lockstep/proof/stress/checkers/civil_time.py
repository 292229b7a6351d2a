"""S10: windows are civil time of the patient's zone, and the server's clock decides what a measurement belongs to."""

from collections import defaultdict
from datetime import date, datetime, timedelta

from lockstep.proof.stress.checkers.measurements import collect, kept_at
from lockstep.proof.stress.checkers.windows import activities, every_days, windows_on
from lockstep.proof.stress.evidence import Evidence, Final, RowGroup, ZoneRow
from lockstep.proof.stress.finding import Finding, Looking
from lockstep.proof.stress.history import instant

SLACK = timedelta(milliseconds=250)
"""How exactly a client knows the database's clock."""


def check_civil_time(evidence: Evidence) -> Finding:
    """Windows told to readers and windows in the tables are what the document means in the zone, also over changes."""
    looking = Looking("civil time", "S10", "S7", "S9")
    looking.figures = {"over a change of clocks": 0, "receipts": 0}
    _look_at_answers(evidence, looking)
    _look_at_rows(evidence.final, looking)
    _look_at_receipts(evidence, looking)
    return looking.finding()


def _look_at_answers(evidence: Evidence, looking: Looking) -> None:
    contents = evidence.final.contents
    anchors = {row.enrolment_id: row.anchor_on for row in evidence.final.enrolments}
    for read in evidence.history.of("calendar"):
        if not read.ok:
            continue
        offsets = set()
        for key, on, slot, opens, closes, judge, protocol_id, version_number in read.answer["windows"]:
            content = contents.get((protocol_id, version_number))
            activity = activities(content).get(key) if content else None
            if activity is None:
                looking.look(
                    False, f"{read.client} #{read.number}: {key} is of no version {protocol_id}, {version_number}"
                )
                continue
            day = date.fromisoformat(on)
            right = {name: rest for name, *rest in windows_on(activity, read.answer["zone"], day)}
            told = [instant(each) for each in (opens, closes, judge)]
            # What is asked at once opens at E, in the middle of its window.
            fits = slot in right and told[1:] == right[slot][1:] and right[slot][0] <= told[0] < right[slot][1]
            fits = fits and _recurs(activity, day, anchors.get(read.sent["enrolment"]))
            looking.look(
                fits,
                "{} #{}: {} {} {} is {}, right: {}",
                read.client,
                read.number,
                key,
                on,
                slot,
                told,
                right.get(slot),
            )
            offsets.add((day.toordinal() * 86_400 - told[0].timestamp()) % 86_400 if slot in right else 0)
        looking.figures["over a change of clocks"] += len(offsets) > len({each[2] for each in read.answer["windows"]})


def _recurs(activity: object, on: date, anchor_on: date | None) -> bool:
    assert isinstance(activity, dict)
    days = every_days(activity)
    return days is None or anchor_on is None or (on - anchor_on).days % days == 0


def _look_at_rows(final: Final, looking: Looking) -> None:
    """Windows of rows are those of some version of their protocol, in the zone in which they open, by the document."""
    zones = _Zones(final)
    by_protocol: dict[int, list[int]] = defaultdict(list)
    for protocol_id, number in final.contents:
        by_protocol[protocol_id].append(number)
    outages = [each[1:] for each in final.outages]
    for row in final.rows:
        if any(began_at < row.judge_at and until_at > row.opens_at for began_at, until_at in outages):
            continue  # its close has moved
        told = (row.closes_at, row.judge_at)
        right = [
            (closes_at, judge_at)
            for number in by_protocol[row.protocol_id]
            if (activity := activities(final.contents[row.protocol_id, number]).get(row.activity_key)) is not None
            for slot, _, closes_at, judge_at in windows_on(activity, zones.when_opens(row), row.on)
            if slot == row.slot
        ]
        looking.look(told in right, "row {}, right: {}", row, right)


class _Zones:
    """Where those live who have moved; an occurrence that is open keeps the zone in which it opened."""

    def __init__(self, final: Final) -> None:
        patients: dict[int, list[ZoneRow]] = defaultdict(list)
        for each in final.zones:
            patients[each.patient_id].append(each)
        self._moved = {
            row.enrolment_id: sorted(patients[row.patient_id], key=lambda each: each.number)
            for row in final.enrolments
            if len(patients[row.patient_id]) > 1
        }

    def when_opens(self, row: RowGroup) -> str:
        """The zone in force when the row opens; for those who never moved that of their cohort."""
        known = self._moved.get(row.example)
        if known is None:
            return row.zone
        begun = [each.zone for each in known if each.from_at <= row.opens_at]
        return begun[-1] if begun else known[0].zone


def _look_at_receipts(evidence: Evidence, looking: Looking) -> None:
    items, _ = collect(evidence)
    asked_at: dict[tuple[object, ...], datetime] = {}
    flagged = {name for name, documents in items.items() if any(each.get("flagged") for each in documents)}
    for operation in evidence.history.of("measure"):
        for item in operation.sent["items"]:
            name = (operation.organisation_id, item["source"], item["identifier"])
            asked_at.setdefault(name, operation.asked_at)
    for row in evidence.final.measurements:
        name = (row.organisation_id, row.source, row.identifier)
        if name not in asked_at or name in flagged:
            continue
        looking.figures["receipts"] += 1
        looking.look(row.judged_for_at == kept_at(row), "{} is judged for {}: {}", name, row.judged_for_at, row)
        late = row.received_at >= asked_at[name] - SLACK
        looking.look(late, "{} was received before it was sent", name)
