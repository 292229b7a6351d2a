"""The timing of a RADAR-base aRMT questionnaire: its repeats and offsets as schedules, or exact faults."""

import re
from collections import defaultdict
from collections.abc import Mapping
from datetime import date, time
from typing import Any

from lockstep.domain import duration, schedule
from lockstep.domain.document import Reading, joined, shown
from lockstep.domain.schedule import AfterEvent, EveryDays, OnDays, Schedule, TimeOfDay

MINUTES = {"min": 1, "hour": 60, "day": 1440, "week": 10080}
# For windows RADAR counts a month as 31 and a year as 365 days, in its app and in its server alike.
WINDOW_MINUTES = MINUTES | {"month": 31 * 1440, "year": 365 * 1440}
# RADAR has no word for once: its files repeat after so many days or years instead.
ONCE = (999, 9999)
NEVER_YEARS = 999
DAY_MINUTES = 1440
# The app and the server give a questionnaire without a window one day.
DEFAULT_WINDOW_MINUTES = DAY_MINUTES
MOST_OFFSETS = 1000
EVENTS = {"on_demand": "on demand", "triggered": "trigger"}
CLINIC_VISIT = "clinic visit"

Part = tuple[str, Schedule | AfterEvent]  # what tells the part from its siblings ("" if there are none)


def read_parts(kind: object, value: Mapping[str, Any], path: str, reading: Reading) -> tuple[Part, ...]:
    """The schedules of a questionnaire of this `type`: one, or one per set of days that share their times.

    Empty when nothing will ever be due (an offset of 9999 years), and after writing faults down.
    """
    lasts = _window(value, path, reading)
    clinical = value.get("clinicalProtocol")
    if clinical is not None:
        if kind not in (None, "clinical"):
            reading.fault(joined(path, "clinicalProtocol"), f"This is also of the type {shown(kind)}", "Keep one.")
            return ()
        return _after_visit(clinical, lasts, joined(path, "clinicalProtocol"), reading)
    if isinstance(kind, str) and kind in EVENTS:
        return () if lasts is None else (("", AfterEvent(EVENTS[kind], 0, lasts)),)
    if kind not in (None, "scheduled"):
        where = path.removesuffix(".protocol") + ".type"
        reading.fault(where, f"The type {shown(kind)} is not known", "It is scheduled, on_demand or triggered.")
        return ()
    return _recurring(value, lasts, path, reading)


def _window(value: Mapping[str, Any], path: str, reading: Reading) -> int | None:
    window = value.get("completionWindow")
    if window is None:
        return DEFAULT_WINDOW_MINUTES
    where = joined(path, "completionWindow")
    found = reading.mapping(window, where, ("unit", "amount"), ("unit", "amount"))
    unit = reading.choice(found.get("unit"), joined(where, "unit"), tuple(WINDOW_MINUTES))
    amount = reading.whole(found.get("amount"), joined(where, "amount"), least=1, most=1_000_000)
    if unit is None or amount is None:
        return None
    minutes = amount * WINDOW_MINUTES[unit]
    if minutes > schedule.MOST_MINUTES:
        most = duration.in_words(schedule.MOST_MINUTES)
        reading.fault(
            joined(where, "amount"),
            f"A window of {duration.in_words(minutes)} is too long",
            f"It is at most {most}.",
        )
        return None
    return minutes


def _after_visit(value: object, lasts: int | None, path: str, reading: Reading) -> tuple[Part, ...]:
    known = ("requiresInClinicCompletion", "repeatAfterClinicVisit", "onDemandProtocol")
    found = reading.mapping(value, path, known, ("repeatAfterClinicVisit",))
    if found.get("onDemandProtocol"):
        what = "A questionnaire cannot be both after a visit and on demand"
        reading.fault(joined(path, "onDemandProtocol"), what, "Make two questionnaires of it.")
    if "repeatAfterClinicVisit" not in found or lasts is None:
        return ()
    where = joined(path, "repeatAfterClinicVisit")
    offsets = _offsets(found["repeatAfterClinicVisit"], where, reading)
    for spot, delay in offsets:
        if delay > schedule.MOST_MINUTES:
            reading.fault(spot, "This is too long after the visit", "At most 366 days can be waited for.")
    several = len(offsets) > 1
    return tuple(
        (f"after-{delay}-min" if several else "", AfterEvent(CLINIC_VISIT, delay, lasts)) for _, delay in offsets
    )


