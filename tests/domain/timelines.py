"""Small timelines for tests: protocols with switches, and enrolments on them."""

# ruff: noqa: DTZ001 - local times have no zone

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from lockstep.domain.agenda import Course, occurrences_between
from lockstep.domain.content import Activity, Content, OnSwitch
from lockstep.domain.occurrence import Occurrence
from lockstep.domain.schedule import EveryDays, Schedule, TimeOfDay
from lockstep.domain.switch import AcceptedSwitch, Effective, Scope, SwitchKind, ZoneSpan
from lockstep.domain.timeline import Assigned, EnrolmentFacts, ProtocolFacts, Span, segments

MONDAY = date(2026, 3, 2)
FIRST = datetime(2026, 3, 1, tzinfo=UTC)
LAST = datetime(2026, 3, 31, tzinfo=UTC)


def at(day: int, hour: float = 0) -> datetime:
    """The instant so many hours after 00:00 UTC of a day of March 2026; day 2 is a Monday."""
    return FIRST + timedelta(days=day - 1, hours=hour)


def window(label: str = "morning", opens: float = 8, hours: float = 4) -> TimeOfDay:
    return TimeOfDay(label, (datetime(2026, 1, 1) + timedelta(hours=opens)).time(), int(hours * 60))


def activity(key: str = "weight", *times: TimeOfDay, every: int = 1, **more: Any) -> Activity:
    """Every so many days in the windows (default: 08:00 to 12:00), an hour of grace."""
    schedule = Schedule(days=EveryDays(every), times=times or (window(),))
    plain = {"key": key, "title": key, "code": key, "unit": "kg", "schedule": schedule, "grace_minutes": 60}
    return Activity(**{**plain, **more})


def content(*activities: Activity, **on_switch: Any) -> Content:
    return Content("p", "P", activities, OnSwitch(**on_switch))


def accepted(
    number: int,
    effective_at: datetime,
    *,
    version: int | None = None,
    target: int | None = None,
    selection: int | None = None,
    local: datetime | None = None,
    next_day: bool = False,
    protocol_id: int = 1,
) -> AcceptedSwitch:
    """A switch accepted at the instant and in force from then on, or from the civil time."""
    effective = Effective.NEXT_DAY if next_day else Effective.CIVIL if local else Effective.NOW
    return AcceptedSwitch(
        protocol_id=protocol_id,
        number=number,
        kind=SwitchKind.MOVE if target else SwitchKind.PUBLISH,
        version_number=version,
        target_protocol_id=target,
        scope=Scope.SELECTION if selection else Scope.EVERYONE,
        selection_id=selection,
        effective=effective,
        effective_local=local,
        effective_at=None,
        accepted_at=effective_at,
        generation=number,
        first_at=effective_at,
    )


def protocol(
    *versions: tuple[datetime, Content], protocol_id: int = 1, also: Sequence[AcceptedSwitch] = ()
) -> ProtocolFacts:
    """A protocol with versions published for everyone, each in force from its instant, and other switches."""
    numbered = list(enumerate(versions, start=1))
    switches = [accepted(number, begins, version=number, protocol_id=protocol_id) for number, (begins, _) in numbered]
    return ProtocolFacts(protocol_id, (*switches, *also), {number: said for number, (_, said) in numbered})


def enrolled(
    begins: datetime,
    *,
    zone: str = "UTC",
    zones: Sequence[tuple[datetime, str]] = (),
    anchor_on: date = MONDAY,
    assigned: Sequence[tuple[datetime, int]] = (),
    **more: Any,
) -> EnrolmentFacts:
    """A patient on protocol 1 from the instant on."""
    return EnrolmentFacts(
        patient_id=1,
        anchor_on=anchor_on,
        enrolled_at=begins,
        zones=(ZoneSpan(begins, zone), *(ZoneSpan(*each) for each in zones)),
        assignments=(Assigned(begins, 1), *(Assigned(*each) for each in assigned)),
        **more,
    )


def course(facts: EnrolmentFacts, *protocols: ProtocolFacts, outages: Sequence[Span] = ()) -> Course:
    world = {each.protocol_id: each for each in protocols}
    return Course(segments(facts, world), facts.anchor_on, tuple(outages), facts.events)


def walk(
    found: Course, key: str = "weight", *, from_at: datetime = FIRST, until_at: datetime = LAST
) -> list[Occurrence]:
    return list(occurrences_between(found, key, from_at=from_at, until_at=until_at))


def told(occurrence: Occurrence) -> tuple[int, str, str, datetime, datetime]:
    """Day, slot, fate, opening and close: what most tests look at."""
    return (occurrence.on.day, occurrence.slot, occurrence.fate.value, occurrence.opens_at, occurrence.closes_at)
