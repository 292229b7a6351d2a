"""How long it takes until everything is decided when all windows close at one instant and some were missed."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from lockstep.domain.measurement import Measurement
from lockstep.engine.measurement import record_measurements
from lockstep.proof.budget.finding import Finding
from lockstep.proof.budget.sql import SQL
from lockstep.proof.budget.stage import WORKERS, Stage
from lockstep.proof.budget.steps import PATIENCE_SECONDS, NotInTime
from lockstep.proof.bulk_world import Group
from lockstep.store.database import Database, is_transient

PART = "windows closing"
MISSED = 0.3
GOAL_SECONDS = 30.0
MADE_PER_SECOND, SENT_PER_SECOND = 4_000, 2_000
"""Enrolments and measurements that are certainly made and taken in within a second, so that all is there in time."""
BATCH = 1_500
MARGIN_SECONDS = 45.0


def measure(stage: Stage) -> list[Finding]:
    """Every window closes at one instant; before it all but 30 % have measured, through the batch interface."""
    n = stage.options.patients
    at = _clock(stage)
    # Open only when measurements come in already: a gap in them would be an outage, and missing them nobody's fault.
    opens_at = _whole_minute(at + timedelta(seconds=MARGIN_SECONDS + n / MADE_PER_SECOND))
    closes_at = _whole_minute(opens_at + timedelta(seconds=MARGIN_SECONDS + (1 - MISSED) * n / SENT_PER_SECOND))
    if closes_at.date() != at.date():
        return [Finding(PART, "not measured", "", "the day ends too soon (UTC): run it again after midnight", None)]
    others = stage.group("thousand-0", 1_000)
    stage.say(f"makes {n:,} enrolments whose windows close at {closes_at:%H:%M} UTC")
    group = stage.world.add(protocol(opens_at, closes_at), count=n, zones=["UTC"])
    fulfilled = round(n * (1 - MISSED))
    with stage.load(others), stage.workers():
        stage.say(f"waits for {opens_at:%H:%M}, then sends {fulfilled:,} measurements, then waits for the close")
        in_time = _sleep_until(stage, opens_at)
        shares = [list(range(number, fulfilled, WORKERS)) for number in range(WORKERS)]
        senders = [
            stage.pool.submit(_send, stage.database.url, group.organisation_id, group.prefix, share) for share in shares
        ]
        for sender in senders:
            sender.result()
        in_time = _sleep_until(stage, closes_at) and in_time
        seconds = _wait_until_decided(stage, closes_at)
    missed, done, alerts = _counted(stage, group)
    return [
        Finding(
            PART,
            f"{n:,} at one instant, {MISSED:.0%} missed, two workers",
            f"decided, with alerts, within {GOAL_SECONDS:.0f} s",
            f"{seconds:.1f} s: {missed:,} missed, {done:,} fulfilled, {alerts:,} alerts",
            seconds <= GOAL_SECONDS and in_time and (missed, done, alerts) == (n - fulfilled, fulfilled, n - fulfilled),
            {"seconds": seconds, "missed": missed, "fulfilled": done, "alerts": alerts, "in_time": in_time},
        )
    ]


def protocol(at: datetime, closes_at: datetime) -> dict[str, Any]:
    """One window a day, open now, without grace; one missed is an alert."""
    return {
        "key": f"closing-{closes_at:%H%M}",
        "title": "Closing",
        "on_switch": {"ask_at_once": 0},
        "activities": [
            {
                "key": "spo2", "title": "Oxygen saturation", "code": "59408-5", "unit": "%", "grace": "0 min",
                "schedule": {
                    "every": "1 day",
                    "times": [{"label": "day", "opens": f"{at:%H:%M}", "closes": f"{closes_at:%H:%M}"}],
                },
                "rules": [
                    {"key": "low", "below": 80, "severity": "red"},
                    {"key": "missed", "kind": "missed", "in_a_row": 1, "severity": "grey"},
                ],
            }
        ],
    }  # fmt: skip


def _whole_minute(at: datetime) -> datetime:
    return (at + timedelta(minutes=1)).replace(second=0, microsecond=0)


def _send(url: str, organisation_id: int, prefix: str, positions: Sequence[int]) -> None:
    with Database(url, pool_max=1) as database:
        for begin in range(0, len(positions), BATCH):
            taken_at = datetime.now(UTC)
            items = [
                Measurement(
                    source="closing", identifier=f"{prefix}{position + 1}", patient=f"{prefix}{position + 1}",
                    code="59408-5", value=Decimal(97), finding=None, unit="%", taken_at=taken_at,
                )
                for position in positions[begin : begin + BATCH]
            ]  # fmt: skip
            while True:
                try:
                    record_measurements(database, organisation_id=organisation_id, items=items)
                    break
                except Exception as error:
                    if not is_transient(error):
                        raise


def _wait_until_decided(stage: Stage, closes_at: datetime) -> float:
    """Seconds from the close until no row waits to be judged for it, by the database's clock."""
    organisation_id = stage.world.organisation_id
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        with stage.database.transaction(organisation_id, read_only=True) as connection:
            row = connection.execute(
                SQL["is_any_due"], {"organisation_id": organisation_id, "until_at": closes_at}
            ).fetchone()
            at = connection.execute(SQL["clock"]).fetchone()
        assert row is not None
        assert at is not None
        if not row[0]:
            return float((at[0] - closes_at).total_seconds())
        time.sleep(0.1)
    raise NotInTime("windows are still to be judged")


def _counted(stage: Stage, group: Group) -> tuple[int, int, int]:
    values = {"organisation_id": group.organisation_id, "protocol_id": group.protocol_id}
    with stage.database.transaction(group.organisation_id, read_only=True) as connection:
        row = connection.execute(SQL["count_decided"], values).fetchone()
    assert row is not None
    return row[0], row[1], row[2]


def _sleep_until(stage: Stage, at: datetime) -> bool:
    """It is the instant by the database's clock, or later; returns whether there was time left."""
    left = (at - _clock(stage)).total_seconds()
    time.sleep(max(0.0, left))
    return left > 0


def _clock(stage: Stage) -> datetime:
    with stage.database.transaction(None, read_only=True) as connection:
        row = connection.execute(SQL["clock"]).fetchone()
    assert row is not None
    at: datetime = row[0]
    return at