def _recurring(value: Mapping[str, Any], lasts: int | None, path: str, reading: Reading) -> tuple[Part, ...]:
    before = len(reading.faults)
    every = _repeat(value.get("repeatProtocol"), joined(path, "repeatProtocol"), reading)
    where = joined(path, "repeatQuestionnaire")
    offsets = _offsets(value.get("repeatQuestionnaire"), where, reading)
    anchor = _anchor(value["referenceTimestamp"], path, reading) if "referenceTimestamp" in value else None
    _require_distinct(offsets, every, reading)
    if lasts is None or len(reading.faults) > before:
        return ()
    groups = _days_by_times(offset for _, offset in offsets)
    parts = []
    for times, days in sorted(groups.items(), key=lambda item: item[1]):
        windows = tuple(TimeOfDay(_clock(at), time(at // 60, at % 60), lasts) for at in times)
        made = Schedule(_days(tuple(days), every), windows, anchor_on=anchor)
        for fault in schedule.faults(made):
            reading.fault(where, fault.what, fault.mend)
        parts.append((f"day-{days[0]}" if len(groups) > 1 else "", made))
    return tuple(parts)


def _repeat(value: object, path: str, reading: Reading) -> int | None:
    """Days from repeat to repeat; None for once, and after a fault."""
    found = reading.mapping(value, path, ("unit", "amount"), ("unit", "amount"))
    amount = reading.whole(found.get("amount"), joined(path, "amount"), least=1, most=9999)
    unit = found.get("unit")
    if amount is None:
        return None
    if unit in ("day", "week"):
        return None if amount in ONCE else amount * MINUTES[unit] // DAY_MINUTES
    if unit in ("month", "year"):
        if amount not in ONCE:
            what = f"A repeat in {unit}s has no exact length: RADAR's app and server differ at a month's end"
            days = amount * {"month": 30, "year": 364}[unit]
            mend = f'Write it in days, for example {{"unit": "day", "amount": {days}}}.'
            reading.fault(joined(path, "unit"), what, mend)
        return None
    reading.fault(joined(path, "unit"), f"A repeat in {shown(unit)} is not a number of days", "Use day or week.")
    return None


def _offsets(value: object, path: str, reading: Reading) -> list[tuple[str, int]]:
    """The offsets in minutes with their paths; those of 999 years and more are never due and left out."""
    found = reading.mapping(value, path, ("unit", "unitsFromZero"), ("unit", "unitsFromZero"))
    unit = reading.choice(found.get("unit"), joined(path, "unit"), tuple(WINDOW_MINUTES))
    if unit is None:
        return []
    made = []
    items = reading.items(found.get("unitsFromZero"), joined(path, "unitsFromZero"), least=1, most=MOST_OFFSETS)
    for where, item in items:
        amount = reading.whole(item, where, least=0, most=100_000_000)
        if amount is None or (unit == "year" and amount >= NEVER_YEARS):
            continue
        if unit in MINUTES:
            made.append((where, amount * MINUTES[unit]))
        else:
            reading.fault(where, f"An offset in {unit}s is not exact", "Write it in days.")
    return made


def _anchor(value: object, path: str, reading: Reading) -> date | None:
    where = joined(path, "referenceTimestamp")
    found = reading.mapping(value, where, ("timestamp", "format"), ("timestamp", "format"))
    if found and found.get("format") != "date":
        what = f"A reference of the format {shown(found.get('format'))} is not a civil date"
        reading.fault(joined(where, "format"), what, "Use the format date.")
        return None
    return reading.date(found.get("timestamp"), joined(where, "timestamp")) if found else None


def _require_distinct(offsets: list[tuple[str, int]], every: int | None, reading: Reading) -> None:
    seen: dict[tuple[int, int], str] = {}
    for where, offset in offsets:
        day, at = divmod(offset, DAY_MINUTES)
        moment = (day % every if every else day, at)
        if moment in seen:
            other = re.sub(r"^.*(\[[0-9]+\])$", r"\1", seen[moment])
            reading.fault(where, f"This falls on the same moment as {other}", "Keep one of them.")
        seen.setdefault(moment, where)


def _days_by_times(offsets: Any) -> dict[tuple[int, ...], list[int]]:
    times_of: dict[int, list[int]] = defaultdict(list)
    for offset in sorted(offsets):
        times_of[offset // DAY_MINUTES].append(offset % DAY_MINUTES)
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for day, times in times_of.items():
        groups[tuple(times)].append(day)
    return groups


def _days(days: tuple[int, ...], every: int | None) -> EveryDays | OnDays:
    if every is not None and len(days) == 1:
        return EveryDays(every, offset_days=days[0])
    return OnDays(days, every)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
