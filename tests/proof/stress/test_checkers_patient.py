"""Checkers of measurements, occurrences and the service: seen to fail on what each is there for."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from tests.proof.stress.made import (
    BEGIN,
    END,
    HEART,
    ORG,
    OTHER,
    at,
    enrolment,
    evidence,
    item,
    lost,
    measure,
    measurement,
    occurrence,
    op,
    read,
    refused,
    row_group,
    sample,
)
from tests.proof.stress.test_checkers_switch import require

from lockstep.proof.stress.checkers.windows import instant_of, minutes, windows_on
from lockstep.proof.stress.evidence import OperationRow, ZoneRow
from lockstep.proof.stress.finding import HELD, NOT_LOOKED_AT, VIOLATED

DAY = datetime(2026, 3, 10, tzinfo=UTC)
MISSED = {"occurrences": [occurrence()], "samples": [sample()]}


def test_measurements() -> None:
    sent = measure(9001, item())
    require("measurements", HELD, evidence(sent, measurements=[measurement()]))
    require("measurements", VIOLATED, evidence(sent))  # lost
    require("measurements", VIOLATED, evidence(sent, measurements=[measurement(value=Decimal("80.6"))]))  # altered
    require("measurements", VIOLATED, evidence(sent, measurements=[measurement(patient="p9")]))
    require("measurements", VIOLATED, evidence(sent, measurements=[measurement()] * 2))  # doubled
    require("measurements", VIOLATED, evidence(measurements=[measurement()]))  # invented
    require("measurements", VIOLATED, evidence(measure(9001, item(), outcome="set aside")))
    aside = {"aside": frozenset({(ORG, "stress", "1")})}
    require("measurements", HELD, evidence(measure(9001, item(), outcome="set aside"), **aside))
    require("measurements", VIOLATED, evidence(measure(9001, item(), outcome="refused"), measurements=[measurement()]))
    require("measurements", VIOLATED, evidence(op("measure", 1, sent={"items": [item()]}, answer={"outcomes": []})))
    # What nobody was told may be there, and may not.
    never_told = lost("measure", 9001, sent={"items": [item()]})
    require("measurements", HELD, evidence(never_told))
    require("measurements", HELD, evidence(never_told, measurements=[measurement()]))
    require("measurements", VIOLATED, evidence(never_told, measurements=[measurement(value=Decimal(1))]))
    require("measurements", NOT_LOOKED_AT, evidence())


def test_missed() -> None:
    require("missed", HELD, evidence(**MISSED))
    # 06:00 + 9,000 s is 08:30, in the window.
    require("missed", VIOLATED, evidence(**MISSED, measurements=[measurement()]))
    corrected = occurrence(last_state="fulfilled")
    require("missed", HELD, evidence(occurrences=[corrected], measurements=[measurement()]))
    require("missed", VIOLATED, evidence(occurrences=[corrected]))
    require("missed", VIOLATED, evidence(occurrences=[]))  # the window was never decided
    require("missed", VIOLATED, evidence(occurrences=[occurrence()] * 2))
    require("missed", VIOLATED, evidence(occurrences=[occurrence(still_open=True)]))
    require("missed", VIOLATED, evidence(occurrences=[occurrence(decided_at=DAY.replace(hour=10, minute=59))]))
    by = occurrence(state="fulfilled", last_state="fulfilled", measurement_id=1)
    require("missed", HELD, evidence(occurrences=[by], measurements=[measurement()]))
    require("missed", VIOLATED, evidence(occurrences=[by], measurements=[measurement(patient="p5")]))


def test_who_measured_in_the_day_of_utc_only_has_missed() -> None:
    """In Tokyo the window is from 23:00 UTC of the day before on; 08:30 UTC is none of it."""
    tokyo = {"zones": [ZoneRow(1100, 1, "Asia/Tokyo", BEGIN - timedelta(days=1))]}
    begin = DAY - timedelta(hours=1)
    right = occurrence(opens_at=begin, closes_at=begin + timedelta(hours=2), judge_at=begin + timedelta(hours=3))
    early = enrolment(enrolled_at=DAY - timedelta(days=1))
    require("missed", HELD, evidence(occurrences=[right], enrolments=[early], measurements=[measurement()], **tokyo))
    fulfilled = occurrence(state="fulfilled", last_state="fulfilled", measurement_id=1)
    wrong = evidence(occurrences=[fulfilled], enrolments=[early], measurements=[measurement()], **tokyo)
    require("missed", VIOLATED, wrong)


def test_evaluated() -> None:
    require("evaluated", HELD, evidence(**MISSED))
    require("evaluated", VIOLATED, evidence(occurrences=[occurrence()]))
    require("evaluated", VIOLATED, evidence(occurrences=[occurrence()], samples=[sample(), sample(alert_id=2)]))
    require("evaluated", VIOLATED, evidence(samples=[sample()]))
    require("evaluated", NOT_LOOKED_AT, evidence())


def test_units() -> None:
    def world(value: str, unit: str, *alerts: Any) -> Any:
        return evidence(measurements=[measurement(value=Decimal(value), unit=unit)], samples=alerts)

    alert = sample(kind="limit", on=None, slot=None, measurement_id=1, rule_key="high")
    require("units", HELD, world("100.1", "kg", alert))
    require("units", HELD, world("100", "kg"))
    require("units", HELD, world("220", "[lb_av]"))
    require("units", HELD, world("221", "[lb_av]", alert))
    require("units", VIOLATED, world("220", "[lb_av]", alert))  # the unit was ignored
    require("units", VIOLATED, world("221", "[lb_av]"))
    require("units", VIOLATED, world("100001", "g"))
    require("units", VIOLATED, world("101", "kg", alert, alert))


def calendar(*windows: list[Any], zone: str = "Europe/Amsterdam") -> Any:
    return op("calendar", 1, sent={"enrolment": 100}, answer={"zone": zone, "windows": list(windows)})


def window(on: str, opens: str, closes: str, judge: str) -> list[Any]:
    return ["weight", on, "morning", f"{on}T{opens}Z", f"{on}T{closes}Z", f"{on}T{judge}Z", HEART, 1]


def test_civil_time() -> None:
    before = window("2026-03-28", "07:00:00", "09:00:00", "10:00:00")
    after = window("2026-03-29", "06:00:00", "08:00:00", "09:00:00")
    require("civil time", HELD, evidence(calendar(before, after)))
    day_later = window("2026-03-29", "07:00:00", "09:00:00", "10:00:00")  # by adding 24 h
    require("civil time", VIOLATED, evidence(calendar(before, day_later)))
    utc = window("2026-03-28", "08:00:00", "10:00:00", "11:00:00")  # the day of UTC
    require("civil time", VIOLATED, evidence(calendar(utc)))
    require("civil time", VIOLATED, evidence(calendar(before, zone="America/New_York")))  # a former zone
    no_grace = window("2026-03-28", "07:00:00", "09:00:00", "09:00:00")
    require("civil time", VIOLATED, evidence(calendar(no_grace)))
    require("civil time", HELD, evidence(rows=[row_group()]))
    require("civil time", VIOLATED, evidence(rows=[row_group(zone="Asia/Tokyo")]))
    # Who moved while it was open goes on with it in the zone in which it opened; what opens later follows.
    moved_at = row_group().opens_at + timedelta(hours=1)
    there = [ZoneRow(1100, 1, "UTC", BEGIN), ZoneRow(1100, 2, "Asia/Tokyo", moved_at)]
    require("civil time", HELD, evidence(rows=[row_group(zone="Asia/Tokyo")], zones=there))
    early = [ZoneRow(1100, 1, "UTC", BEGIN), ZoneRow(1100, 2, "Asia/Tokyo", BEGIN + timedelta(hours=1))]
    require("civil time", VIOLATED, evidence(rows=[row_group(zone="UTC")], zones=early))
    # An outage moves the close.
    moved = row_group(closes_at=row_group().closes_at + timedelta(minutes=5))
    require("civil time", VIOLATED, evidence(rows=[moved]))
    outage = (ORG, moved.opens_at, moved.opens_at + timedelta(minutes=5))
    require("civil time", NOT_LOOKED_AT, evidence(rows=[moved], outages=[outage]))


def test_the_clock_of_the_server_decides() -> None:
    sent = measure(9000.5, item())
    require("civil time", HELD, evidence(sent, measurements=[measurement()], rows=[]))
    ahead = item(seconds=9000 + 3600)  # an hour ahead is not believed
    taken_at, received_at = at(12_600), at(9001)
    believed = measurement(taken_at=taken_at, judged_for_at=taken_at, received_at=received_at)
    require("civil time", VIOLATED, evidence(measure(9000.5, ahead), measurements=[believed], rows=[]))
    right = measurement(taken_at=taken_at, judged_for_at=received_at, received_at=received_at)
    require("civil time", HELD, evidence(measure(9000.5, ahead), measurements=[right], rows=[]))
    before = measurement(received_at=at(8990), judged_for_at=at(8990))
    require("civil time", VIOLATED, evidence(sent, measurements=[before], rows=[]))


def seen(late: float) -> Any:
    told = (DAY.replace(hour=11) - BEGIN).total_seconds() + late
    return op("missed", told - 0.1, told, answer={"new": [[100, "weight", "2026-03-10", "morning"]]})


def fault(kind: str, asked: float, told: float, **answer: Any) -> Any:
    return op("fault", asked, told, client="faults", sent={"kind": kind}, answer={"hit": True, **answer})


def test_visible() -> None:
    require("visible", HELD, evidence(seen(4), **MISSED))
    require("visible", VIOLATED, evidence(seen(11), **MISSED))
    due = (DAY.replace(hour=11) - BEGIN).total_seconds()
    down = fault("restart the database", due - 1, due + 8)
    require("visible", HELD, evidence(seen(20), down, **MISSED))
    require("visible", VIOLATED, evidence(seen(30), down, **MISSED))
    require("visible", VIOLATED, evidence(seen(20), fault("send twice", due - 1, due + 8), **MISSED))
    require("visible", NOT_LOOKED_AT, evidence(**MISSED))


def test_readable() -> None:
    require("readable", HELD, evidence(read(200, 2)))
    no_answer = refused("read", 200, sent={"enrolment": 100}, answer={"code": "unknown-enrolment"})
    require("readable", VIOLATED, evidence(no_answer))
    nothing = op("read", 200, sent={"enrolment": 100}, answer={"version": None})
    require("readable", VIOLATED, evidence(nothing))
    gone = {"enrolments": [enrolment(discharged_at=at(150))]}
    require("readable", NOT_LOOKED_AT, evidence(no_answer, **gone))


def test_comeback() -> None:
    down = fault("restart the database", 100, 103, back=103)
    before = op("measure", 99, sent={"items": []}, answer={"outcomes": []})

    def again(told: float) -> Any:
        return op("measure", 100.5, told, sent={"items": []}, answer={"outcomes": []})

    require("comeback", HELD, evidence(before, down, again(105)))
    require("comeback", VIOLATED, evidence(before, down, again(109)))
    never = lost("measure", 100.5, sent={"items": []})
    still = lost("measure", 120, sent={"items": []})
    require("comeback", VIOLATED, evidence(before, down, never, still))
    require("comeback", NOT_LOOKED_AT, evidence(before, down, never))  # killed meanwhile
    # A preview may take its time.
    require("comeback", NOT_LOOKED_AT, evidence(before, down, lost("preview", 99.5), op("preview", 101, 115)))
    # Who asks only later was not waiting.
    require("comeback", NOT_LOOKED_AT, evidence(before, down, op("read", 112, sent={"enrolment": 100})))
    stopped = fault("stop a client", 104, 108, clients=["client"])
    require("comeback", NOT_LOOKED_AT, evidence(before, down, stopped, again(109)))


def test_canary() -> None:
    require("canary", HELD, evidence(**MISSED))
    require("canary", VIOLATED, evidence(occurrences=[occurrence()]))
    resolved = {"occurrences": [occurrence()], "samples": [sample(state="resolved")]}
    require("canary", VIOLATED, evidence(**resolved))
    require("canary", NOT_LOOKED_AT, evidence(**MISSED, measurements=[measurement()]))
    young = [enrolment(enrolled_at=END - timedelta(hours=1))]
    require("canary", NOT_LOOKED_AT, evidence(enrolments=young))


def test_neighbours() -> None:
    busy = {"operations": [OperationRow(OTHER, 9, "recalculation", "succeeded", 9, at(10), at(60))]}

    def sent(told: float) -> Any:
        return op("measure", 20, told, sent={"items": []}, answer={"outcomes": []})

    require("neighbours", HELD, evidence(sent(20.1), **busy))
    require("neighbours", VIOLATED, evidence(sent(22), **busy))
    require("neighbours", NOT_LOOKED_AT, evidence(sent(22), fault("lock rows", 19, 21), **busy))
    own = {"operations": [OperationRow(ORG, 9, "recalculation", "succeeded", 9, at(10), at(60))]}
    require("neighbours", NOT_LOOKED_AT, evidence(sent(22), **own))


def test_left_behind() -> None:
    require("left behind", HELD, evidence())
    require("left behind", VIOLATED, evidence(left={"idle transactions": 1}))
    require("left behind", NOT_LOOKED_AT, evidence(left={}))


def test_windows_of_a_document_follow_civil_time() -> None:
    night = {"schedule": {"times": [{"label": "n", "opens": "23:00", "closes": "01:00"}]}, "grace": "30 min"}
    assert list(windows_on(night, "UTC", date(2026, 3, 10))) == [
        ("n", DAY.replace(hour=23), DAY + timedelta(hours=25), DAY + timedelta(hours=25, minutes=30))
    ]
    assert [minutes(text) for text in ("45s", "1 min", "2h", "1 h 30 min", "1 day")] == [
        timedelta(0), timedelta(minutes=1), timedelta(hours=2), timedelta(minutes=90), timedelta(days=1)
    ]  # fmt: skip
    # A time that the gap swallows moves forward by it; of one that exists twice the first is meant.
    early = time(2, 30)
    assert instant_of("Europe/Amsterdam", date(2026, 3, 29), early) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert instant_of("Europe/Amsterdam", date(2026, 10, 25), early) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
