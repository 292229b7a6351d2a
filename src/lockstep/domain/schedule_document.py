"""A schedule as people write it in a protocol document, and back."""

import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

from lockstep.domain import duration, schedule
from lockstep.domain.document import Reading, joined, shown
from lockstep.domain.schedule import (
    AfterEvent,
    Days,
    EveryDays,
    Monthly,
    OnDays,
    Schedule,
    TimeOfDay,
    Weekly,
)

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
NTH = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "last": -1, "second last": -2}
EVERY = r"^[0-9]{1,5} (?:day|week|month)s?$"
MONTH_WEEKDAY = rf"^(?:{'|'.join(sorted(NTH, key=len, reverse=True))}) (?:{'|'.join(WEEKDAYS)})$"
MOST_TIMES = 288
MOST_DAYS = 400
MOST_MINUTES = schedule.MOST_MINUTES
FIELDS = (
    "every", "offset_days", "weekdays", "month_days", "month_weekdays", "days", "times",
    "anchor", "from_day", "for_days", "from", "until", "count",
)  # fmt: skip
PATTERN_FIELDS = {
    "days": ("days",),
    "day": ("offset_days",),
    "week": ("weekdays",),
    "month": ("month_days", "month_weekdays"),
}


def read_schedule(value: object, path: str, reading: Reading) -> Schedule | AfterEvent | None:
    """The schedule a document describes, or None after writing its faults down."""
    before = len(reading.faults)
    if isinstance(value, Mapping) and "after" in value:
        made: Schedule | AfterEvent | None = _after(value, path, reading)
    else:
        made = _recurring(value, path, reading)
    if made is None or len(reading.faults) > before:
        return None
    for fault in schedule.faults(made):
        reading.fault(joined(path, fault.where), fault.what, fault.mend)
    return made if len(reading.faults) == before else None


def schedule_document(made: Schedule | AfterEvent) -> dict[str, Any]:
    """The document of a schedule, in plain JSON values; read_schedule gives the same schedule back."""
    if isinstance(made, AfterEvent):
        delay = duration.in_words(made.delay_minutes)
        return {"after": {"event": made.event, "delay": delay, "lasts": duration.in_words(made.lasts_minutes)}}
    document = _days_document(made.days)
    document["times"] = [_time_document(each) for each in made.times]
    bounds = {
        "anchor": made.anchor_on and made.anchor_on.isoformat(),
        "from_day": made.from_day or None,
        "for_days": made.for_days,
        "from": made.from_on and made.from_on.isoformat(),
        "until": made.until_on and made.until_on.isoformat(),
        "count": made.count,
    }
    return document | {name: value for name, value in bounds.items() if value is not None}


def _after(value: Mapping[str, Any], path: str, reading: Reading) -> AfterEvent | None:
    reading.mapping(value, path, ("after",))
    inner = joined(path, "after")
    found = reading.mapping(value["after"], inner, ("event", "delay", "lasts"), ("event", "lasts"))
    event = reading.text(found.get("event", ""), joined(inner, "event"), least=1, most=80)
    delay = reading.minutes(found.get("delay", 0), joined(inner, "delay"), most=MOST_MINUTES)
    if "lasts" not in found:
        return None
    lasts = reading.minutes(found["lasts"], joined(inner, "lasts"), least=1, most=MOST_MINUTES)
    return None if delay is None or lasts is None else AfterEvent(event, delay, lasts)


def _recurring(value: object, path: str, reading: Reading) -> Schedule | None:
    found = reading.mapping(value, path, FIELDS, ("times",))
    if not found:
        return None
    days = _days(found, path, reading)
    times = _times(found.get("times"), joined(path, "times"), reading) if "times" in found else ()
    bounds = {name: _bound(found, name, path, reading) for name in ("from_day", "for_days", "count")}
    dates = {name: _date(found, name, path, reading) for name in ("anchor", "from", "until")}
    if days is None:
        return None
    return Schedule(
        days,
        times,
        anchor_on=dates["anchor"],
        from_day=bounds["from_day"] or 0,
        for_days=bounds["for_days"],
        from_on=dates["from"],
        until_on=dates["until"],
        count=bounds["count"],
    )


