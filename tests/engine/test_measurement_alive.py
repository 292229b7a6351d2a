"""Recording shows that ingestion is alive, at most once a second."""

import time
from typing import TYPE_CHECKING

import psycopg
import pytest

from lockstep.engine import measurement, outage
from lockstep.proof.small_world import weighed
from lockstep.store.database import Database

from .measured_world import MORNING, Measured

if TYPE_CHECKING:
    from tests.conftest import Clock


def test_signs_of_life(
    database: Database, clock: "Clock", admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = Measured(database, admin, clock.set)
    beats: list[int] = []
    monkeypatch.setattr(measurement, "BEAT_SECONDS", 1.0)
    monkeypatch.setattr(outage, "beat", lambda _, organisation_id, source: beats.append(organisation_id))
    ticks = iter([10.0, 10.5, 11.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(ticks))
    for n in range(3):
        measurement.show_alive(database, world.organisation_id)
        assert len(beats) == (1, 1, 2)[n]


def test_a_recording_leaves_a_heartbeat(
    database: Database, clock: "Clock", admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = Measured(database, admin, clock.set)
    monkeypatch.setattr(measurement, "BEAT_SECONDS", 1.0)
    world.record(weighed("anna", "1", MORNING), at=MORNING)
    assert world.ask("select seen_at from ingestion_heartbeat") == [(MORNING,)]
    assert world.ask("select count(*) from outage") == [(0,)]
