"""The field of a storm: a world on a database, worker processes, clients that measure, probes that read."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import IO, Any, NamedTuple

import psycopg
from tests.engine.switch_world import World, activity, content, every, found
from tests.storm.ground import Ground
from tests.storm.measuring import Entry, Measuring, Order
from tests.worker.processes import until

from lockstep.domain.acceptance import Accepted
from lockstep.domain.preview import Preview
from lockstep.engine.outage import beat
from lockstep.engine.switch import approve_switch
from lockstep.proof import probe
from lockstep.store.database import Database

ZONES = ("Europe/Amsterdam", "America/New_York", "Asia/Tokyo", "UTC")
HOLD_SECONDS = float(os.environ.get("LOCKSTEP_STORM_HOLD_SECONDS", "5"))
"""How long a rival holds what it locked: 5 s in CI, 30 s in the long form."""
STRIDE = timedelta(seconds=40)
"""Less than the silence of ingestion that counts as an outage."""
AWAY = (psycopg.OperationalError,)


class Told(NamedTuple):
    """An acknowledged switch, with the instants (monotonic) of the call and of the answer."""

    accepted: Accepted
    called: float
    told: float


@dataclass
class Field:
    """A world with whoever works on it, sends to it and reads it; all of them are gone at the end."""

    ground: Ground
    url: str
    world: World
    heart: int
    lungs: int
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    measuring: Measuring | None = None
    probes: probe.Probes | None = None
    _log: IO[bytes] = field(default_factory=tempfile.TemporaryFile)

    # -- who takes part

    def work(self, count: int = 2) -> None:
        """So many more workers run and have given their sign of life."""
        self.workers += [self._start_worker() for _ in range(count)]

        def all_live() -> bool:
            pids = [worker.pid for worker in self.workers if worker.poll() is None]
            assert len(pids) >= count, f"a worker ended:\n{self.log()[-2000:]}"
            return bool(self.one("select count(*) from worker where pid = any(%s)", [pids]) == len(pids))

        until(all_live, what="the workers live", transient=AWAY)

    def _start_worker(self) -> subprocess.Popen[bytes]:
        # A file and not a pipe: nobody reads while the storm rages, and a full pipe would stop the worker.
        return subprocess.Popen(
            [sys.executable, "-m", "lockstep.cli.main", "worker"],
            env={**os.environ, "LOCKSTEP_DATABASE_URL": self.url},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._log,
        )

    def log(self) -> str:
        """What the workers have told."""
        # Without moving the place at which they write.
        return os.pread(self._log.fileno(), 10_000_000, 0).decode(errors="replace")

    def measure(self, *patients: list[str], per_second: float = 20, **more: Any) -> Measuring:
        """A client for each list of patients (two clients for everybody by default) measures, and was answered."""
        names = list(self.world.enrolments)
        groups = patients or (names[0::2], names[1::2])
        self.measuring = Measuring(
            [
                Order(
                    self.url, self.world.organisation_id, tuple(group), ("weight", "girth"), number, per_second, **more
                )
                for number, group in enumerate(groups)
            ]
        )
        measuring = self.measuring
        until(lambda: len(measuring.answered()) == len(groups), what="every client was answered")
        return measuring

    def read(self, count: int = 2, *, per_second: float = 60) -> probe.Probes:
        """So many processes read the patients of the first protocol again and again, and were answered."""
        enrolments = tuple(self.members(self.heart)[:500])
        self.probes = probe.Probes(
            [
                probe.Order(self.url, self.world.organisation_id, enrolments, per_second, number)
                for number in range(count)
            ]
        )
        probes = self.probes
        until(lambda: bool(probes.answers()), what="a probe was answered")
        return probes

    def stop_measuring(self) -> list[Entry]:
        """The clients have ended, and what they sent and were answered is told."""
        assert self.measuring is not None
        return self.measuring.stop()

    def judge_answers(self, switch: Told) -> probe.Verdict:
        """Nobody reads any more; what the answers to the probes showed about a switch of the first protocol."""
        assert self.probes is not None
        assert switch.accepted.version_number is not None
        self.probes.stop()
        return probe.judge(
            self.probes.answers(),
            version_number=switch.accepted.version_number,
            accepted_at=switch.accepted.accepted_at,
            called=switch.called,
            told=switch.told,
        )

    def end(self) -> None:
        """Nobody takes part any more."""
        for each in (self.measuring, self.probes):
            if each is not None:
                each.kill()
        for worker in self.workers:
            if worker.poll() is None:
                with suppress(ProcessLookupError):
                    worker.send_signal(signal.SIGCONT)
                worker.kill()
            worker.wait()
        self._log.close()
        self.world.database.close()

    # -- what happens

    def publish(self, days: int, protocol_id: int | None = None) -> Told:
        """The protocol (the first one by default) asks for a weight every so many days from now on."""
        return self.accept(self.preview(days, protocol_id))

    def preview(self, days: int, protocol_id: int | None = None) -> Preview:
        """As `publish`, but only previewed, and approved where that is needed."""
        preview = self.world.preview("publish", protocol_id or self.heart, content=content(*activities(days)))
        if preview.needs_approval:
            approve_switch(
                self.world.database,
                organisation_id=self.world.organisation_id,
                switch_id=preview.switch_id,
                actor="a.pprover",
            )
        return preview

    def accept(self, preview: Preview) -> Told:
        """The switch is accepted."""
        called = time.monotonic()
        return Told(self.world.accept(preview), called, time.monotonic())

    def slow_down(self, seconds: float = 0.05) -> None:
        """Every chunk takes longer, so that what hits a recalculation hits it in the middle."""
        self.run(
            "create or replace function slow_down() returns trigger language plpgsql as"
            f" $$ begin if current_setting('application_name') = 'lockstep worker' then perform pg_sleep({seconds});"
            " end if; return null; end $$"
        )
        self.run("drop trigger if exists slow_down on agenda_head")
        self.run("create trigger slow_down after update on agenda_head for each statement execute function slow_down()")

    def speed_up(self) -> None:
        """Chunks take the time they need."""
        self.run("drop trigger if exists slow_down on agenda_head")

    def set_clock(self, at: datetime) -> None:
        """The database's clock shows this instant, and goes on from there."""
        self._shift_clock((at - self.one("select clock_timestamp()")).total_seconds())

    def advance_clock(self, until_at: datetime, *, alive: bool) -> None:
        """The database's clock has come to this instant; if `alive`, ingestion was seen alive all the time."""
        if alive:
            while (at := self.now()) < until_at - STRIDE:
                self.set_clock(at + STRIDE)
                beat(self.world.database, organisation_id=self.world.organisation_id, source="storm")
        self.set_clock(until_at)
        if alive:
            beat(self.world.database, organisation_id=self.world.organisation_id, source="storm")

    def now(self) -> datetime:
        """What the database's clock shows."""
        at = self.one("select lockstep_now()")
        assert isinstance(at, datetime)
        return at

    def _shift_clock(self, seconds: float) -> None:
        self.run(
            "create or replace function lockstep_now() returns timestamptz language plpgsql stable parallel safe as"
            f" $$ begin return clock_timestamp() + interval '{seconds} seconds'; end $$"
        )

    # -- what is seen from behind

    def behind(self, accepted: Accepted) -> int:
        """How many heads of the switch's protocol are older than it."""
        query = "select count(*) from agenda_head where protocol_id = %s and generation < %s and ended_at is null"
        return int(self.one(query, [accepted.protocol_id, accepted.generation]))

    def members(self, protocol_id: int) -> list[int]:
        """The enrolments whose heads stand on the protocol."""
        query = "select enrolment_id from agenda_head where protocol_id = %s and ended_at is null order by enrolment_id"
        return [row[0] for row in self.all(query, [protocol_id])]

    def until_in_the_middle(self, *switches: Accepted) -> None:
        """The recalculations have begun and none of them has ended."""
        total = {each.switch_id: len(self.members(each.protocol_id)) for each in switches}

        def is_in_the_middle() -> bool:
            return all(0 < self.behind(each) < total[each.switch_id] for each in switches)

        until(is_in_the_middle, what="a recalculation is in its middle", transient=AWAY)

    def until_in_step(self, *switches: Accepted, seconds: float = 60) -> float:
        """Nobody is behind any of the switches; returns the seconds it took."""
        return until(
            lambda: not any(self.behind(each) for each in switches),
            what="everybody is in step",
            seconds=seconds,
            transient=AWAY,
        )

    def until_all_ended(self, seconds: float = 60) -> None:
        """Every recalculation has ended; the check that walks through everybody within a day goes on."""
        query = "select operation_id, state from operation where kind = 'recalculation' and ended_at is null"
        try:
            until(lambda: not self.all(query), what="every recalculation ended", seconds=seconds, transient=AWAY)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.all(query)}\n{self.log()[-3000:]}") from error

    def one(self, query: str, values: list[Any] | None = None) -> Any:
        """The first column of the first row, as a superuser sees it."""
        return self.all(query, values)[0][0]

    def all(self, query: str, values: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """All rows, as a superuser sees them, on a connection of their own."""
        with self.admin() as connection:
            return connection.execute(query.encode(), values).fetchall()

    def run(self, statement: str) -> None:
        """The statement has been carried out."""
        with self.admin() as connection:
            connection.execute(statement.encode())

    @contextmanager
    def admin(self) -> Iterator[psycopg.Connection]:
        """A superuser's connection that commits each statement."""
        with psycopg.connect(self.url, autocommit=True, connect_timeout=5) as connection:
            yield connection


def activities(days: int) -> list[dict[str, Any]]:
    """A weight every so many days, nearly all day long, and a girth every morning, which may be missed."""
    missed = {"key": "missed", "kind": "missed", "in_a_row": 1, "severity": "grey"}
    return [
        activity(schedule=every(days, ("day", "00:00", "23:59")), grace="0 min"),
        activity("girth", rules=[{"key": "high", "above": 100, "severity": "red"}, missed]),
    ]


def settle(url: str, *, hearts: int, lungs: int) -> tuple[World, int, int]:
    """A world of two protocols with so many patients each, in several zones; the connection to it is closed again."""
    with Database(url) as database:
        world = found(database)
        numbers = {}
        for key, patients in (("heart", hearts), ("lungs", lungs)):
            numbers[key] = world.protocol(key)
            world.publish(numbers[key], *activities(1))
            for place, zone in enumerate(ZONES):
                names = [f"{key}-{number}" for number in range(place, patients, len(ZONES))]
                world.enrol(numbers[key], names, zone=zone)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("vacuum analyze")
    return world, numbers["heart"], numbers["lungs"]


def enter(ground: Ground, url: str, settled: tuple[World, int, int]) -> Field:
    """The field on a copy of a settled world's database."""
    world, heart, lungs = settled
    own = replace(world, database=Database(url), enrolments=dict(world.enrolments), keys=1000)
    return Field(ground, url, own, heart, lungs)
