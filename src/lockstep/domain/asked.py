"""Under which version an occurrence was asked: the one in force when it opened, or when what started it happened."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from lockstep.domain.agenda import activity_of, event_key
from lockstep.domain.occurrence import Key
from lockstep.domain.schedule import AfterEvent
from lockstep.domain.timeline import PatientEvent, Segment, Span, in_force


def asked_in(timeline: Sequence[Segment], activity_key: str, key: Key, opens_at: datetime) -> Segment | None:
    """The span whose version asked the occurrence; None where nothing did. Pure.

    What an event started belongs to the span of the event, whatever came into force before its window opened.
    """
    for segment in timeline:
        activity = activity_of(segment, activity_key)
        if activity is None or not isinstance(activity.schedule, AfterEvent):
            continue
        began_at = opens_at - timedelta(minutes=activity.schedule.delay_minutes)
        event = PatientEvent(activity.schedule.event, began_at)
        if Span(segment.from_at, segment.until_at).holds(began_at) and event_key(event, segment.zone) == key:
            return segment
    return in_force(timeline, opens_at)
