"""The figures of a run as people read them: in words and as tables for the terminal."""

import math

from rich.console import Group
from rich.table import Table
from rich.text import Text

from lockstep.proof.bench.cell import Cell
from lockstep.proof.bench.contender import Contender
from lockstep.proof.bench.run import CONTENDERS, Report
from lockstep.proof.budget.finding import Finding

COLUMNS = (
    "enrolments",
    "competitor",
    "acknowledged",
    "seen by every reader",
    "every row in step",
    "enrolments/s",
    "lock time-outs (recalculation + measurements)",
    "measurements/s",
    "their p50",
    "p99",
    "WAL",
    "peak memory",
    "runs",
)
NOTHING = "–"


def seconds(value: float | None, *, about: bool = False) -> str:
    """The seconds in a fitting unit; what is extrapolated begins with a sign."""
    if value is None:
        return NOTHING
    sign = "≈ " if about else ""
    if value < 1:
        return f"{sign}{value * 1000:.3g} ms" if value < 0.1 else f"{sign}{value * 1000:.0f} ms"
    return f"{sign}{value:.1f} s" if value < 120 else f"{sign}{value / 60:.0f} min"


def number(value: float, unit: str = "") -> str:
    """The number without needless digits; nothing where it was not measured."""
    if math.isnan(value):
        return NOTHING
    return f"{value:,.0f}{unit}" if value >= 10 else f"{value:.1f}{unit}"


def words(cell: Cell, contender: Contender) -> tuple[str, ...]:
    """The cell by COLUMNS."""
    both = f"{cell.recalculation_time_outs} + {cell.measurement_time_outs}"
    return (
        f"{cell.patients:,}",
        contender.title,
        seconds(cell.acknowledged_seconds),
        seconds(cell.seen_seconds),
        seconds(cell.in_step_seconds, about=cell.extrapolated),
        number(cell.enrolments_per_second),
        both if cell.runs else NOTHING,
        number(cell.measurements_per_second),
        number(cell.p50_ms, " ms"),
        number(cell.p99_ms, " ms"),
        number(cell.wal_mb, " MB"),
        number(cell.peak_mb, " MB"),
        str(cell.runs) if cell.runs else "not run",
    )


def shown(report: Report) -> Group:
    """The whole report for the terminal."""
    about = report.machine
    told = Text(
        f"{about.processors} processors · {about.kind} · load {about.load[0]:.1f} before · {about.server}"
        f" · {about.at:%Y-%m-%d %H:%M} UTC\n" + ", ".join(f"{name} {value}" for name, value in about.settings.items())
    )
    notes = Text(legend(report))
    return Group(told, cells(report), notes, verdicts(report.findings))


def cells(report: Report) -> Table:
    """What every competitor did."""
    table = Table()
    for name in COLUMNS:
        table.add_column(name, overflow="fold", justify="left" if name == "competitor" else "right")
    before = 0
    for cell in report.cells:
        if before not in (0, cell.patients):
            table.add_section()
        before = cell.patients
        style = "bold" if CONTENDERS[cell.contender].is_lockstep else None
        table.add_row(*words(cell, CONTENDERS[cell.contender]), style=style)
    return table


def verdicts(findings: list[Finding]) -> Table:
    """What was to hold, and whether it does."""
    table = Table()
    for name in ("part", "what", "goal", "measured", "verdict"):
        table.add_column(name, overflow="fold")
    styles = {True: "green", False: "bold red", None: "dim"}
    for each in findings:
        table.add_row(each.part, each.what, each.goal, each.measured, f"[{styles[each.held]}]{each.verdict()}[/]")
    return table


def legend(report: Report) -> str:
    """How the figures are to be read."""
    plan = report.plan
    idles = "; ".join(
        f"{each.patients:,} enrolments: {each.measurements_per_second:.0f}/s, p50 {each.p50_ms:.1f} ms,"
        f" p99 {each.p99_ms:.1f} ms"
        for each in report.idles
    )
    return (
        f"Load: {plan.per_second:.0f} measurements/s by two processes. Idle, before: {idles}.\n"
        f"Medians of up to {plan.rounds} runs; whoever needs long is run once. Time limit: {plan.limit_seconds:.0f} s."
        " ≈: extrapolated, in proportion, from what was done when the time was over; who was stopped is not run for"
        f" more. {NOTHING}: it did not come to that.\n"
        "WAL holds that of the measurements too. Peak memory (VmHWM) is that of the largest process beside the server."
    )
