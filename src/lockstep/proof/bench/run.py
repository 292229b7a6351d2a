"""Runs every competitor for every number of enrolments on a database of its own, one load beside all of them."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

from lockstep.proof.bench import bare, incident, ours, pgqueuer_jobs, procrastinate_jobs, regenerate, set_based
from lockstep.proof.bench.arena import Arena
from lockstep.proof.bench.cell import Cell, Idle, Trial, cell, idle, larger
from lockstep.proof.bench.contender import Contender
from lockstep.proof.bench.sql import SQL
from lockstep.proof.budget.finding import Finding, Machine, machine
from lockstep.proof.budget.run import PARTS
from lockstep.proof.budget.stage import Options, Stage
from lockstep.proof.bulk_world import found
from lockstep.store import trial
from lockstep.store.database import Database
from lockstep.store.migrate import migrate

CONTENDERS: Mapping[str, Contender] = {
    each.key: each
    for each in (
        bare.BARE,
        incident.ROUND_TRIPS,
        incident.PIPELINE,
        set_based.SET_BASED,
        procrastinate_jobs.PROCRASTINATE,
        pgqueuer_jobs.PGQUEUER,
        regenerate.REGENERATE,
        ours.FULL_SPEED,
        ours.WORKERS_PATH,
    )
}
"""In this order: those that Lockstep is compared to leave the rows where they were before it begins."""

SCHEMA = "bench"
PAUSE_SECONDS = 0.5
AGAIN_SHARE = 0.4
"""A competitor that needed more than this share of its time limit is not run again."""
QUIET_HOURS = range(14, 19)
"""Civil times at which no window of the group is about to close, so that nobody's judgement falls into a run."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is compared: for how many enrolments, how often, how long at most, beside how many measurements a second."""

    sizes: Sequence[int] = (1_000, 10_000, 100_000, 1_000_000)
    rounds: int = 3
    limit_seconds: float = 30.0
    per_second: float = 400.0
    idle_seconds: float = 5.0
    parts: Sequence[str] = ()
    part_patients: int = 100_000
    probes: int = 20_000
    acceptances: int = 100


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found in one run."""

    plan: Plan
    machine: Machine
    idles: list[Idle] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def run(
    server_url: str,
    plan: Plan,
    say: Callable[[str], None],
    contenders: Mapping[str, Contender] = CONTENDERS,
) -> Report:
    """The figures of the competitors; the database is made for them and dropped."""
    with ExitStack() as stack:
        url = trial.create_trial(server_url)
        stack.callback(trial.drop_trial, url)
        migrate(url)
        trial.add_schema(url, SCHEMA)
        database = stack.enter_context(Database(url, name="lockstep bench"))
        with database.transaction(None) as connection:
            for statement in SQL["create_planned"].split(";"):
                connection.execute(statement.encode())
        options = Options(per_second=plan.per_second)
        stage = Stage(database, found(database, "bench"), options, say, zones=quiet_zones(datetime.now(UTC)))
        stack.callback(stage.pool.shutdown, cancel_futures=True)
        report = Report(plan, machine(database))
        try:
            for size in plan.sizes:
                _run_size(stage, plan, size, contenders, report)
            _measure_parts(stage, plan, report)
        except KeyboardInterrupt:
            say("broken off: what was measured until now is told")
        return report


def quiet_zones(at: datetime) -> list[str]:
    """Zones in which it is afternoon at that instant (UTC)."""
    ahead = [(wanted - at.hour + 11) % 24 - 11 for wanted in QUIET_HOURS]
    # In these names the sign says how far Greenwich is ahead.
    return [f"Etc/GMT{-hours:+d}" for hours in ahead]


def _run_size(stage: Stage, plan: Plan, size: int, contenders: Mapping[str, Contender], report: Report) -> None:
    arena = Arena(stage, stage.group(f"bench-{size}", size), plan.limit_seconds)
    arena.look()
    over = {each.contender: each for each in report.cells if each.extrapolated and each.patients < size}
    trials: dict[str, list[Trial]] = {}
    with stage.load(arena.group) as load:
        began = time.monotonic()
        time.sleep(plan.idle_seconds)
        ended = time.monotonic()
        for _ in range(plan.rounds):
            for key, contender in contenders.items():
                if key in over or not _is_worth_again(trials.get(key, []), plan):
                    continue
                trials.setdefault(key, []).append(_run_one(arena, contender))
                _say(stage, contender, trials[key][-1])
    report.idles.append(idle(size, load, began, ended))
    for key, contender in contenders.items():
        if key in trials:
            report.cells.append(cell(contender, size, trials[key], load))
        else:
            report.cells.append(larger(over[key], size))


def _run_one(arena: Arena, contender: Contender) -> Trial:
    """One run, after which the rows stand where a change has brought all of them, or where they stood before."""
    if contender.is_lockstep:
        arena.restore()
    arena.settle()
    time.sleep(PAUSE_SECONDS)
    change = arena.change()
    before = trial.wal_position(arena.stage.database.url)
    done = contender.run(arena)
    found_ = Trial(done, trial.wal_position(arena.stage.database.url) - before)
    if contender.is_lockstep:
        arena.look()
    elif done.in_step is None:
        arena.undo(change, moves=contender.moves)
    else:
        arena.was_carried_out(change, moves=contender.moves)
    return found_


def _is_worth_again(trials: Sequence[Trial], plan: Plan) -> bool:
    return not trials or max(each.done.ended - each.done.called for each in trials) < AGAIN_SHARE * plan.limit_seconds


def _measure_parts(stage: Stage, plan: Plan, report: Report) -> None:
    stage.options = Options(
        patients=plan.part_patients, rounds=plan.rounds, probes=plan.probes, acceptances=plan.acceptances,
        per_second=plan.per_second,
    )  # fmt: skip
    for name in plan.parts:
        stage.say(name)
        try:
            report.findings.extend(PARTS[name](stage))
        except Exception as failure:
            # One that breaks down does not take along what the others measured.
            report.findings.append(Finding(name, "not measured", "", f"{type(failure).__name__}: {failure}", False))


def _say(stage: Stage, contender: Contender, one: Trial) -> None:
    done = one.done
    seconds = done.ended - done.called
    came = "in step" if done.in_step is not None else f"stopped, {done.enrolments:,} done"
    stage.say(f"{contender.key}: {came} after {seconds:.2f} s")