def _bound(found: Mapping[str, Any], name: str, path: str, reading: Reading) -> int | None:
    if name not in found:
        return None
    most = schedule.MOST_WINDOWS if name == "count" else schedule.MOST_DAYS
    return reading.whole(found[name], joined(path, name), least=0 if name == "from_day" else 1, most=most)


def _date(found: Mapping[str, Any], name: str, path: str, reading: Reading) -> date | None:
    return reading.date(found[name], joined(path, name)) if name in found else None


def _days(found: Mapping[str, Any], path: str, reading: Reading) -> Days | None:
    every = _every(found, path, reading)
    if every is None:
        return None
    n, unit = every
    kind = "days" if "days" in found else unit
    for other, names in PATTERN_FIELDS.items():
        for name in names:
            if other != kind and name in found:
                reading.fault(joined(path, name), f"{name} does not go with this pattern", "Remove it.")
    if kind == "days" and unit not in ("day", ""):
        reading.fault(joined(path, "every"), "days repeat every so many days", 'Write for example "28 days".')
        return None
    return _pattern(kind, n, found, path, reading)


def _every(found: Mapping[str, Any], path: str, reading: Reading) -> tuple[int, str] | None:
    if "every" not in found and "days" in found:
        return (0, "")
    every = found.get("every")
    if isinstance(every, str) and re.fullmatch(EVERY, every):
        number, unit = every.split()
        if int(number) > 0:
            return int(number), unit.rstrip("s")
    what = "This is missing" if "every" not in found else f"{shown(every)} is not a recurrence"
    mend = 'Write "1 day", "2 weeks" (with weekdays) or "1 month" (with month_days); once is days: [0].'
    reading.fault(joined(path, "every"), what, mend)
    return None


def _pattern(kind: str, n: int, found: Mapping[str, Any], path: str, reading: Reading) -> Days | None:
    if kind == "days":
        days = _wholes(found, "days", path, reading, 0, schedule.MOST_DAYS)
        return OnDays(tuple(sorted(days)), n or None)
    if kind == "week":
        names = reading.items(found.get("weekdays"), joined(path, "weekdays"), least=1, most=7)
        chosen = [reading.choice(name, where, WEEKDAYS) for where, name in names]
        return Weekly(n, tuple(sorted(WEEKDAYS.index(name) for name in chosen if name)))
    if kind == "month":
        if "month_days" not in found and "month_weekdays" not in found:
            mend = 'Add for example month_days: [1, -1] or month_weekdays: ["first monday"].'
            reading.fault(joined(path, "month_days"), "A monthly schedule names its days", mend)
            return None
        return Monthly(
            n,
            tuple(sorted(_wholes(found, "month_days", path, reading, -31, 31))),
            tuple(sorted(_month_weekdays(found, path, reading))),
        )
    offset = reading.whole(found.get("offset_days", 0), joined(path, "offset_days"), least=0, most=schedule.MOST_DAYS)
    return None if offset is None else EveryDays(n, offset)


def _wholes(found: Mapping[str, Any], name: str, path: str, reading: Reading, least: int, most: int) -> list[int]:
    if name not in found:
        return []
    items = reading.items(found[name], joined(path, name), least=1, most=MOST_DAYS)
    made = [reading.whole(value, where, least=least, most=most) for where, value in items]
    return [value for value in made if value is not None]


def _month_weekdays(found: Mapping[str, Any], path: str, reading: Reading) -> list[tuple[int, int]]:
    if "month_weekdays" not in found:
        return []
    made = []
    for where, value in reading.items(found["month_weekdays"], joined(path, "month_weekdays"), least=1, most=49):
        if isinstance(value, str) and re.fullmatch(MONTH_WEEKDAY, value):
            nth, _, weekday = value.rpartition(" ")
            made.append((NTH[nth], WEEKDAYS.index(weekday)))
        else:
            reading.fault(where, f"{shown(value)} is not a weekday of a month", 'Write for example "first monday".')
    return made


