"""What a clinician must look at: a value beyond a limit, or occurrences that were missed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal

from lockstep.domain.content import Activity
from lockstep.domain.measurement import ABOVE_RANGE, BELOW_RANGE
from lockstep.domain.rule import Limit, Severity, breaks, is_severer

RELEVANT_FOR = timedelta(hours=24)
"""A value older than this when it comes in raises its alert as late; rules may get a time of their own."""


@dataclass(frozen=True, slots=True)
class JudgedBy:
    """By what an alert was raised, or a sample judged: the rule's severity, and the version whose rule it is."""

    severity: Severity
    protocol_id: int
    version_number: int


@dataclass(frozen=True, slots=True)
class Sample:
    """What an alert is about: a measurement, or a missed occurrence (on, slot)."""

    at: datetime
    judged_by: JudgedBy
    measurement_id: int | None = None
    on: date | None = None
    slot: str | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert to raise, as its severest sample was judged; `about_at` is the latest instant it is about."""

    enrolment_id: int
    activity_key: str
    rule_key: str
    kind: Literal["limit", "missed"]
    judged_by: JudgedBy
    about_at: datetime
    late: bool
    samples: tuple[Sample, ...]

    @property
    def key(self) -> tuple[int, str, str, str]:
        """What is open at most once: enrolment, activity, rule. A rule that became another kind is another rule."""
        return (self.enrolment_id, self.activity_key, self.rule_key, self.kind)


def broken_limits(activity: Activity, value: Decimal | None, unit: str, finding: str | None) -> Sequence[Limit]:
    """The limits of the activity that a value breaks.

    "Above range" breaks every upper limit and "below range" every lower one: the meter could not show how far it was.
    Raises InvalidMeasurement when the unit measures something else.
    """
    limits = [rule for rule in activity.rules if isinstance(rule, Limit)]
    if value is not None:
        return [limit for limit in limits if breaks(limit, value, unit, activity.code)]
    if finding == ABOVE_RANGE:
        return [limit for limit in limits if limit.above is not None or limit.at_or_above is not None]
    if finding == BELOW_RANGE:
        return [limit for limit in limits if limit.below is not None or limit.at_or_below is not None]
    return []


def is_late(about_at: datetime, received_at: datetime) -> bool:
    """Whether an alert about a value of that instant comes too late to page anybody."""
    return received_at - about_at > RELEVANT_FOR


def merged(alerts: Iterable[Alert]) -> list[Alert]:
    """One alert of each key, as severe as the severest, with the samples of all; in order of key."""
    by_key: dict[tuple[int, str, str, str], Alert] = {}
    for alert in alerts:
        before = by_key.get(alert.key)
        if before is not None:
            severer = is_severer(alert.judged_by.severity, before.judged_by.severity)
            alert = replace(
                before,
                judged_by=alert.judged_by if severer else before.judged_by,
                about_at=max(before.about_at, alert.about_at),
                late=before.late and alert.late,
                samples=before.samples + alert.samples,
            )
        by_key[alert.key] = alert
    return [by_key[key] for key in sorted(by_key)]
