"""The report as a page of the reference: machine, date and command, how each works, figures, verdicts, plots."""

from collections.abc import Sequence
from pathlib import Path

from lockstep.proof.bench.plot import plots
from lockstep.proof.bench.run import CONTENDERS, Report
from lockstep.proof.bench.table import COLUMNS, legend, words
from lockstep.proof.budget.finding import Finding

FILE = "benchmark.md"


def write(report: Report, folder: Path, command: str) -> None:
    """The page and its plots stand in the folder, in the place of former ones."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = plots(report)
    for name, drawing in drawn.items():
        (folder / name).write_text(drawing, encoding="utf-8")
    (folder / FILE).write_text(page(report, command, list(drawn)), encoding="utf-8")


def page(report: Report, command: str, drawn: Sequence[str]) -> str:
    """The page in Markdown."""
    about = report.machine
    present = {cell.contender for cell in report.cells}
    parts = [
        "# Benchmark",
        "One run on one machine, every competitor beside the same load of measurements, in the same tables, on the same"
        " rows: so only ratios within it mean something elsewhere. The page was written by the command.",
        f"- Command: `{command}`\n"
        f"- Date: {about.at:%Y-%m-%d %H:%M} UTC\n"
        f"- Machine: {about.processors} processors, {about.kind}; load {about.load[0]:.1f} when it began\n"
        f"- Server: {about.server}, on the same machine, for all competitors: "
        + ", ".join(f"`{name}` {value}" for name, value in about.settings.items()),
        "## How each works",
        _rows(("competitor", "how"), [(each.title, each.how) for each in CONTENDERS.values() if each.key in present]),
        "All of them change one of two activities of every enrolment: one head and one row each. Lockstep moves it by"
        " an hour; the others by a day, which costs them the same and asks them to compute nothing. Measurements"
        " come in through Lockstep's ingestion beside all of them; it waits up to 2 s for a lock and tries again.",
        "## Figures",
        _rows(COLUMNS, [words(cell, CONTENDERS[cell.contender]) for cell in report.cells]),
        legend(report).replace("\n", "\n\n"),
        *(f"![{name.removesuffix('.svg').replace('-', ' ')}]({name})" for name in drawn),
        "## Verdicts",
        _findings(report.findings),
    ]
    return "\n\n".join(parts) + "\n"


def _findings(findings: Sequence[Finding]) -> str:
    return _rows(
        ("part", "what", "goal", "measured", "verdict"),
        [(each.part, each.what, each.goal, each.measured, each.verdict()) for each in findings],
    )


def _rows(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
