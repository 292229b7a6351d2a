"""Every competitor of the benchmark does what it is there for, and leaves the world as Lockstep knows it."""

import time
from dataclasses import replace

import pytest

pytest.importorskip("pgqueuer", reason="the extra `bench` is not installed")
pytest.importorskip("lockstep.proof.bench.plot", reason="the extra `bench` is not installed")

from lockstep.engine.check import check_slice, finish, start_check
from lockstep.engine.check_slice import Memory
from lockstep.proof.bench import procrastinate_jobs, quick, verdict
from lockstep.proof.bench.arena import Arena
from lockstep.proof.bench.contender import Contender, Done
from lockstep.proof.bench.run import CONTENDERS, Plan, run

pytestmark = pytest.mark.timeout(400)
_FEW = 120


def _checking(drifted: list[int]) -> Contender:
    """In the place of a competitor: the independent check of everybody."""

    def check(arena: Arena) -> Done:
        began = time.monotonic()
        organisation_id, database = arena.group.organisation_id, arena.stage.database
        check_id = start_check(
            database,
            organisation_id=organisation_id,
            scope="protocol",
            scope_id=arena.group.protocol_id,
            actor="test",
            after_enrolment_id=arena.group.first_id - 1,
            until_enrolment_id=arena.group.last_id,
        )
        memory = Memory()
        while not check_slice(
            database, organisation_id=organisation_id, check_id=check_id, size=1_000, memory=memory
        ).done:
            pass
        certificate = finish(database, organisation_id=organisation_id, check_id=check_id, actor="test")
        assert certificate.checked == arena.group.count
        drifted.append(certificate.drifted)
        ended = time.monotonic()
        return Done(began, ended, ended, ended, ended, arena.group.count, 0, 0.0)

    return Contender("check", "", "", check, is_lockstep=True)


def test_every_competitor_brings_all_in_step_and_leaves_no_drift(server_url: str) -> None:
    drifted: list[int] = []
    contenders = {**CONTENDERS, "check": _checking(drifted)}
    plan = Plan(sizes=(_FEW,), rounds=1, limit_seconds=60, per_second=20, idle_seconds=0.5)
    report = run(server_url, plan, print, contenders)
    cells = {each.contender: each for each in report.cells}
    assert set(cells) == set(contenders)
    assert [key for key, each in cells.items() if each.in_step_seconds is None or each.extrapolated] == []
    assert drifted == [0]


def test_whoever_is_stopped_leaves_no_drift(server_url: str) -> None:
    drifted: list[int] = []
    keys = ("bare", "incident", "pipelined", "set-based", "procrastinate", "pgqueuer", "regenerate")
    contenders = {key: CONTENDERS[key] for key in keys} | {"check": _checking(drifted)}
    plan = Plan(sizes=(3_000,), rounds=1, limit_seconds=0.05, per_second=20, idle_seconds=0.5)
    report = run(server_url, plan, print, contenders)
    assert {each.contender for each in report.cells if each.extrapolated} >= {"incident", "procrastinate", "pgqueuer"}
    assert drifted == [0]


def test_a_lockstep_as_slow_as_a_job_per_patient_is_found_out(server_url: str) -> None:
    slow = {
        key: replace(each, run=procrastinate_jobs.PROCRASTINATE.run, is_lockstep=False) if each.is_lockstep else each
        for key, each in quick.CONTENDERS.items()
    }
    report = run(server_url, replace(quick.PLAN, sizes=(2_000,), limit_seconds=3.0, idle_seconds=0.5), print, slow)
    missed = {each.what for each in verdict.judge(report, quick.GOALS) if each.held is False}
    assert "2,000: incident takes, against full speed (in step)" in missed
    assert "2,000: incident takes, against lockstep (seen)" in missed
    assert "2,000: procrastinate takes, against lockstep (in step)" in missed
