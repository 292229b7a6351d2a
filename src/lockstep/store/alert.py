"""Alerts: raised once per rule and activity while open, with the samples they are about."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from psycopg import Connection

from lockstep.domain.alert import Alert
from lockstep.store import array
from lockstep.store.queries import load

_SQL = load("alert.sql")


@dataclass(frozen=True, slots=True)
class Lowered:
    """An open alert of missed occurrences that counts fewer than before; `judged_by` are (protocol, version) of any."""

    alert_id: int
    enrolment_id: int
    activity_key: str
    rule_key: str
    occurrences: int
    judged_by: Sequence[Sequence[int]]


def raise_alerts(
    connection: Connection[Any], *, organisation_id: int, alerts: Sequence[Alert], raised_at: datetime
) -> None:
    """Each alert is open and lists its samples; one that was open of the same rule and activity counts on.

    That one becomes more severe where the new one is. At most one alert of each key may be given. Locks: alert rows in
    key order.
    """
    if not alerts:
        return
    found = connection.execute(
        _SQL["raise_alerts"],
        {
            "organisation_id": organisation_id,
            "raised_at": raised_at,
            "enrolment_ids": array.numbers([alert.enrolment_id for alert in alerts]),
            "activity_keys": array.texts([alert.activity_key for alert in alerts]),
            "rule_keys": array.texts([alert.rule_key for alert in alerts]),
            "kinds": array.texts([alert.kind for alert in alerts]),
            "severities": array.texts([alert.judged_by.severity for alert in alerts]),
            "protocol_ids": array.numbers([alert.judged_by.protocol_id for alert in alerts]),
            "version_numbers": array.numbers([alert.judged_by.version_number for alert in alerts]),
            "about_ats": array.instants([alert.about_at for alert in alerts]),
            "lates": array.flags([alert.late for alert in alerts]),
            "occurrences": array.numbers([len(alert.samples) for alert in alerts]),
        },
    )
    numbers = {tuple(row[1:]): row[0] for row in found}
    samples = [(numbers[alert.key], sample) for alert in alerts for sample in alert.samples]
    connection.execute(
        _SQL["save_samples"],
        {
            "organisation_id": organisation_id,
            "recorded_at": raised_at,
            "alert_ids": array.numbers([alert_id for alert_id, _ in samples]),
            "ats": array.instants([sample.at for _, sample in samples]),
            "on_dates": array.dates([sample.on for _, sample in samples]),
            "slots": array.texts([sample.slot for _, sample in samples]),
            "measurement_ids": array.numbers([sample.measurement_id for _, sample in samples]),
            "severities": array.texts([sample.judged_by.severity for _, sample in samples]),
            "protocol_ids": array.numbers([sample.judged_by.protocol_id for _, sample in samples]),
            "version_numbers": array.numbers([sample.judged_by.version_number for _, sample in samples]),
        },
    )


def lower_missed(
    connection: Connection[Any],
    *,
    organisation_id: int,
    keys: Sequence[tuple[int, str, date, str]],
    updated_at: datetime,
) -> list[Lowered]:
    """Open alerts that list these (enrolment, activity, on, slot) count them no more; returned. Locks: their rows."""
    if not keys:
        return []
    values = {
        "organisation_id": organisation_id,
        "updated_at": updated_at,
        "enrolment_ids": array.numbers([key[0] for key in keys]),
        "activity_keys": array.texts([key[1] for key in keys]),
        "on_dates": array.dates([key[2] for key in keys]),
        "slots": array.texts([key[3] for key in keys]),
    }
    return [Lowered(*row) for row in connection.execute(_SQL["lower_missed"], values)]


def count_missed(
    connection: Connection[Any], *, organisation_id: int, alert_id: int, occurrences: int, updated_at: datetime
) -> None:
    """The open alert counts so many missed occurrences. Locks: its row."""
    values = {
        "organisation_id": organisation_id,
        "alert_id": alert_id,
        "occurrences": occurrences,
        "updated_at": updated_at,
    }
    connection.execute(_SQL["count_missed"], values)


def resolve_alerts(
    connection: Connection[Any],
    *,
    organisation_id: int,
    alert_ids: Sequence[int],
    resolution: str,
    updated_at: datetime,
) -> int:
    """The open ones among them are resolved, with the reason; returns how many. Locks: their rows."""
    if not alert_ids:
        return 0
    values = {
        "organisation_id": organisation_id,
        "alert_ids": list(alert_ids),
        "resolution": resolution,
        "updated_at": updated_at,
    }
    return connection.execute(_SQL["resolve_alerts"], values).rowcount


class Removal(NamedTuple):
    """Whose alerts a switch closes: of those raised under the protocol, for enrolments that stand on the target now."""

    protocol_id: int
    number: int
    target_protocol_id: int
    version_number: int | None
    selection_id: int | None


class OpenAlert(NamedTuple):
    """An open alert: whose, and of which activity."""

    alert_id: int
    enrolment_id: int
    activity_key: str


def find_removal(connection: Connection[Any], *, organisation_id: int, operation_id: int) -> Removal | None:
    """What the operation's switch closes with the activities it removes; None: their alerts stay open. Locks: none."""
    values = {"organisation_id": organisation_id, "operation_id": operation_id}
    row = connection.execute(_SQL["find_removal"], values).fetchone()
    return Removal(*row) if row else None


def list_perhaps_removed(
    connection: Connection[Any],
    *,
    organisation_id: int,
    removal: Removal,
    activity_keys: Sequence[str],
    after_alert_id: int,
    most: int,
) -> list[OpenAlert]:
    """The next open alerts of these activities, of those whom the switch has reached, in order. Locks: none."""
    values = {
        "organisation_id": organisation_id,
        **removal._asdict(),
        "activity_keys": list(activity_keys),
        "after_alert_id": after_alert_id,
        "most": most,
    }
    return [OpenAlert(*row) for row in connection.execute(_SQL["list_perhaps_removed"], values)]


def resolve_unlocked(
    connection: Connection[Any],
    *,
    organisation_id: int,
    alert_ids: Sequence[int],
    resolution: str,
    updated_at: datetime,
) -> set[int]:
    """The open ones among them that nobody holds are resolved; returns which. Locks: those."""
    if not alert_ids:
        return set()
    values = {
        "organisation_id": organisation_id,
        "alert_ids": list(alert_ids),
        "resolution": resolution,
        "updated_at": updated_at,
    }
    return {row[0] for row in connection.execute(_SQL["resolve_unlocked"], values)}