def _times(value: object, path: str, reading: Reading) -> tuple[TimeOfDay, ...]:
    items = reading.items(value, path, least=1, most=MOST_TIMES)
    made = [_time(item, where, reading) for where, item in items]
    times = [each for each in made if each is not None]
    return tuple(sorted(times, key=lambda each: (each.opens, each.label)))


def _time(value: object, path: str, reading: Reading) -> TimeOfDay | None:
    found = reading.mapping(value, path, ("label", "opens", "closes", "lasts"), ("opens",))
    if "opens" not in found:
        return None
    opens = reading.time(found["opens"], joined(path, "opens"))
    label = reading.text(found.get("label", found["opens"]), joined(path, "label"), least=1, most=40)
    lasts = _lasts(opens, found, path, reading)
    return None if opens is None or lasts is None else TimeOfDay(label, opens, lasts)


def _lasts(opens: time | None, found: Mapping[str, Any], path: str, reading: Reading) -> int | None:
    if ("closes" in found) == ("lasts" in found):
        mend = 'Write either closes: "10:00" or lasts: 3h.'
        reading.fault(joined(path, "closes"), "A window needs one end", mend)
        return None
    if "lasts" in found:
        return reading.minutes(found["lasts"], joined(path, "lasts"), least=1, most=MOST_MINUTES)
    where = joined(path, "closes")
    midnight = found["closes"] == "24:00"
    closes = time(0) if midnight else reading.time(found["closes"], where)
    if opens is None or closes is None:
        return None
    if closes == opens and not midnight:
        reading.fault(where, "The window closes when it opens", 'If it lasts a whole day, write lasts: "1 day".')
        return None
    return _between(opens, closes, where, reading)


def _between(opens: time, closes: time, where: str, reading: Reading) -> int | None:
    """Minutes from opening to closing, which is on the next day when it is not after the opening."""
    seconds = _seconds(closes) - _seconds(opens)
    seconds += 86_400 if seconds <= 0 else 0
    if seconds % 60:
        reading.fault(where, "A window lasts whole minutes", "Let it close at the same second as it opens.")
        return None
    return seconds // 60


def _seconds(at: time) -> int:
    return at.hour * 3600 + at.minute * 60 + at.second


def _days_document(days: Days) -> dict[str, Any]:
    if isinstance(days, EveryDays):
        return {"every": _every_words(days.n, "day")} | ({"offset_days": days.offset_days} if days.offset_days else {})
    if isinstance(days, Weekly):
        return {"every": _every_words(days.n, "week"), "weekdays": [WEEKDAYS[day] for day in days.weekdays]}
    if isinstance(days, OnDays):
        repeat = {"every": _every_words(days.every_days, "day")} if days.every_days else {}
        return {"days": list(days.days), **repeat}
    names = {number: word for word, number in NTH.items()}
    document: dict[str, Any] = {"every": _every_words(days.n, "month")}
    if days.days:
        document["month_days"] = list(days.days)
    if days.weekdays:
        document["month_weekdays"] = [f"{names[nth]} {WEEKDAYS[day]}" for nth, day in days.weekdays]
    return document


def _every_words(n: int, unit: str) -> str:
    return f"{n} {unit}" if n == 1 else f"{n} {unit}s"


def _time_document(each: TimeOfDay) -> dict[str, str]:
    opens = each.opens.isoformat()
    opens = opens.removesuffix(":00") if len(opens) == 8 else opens
    document = {"label": each.label, "opens": opens}
    if each.lasts_minutes >= 1440:
        return document | {"lasts": duration.in_words(each.lasts_minutes)}
    closes = (datetime.combine(date(2000, 1, 1), each.opens) + timedelta(minutes=each.lasts_minutes)).time()
    text = closes.isoformat()
    return document | {"closes": text.removesuffix(":00") if len(text) == 8 else text}
