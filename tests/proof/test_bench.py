"""A run of the benchmark is judged by its ratios, told without a foreign host, and fails when Lockstep is slow."""

import math
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

pytest.importorskip("pgqueuer", reason="the extra `bench` is not installed")
pytest.importorskip("lockstep.proof.bench.plot", reason="the extra `bench` is not installed")

from lockstep.cli.main import app
from lockstep.proof.bench import page, quick, run, table, verdict
from lockstep.proof.bench.cell import Cell, Idle, Trial, cell, larger
from lockstep.proof.bench.contender import Done
from lockstep.proof.bench.run import CONTENDERS, Plan, Report, quiet_zones
from lockstep.proof.budget.finding import Machine
from lockstep.proof.budget.load import Load, Told

_AT = datetime(2026, 11, 23, tzinfo=UTC)
_SIZE = 20_000
_SECONDS = {
    "bare": 0.5, "incident": 6.0, "pipelined": 4.0, "set-based": 0.7, "procrastinate": 100.0, "pgqueuer": 60.0,
    "regenerate": 2.0, "full speed": 0.6, "lockstep": 1.0,
}  # fmt: skip


def _cell(key: str, seconds: float | None, **other: float | bool | None) -> Cell:
    known: dict[str, object] = {
        "contender": key, "patients": _SIZE, "runs": 1, "acknowledged_seconds": 0.001, "seen_seconds": seconds,
        "in_step_seconds": seconds, "extrapolated": False, "enrolments_per_second": 1.0, "rolled_back": 0,
        "recalculation_time_outs": 0, "measurement_time_outs": 0, "measurements_per_second": 400.0, "p50_ms": 2.0,
        "p99_ms": 5.0, "wal_mb": 1.0, "peak_mb": 90.0,
    }  # fmt: skip
    return Cell(**{**known, **other})  # type: ignore[arg-type]


def _report(*cells: Cell) -> Report:
    machine = Machine(2, "kind", (0.0, 0.0, 0.0), _AT, "server", {"fsync": "on"})
    known = {key: _cell(key, seconds) for key, seconds in _SECONDS.items()}
    known["lockstep"] = _cell("lockstep", 1.0, seen_seconds=0.001)
    known.update({each.contender: each for each in cells})
    return Report(Plan(sizes=(_SIZE,)), machine, [Idle(_SIZE, 400.0, 2.0, 4.0)], list(known.values()))


def _holds(report: Report) -> bool:
    return all(each.held is not False for each in verdict.judge(report, quick.GOALS))


def test_what_is_fast_enough_holds() -> None:
    assert _holds(_report())


@pytest.mark.parametrize(
    "slow",
    [
        _cell("lockstep", 60.0),
        _cell("full speed", 60.0),
        _cell("lockstep", None),
        _cell("lockstep", 1.0, seen_seconds=5.9),
        _cell("lockstep", 1.0, seen_seconds=0.001, measurement_time_outs=1),
        _cell("full speed", 0.6, recalculation_time_outs=1),
    ],
    ids=["rows", "full speed", "never in step", "readers", "time-outs of measurements", "of the recalculation"],
)
def test_a_slow_lockstep_does_not_hold(slow: Cell) -> None:
    assert not _holds(_report(slow))


def test_a_ratio_of_what_was_extrapolated_says_so() -> None:
    findings = verdict.judge(_report(_cell("incident", 9.0, extrapolated=True, seen_seconds=None)), quick.GOALS)
    assert findings[0].measured == "about 15 x"


def test_the_command_fails_when_lockstep_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCKSTEP_DATABASE_URL", "postgresql://nowhere")
    for report, code in ((_report(), 0), (_report(_cell("full speed", 60.0)), 1)):
        monkeypatch.setattr(run, "run", lambda *_, report=report: report)
        assert CliRunner().invoke(app, ["bench", "--quick"]).exit_code == code


def _load(*took: tuple[float, float, int], timed_out: tuple[float, ...] = ()) -> Load:
    load = Load([])
    load._hear(Told(list(took), timed_out=list(timed_out)))
    return load


def _done(called: float, ended: float, enrolments: int, *, finished: bool = True) -> Trial:
    at = ended if finished else None
    return Trial(Done(called, called + 0.5, at, at, ended, enrolments, 1, 90.0), 2**20)


def test_a_cell_holds_medians_and_what_measurements_met() -> None:
    load = _load((11.0, 500.0, 4), (19.9, 9_000.0, 6), (14.0, 1.0, 8), timed_out=(10.5, 99.0))
    found = cell(CONTENDERS["bare"], 100, [_done(10, 13, 100)], load)
    assert (found.in_step_seconds, found.acknowledged_seconds, found.extrapolated) == (3, 0.5, False)
    assert (found.measurement_time_outs, found.recalculation_time_outs) == (1, 1)
    assert found.measurements_per_second == pytest.approx(4 / 3)
    assert found.p99_ms == 9_000  # answered later, but it waited meanwhile
    assert found.wal_mb == 1


def test_who_was_stopped_is_extrapolated_and_not_run_for_more() -> None:
    found = cell(CONTENDERS["incident"], 100, [_done(10, 20, 40, finished=False)], _load())
    assert (found.in_step_seconds, found.seen_seconds, found.extrapolated) == (25, None, True)
    more = larger(found, 1_000)
    assert (more.in_step_seconds, more.runs, more.extrapolated) == (250, 0, True)
    assert math.isnan(more.p99_ms)
    assert table.words(more, CONTENDERS["incident"])[4] == "≈ 4 min"


@pytest.mark.parametrize("hour", range(24))
def test_no_window_of_the_measured_closes_soon(hour: int) -> None:
    at = datetime(2026, 11, 23, hour, 30, tzinfo=UTC)
    locals_ = [at.astimezone(ZoneInfo(zone)) for zone in quiet_zones(at)]
    assert [each.hour for each in locals_] == [14, 15, 16, 17, 18]
    assert all(each.utcoffset() in [timedelta(hours=hours) for hours in range(-12, 15)] for each in locals_)


def test_the_page_tells_how_it_was_made_and_asks_no_foreign_host(tmp_path: Path) -> None:
    page.write(_report(_cell("incident", 9.0, extrapolated=True)), tmp_path, "lockstep bench")
    written = (tmp_path / page.FILE).read_text()
    assert "`lockstep bench`" in written
    assert "≈ 9.0 s" in written
    drawings = sorted(tmp_path.glob("*.svg"))
    assert len(drawings) == 3
    for drawing in drawings:
        text = drawing.read_text()
        assert f"({drawing.name})" in written
        assert "<script" not in text
        # The licence of the drawing's own style stands in it, and is asked of nobody.
        assert not re.search(r"""(href|src)\s*=\s*["'][^"'#]|url\((?!#)|@import""", text)
