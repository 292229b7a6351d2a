"""Runs the measurements one after another on a database of their own, and shows what they found."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from rich.console import Console
from rich.table import Table

from lockstep.proof.budget import (
    acceptance,
    check,
    closing,
    fairness,
    ingestion,
    meanwhile,
    memory,
    pages,
    reads,
    recalculation,
)
from lockstep.proof.budget.finding import Finding, Report, machine
from lockstep.proof.budget.stage import Options, Stage
from lockstep.proof.bulk_world import found
from lockstep.store import trial
from lockstep.store.database import Database
from lockstep.store.migrate import migrate

PARTS: Mapping[str, Callable[[Stage], list[Finding]]] = {
    "acceptance": acceptance.measure,
    "recalculation": recalculation.measure,
    "meanwhile": meanwhile.measure,
    "reads": reads.measure,
    "fairness": fairness.measure,
    "ingestion": ingestion.measure,
    "check": check.measure,
    "pages": pages.measure,
    "closing": closing.measure,
    "memory": memory.measure,
}
"""In this order; memory looks at the workers of those before."""


def run(server_url: str, parts: Sequence[str], options: Options, console: Console) -> Report:
    """The findings of the parts (all when none is named), on a database that is made for them and dropped."""
    with ExitStack() as stack:
        url = trial.create_trial(server_url)
        stack.callback(trial.drop_trial, url)
        migrate(url)
        database = stack.enter_context(Database(url, name="lockstep budget"))
        stage = Stage(database, found(database, "budget"), options, lambda said: console.print(f"  … {said}"))
        stack.callback(stage.pool.shutdown, cancel_futures=True)
        about = machine(database)
        findings: list[Finding] = []
        for name, measure in PARTS.items():
            if parts and name not in parts:
                continue
            console.print(f"[bold]{name}[/bold]")
            for finding in measure(stage):
                findings.append(finding)
                console.print(f"  {finding.what}: {finding.measured} — {finding.verdict()}")
        return Report(options.patients, about, findings)


def table(report: Report) -> Table:
    """The report as people read it."""
    about = report.machine
    shown = Table(
        title=f"{report.patients:,} enrolments · {about.processors} processors · load {about.load[0]:.1f} before"
        f" · {about.server} · {about.at:%Y-%m-%d %H:%M} UTC",
        caption=", ".join(f"{name} {value}" for name, value in about.settings.items()),
        title_justify="left",
        caption_justify="left",
    )
    for column in ("part", "what", "goal", "measured", "verdict"):
        shown.add_column(column, overflow="fold")
    styles = {True: "green", False: "bold red", None: "dim"}
    for finding in report.findings:
        verdict = f"[{styles[finding.held]}]{finding.verdict()}[/]"
        shown.add_row(finding.part, finding.what, finding.goal, finding.measured, verdict)
    return shown
