"""The report of a run: Markdown with plots, for people who were not there."""

import platform
from collections.abc import Sequence
from pathlib import Path

import psutil
from rich.table import Table

from lockstep.proof import narrator
from lockstep.proof.stress.finding import Finding
from lockstep.proof.stress.plot import latencies, recoveries
from lockstep.proof.stress.run import Outcome

INVARIANTS = (*(f"S{number}" for number in range(1, 15)), *(f"L{number}" for number in range(1, 8)))
DONE = {"measure": "measurements", "read": "reads", "accept": "switches"}
RESTART = "restart the database"


def write(outcome: Outcome, folder: Path, *, command: str) -> Path:
    """The report stands in the folder, with its plots beside it; returns its file."""
    folder.mkdir(parents=True, exist_ok=True)
    recovered = recovery_seconds(outcome)
    (folder / "stress-latencies.svg").write_text(_latencies(outcome), encoding="utf-8")
    (folder / "stress-recoveries.svg").write_text(recoveries(recovered), encoding="utf-8")
    file = folder / "stress.md"
    file.write_text("\n".join(_lines(outcome, recovered, command)), encoding="utf-8")
    return file


def _lines(outcome: Outcome, recovered: dict[str, list[float]], command: str) -> list[str]:
    parts = (
        _head(outcome, command),
        _invariants(outcome),
        _checkers(outcome),
        _faults(outcome, recovered),
        _asked(outcome),
    )
    return [line for part in parts for line in (*part, "")]


def _head(outcome: Outcome, command: str) -> list[str]:
    options, seconds = outcome.options, outcome.seconds
    verdict = "No violation was found." if outcome.holds() else "**Violations were found.**"
    return [
        "# Stress run",
        "",
        f"`{command}`",
        "",
        f"{sentence(outcome)} {verdict}",
        "",
        f"{options.patients:,} patients in the largest group; set up in {seconds['setting up']:.0f} s, faults for "
        f"{seconds['faults']:.0f} s, settled in {seconds['settling']:.0f} s. On {machine()}.",
    ]


def _invariants(outcome: Outcome) -> list[str]:
    return [
        "## Invariants",
        "",
        "An invariant is *held* when instances of it were looked at and none violated it; with n instances and no",
        "violation its rate of violation is below 3/n at 95 % (rule of three), for what this run makes happen.",
        "",
        "| invariant | checkers | verdict | looked at | violations | rate below |",
        "|---|---|---|--:|--:|--:|",
        *(_invariant(name, outcome.findings) for name in INVARIANTS),
    ]


def _checkers(outcome: Outcome) -> list[str]:
    return [
        "## Checkers",
        "",
        "| checker | looked at | violations | more |",
        "|---|--:|--:|---|",
        *(f"| {e.checker} | {e.looked_at:,} | {e.violations:,} | {_figures(e)} |" for e in outcome.findings),
        *_examples(outcome.findings),
    ]


def _faults(outcome: Outcome, recovered: dict[str, list[float]]) -> list[str]:
    return [
        "## Faults",
        "",
        "A fault counts only if it hit something that lived; how that is known stands in the history of each fault.",
        "",
        "| kind | hit | not hit | answered again: median | longest |",
        "|---|--:|--:|--:|--:|",
        *(_fault(kind, outcome, recovered) for kind in sorted({*outcome.hits, *outcome.missed})),
        "",
        "![How long until a measurement was acknowledged again](stress-recoveries.svg)",
        "",
        "![How long requests took](stress-latencies.svg)",
    ]


def _asked(outcome: Outcome) -> list[str]:
    errors = ", ".join(f"{code} × {count:,}" for code, count in outcome.errors.items()) or "nothing"
    return [
        "## What clients asked",
        "",
        "| what | ok | refused | unknown |",
        "|---|--:|--:|--:|",
        *(
            f"| {do} | {count.get('ok', 0):,} | {count.get('fail', 0):,} | {count.get('unknown', 0):,} |"
            for do, count in outcome.operations.items()
        ),
        "",
        f"What was met instead of an answer, by SQLSTATE or kind: {errors}.",
        *(f"\n```\n{each}\n```" for each in outcome.broken[:10]),
    ]


def table(outcome: Outcome) -> Table:
    """The verdict on every invariant, for a terminal."""
    rows = []
    for name in INVARIANTS:
        verdict, looked_at, violations = of_invariant(name, outcome.findings)
        checkers = ", ".join(each.checker for each in outcome.findings if name in each.invariants)
        bound = f"{3 / looked_at:.2g}" if verdict == "held" else ""
        colour = {"held": "green", "violated": "bold red"}.get(verdict, "yellow")
        rows.append((name, checkers, f"[{colour}]{verdict}[/]", f"{looked_at:,}", f"{violations:,}", bound))
    columns = ("", "checkers", "verdict", "looked at", "violations", "rate below (95 %)")
    return narrator.table("", columns, rows, right=(3, 4, 5))


def sentence(outcome: Outcome) -> str:
    """The run in a sentence."""
    hits = sum(outcome.hits.values())
    found = sum(each.violations for each in outcome.findings)
    bound = f"; the rate per fault is below {3 / hits:.2%} at 95 %" if outcome.holds() and hits else ""
    return (
        f"{hits:,} faults of {len(outcome.hits)} kinds hit a live target ({sum(outcome.missed.values()):,} did not); "
        f"{found:,} violations{bound}. {len(outcome.broken)} faults could not be made. Seed {outcome.options.seed}."
    )


def machine() -> str:
    """The machine in words."""
    memory = psutil.virtual_memory().total / 2**30
    python = platform.python_version()
    return f"{platform.system()} {platform.machine()}, {psutil.cpu_count()} cores, {memory:.0f} GB, Python {python}"


def of_invariant(name: str, findings: Sequence[Finding]) -> tuple[str, int, int]:
    """The verdict on an invariant by all its checkers, how many instances, and how many violations."""
    own = [each for each in findings if name in each.invariants]
    looked_at, violations = sum(each.looked_at for each in own), sum(each.violations for each in own)
    verdict = "violated" if violations else "held" if looked_at else "not looked at"
    return verdict, looked_at, violations


def _invariant(name: str, findings: Sequence[Finding]) -> str:
    verdict, looked_at, violations = of_invariant(name, findings)
    checkers = ", ".join(each.checker for each in findings if name in each.invariants)
    bound = f"{3 / looked_at:.2g}" if verdict == "held" else ""
    shown = verdict if verdict == "held" else f"**{verdict}**"
    return f"| {name} | {checkers} | {shown} | {looked_at:,} | {violations:,} | {bound} |"


def _figures(finding: Finding) -> str:
    return ", ".join(f"{name} {value:,}" for name, value in finding.figures.items())


def _examples(findings: Sequence[Finding]) -> list[str]:
    lines: list[str] = []
    for each in findings:
        if each.violations:
            lines += [f"### {each.checker}", "", *(f"- {example[:600]}" for example in each.examples), ""]
    return lines


def _fault(kind: str, outcome: Outcome, recovered: dict[str, list[float]]) -> str:
    seconds = sorted(recovered.get(kind, []))
    times = f"{seconds[len(seconds) // 2]:.2f} s | {seconds[-1]:.2f} s" if seconds else " | "
    return f"| {kind} | {outcome.hits.get(kind, 0):,} | {outcome.missed.get(kind, 0):,} | {times} |"


def recovery_seconds(outcome: Outcome) -> dict[str, list[float]]:
    """For each kind the seconds from the end of a fault that hit to the next acknowledged request to measure."""
    told = sorted(each.told for each in outcome.history.of("measure") if each.ok)
    found: dict[str, list[float]] = {}
    place = 0
    for fault in sorted(outcome.history.of("fault"), key=lambda each: each.told):
        if not fault.answer.get("hit"):
            continue
        ended = float(fault.answer.get("back", fault.told))
        place = next((n for n in range(max(0, place - 2_000), len(told)) if told[n] > ended), len(told))
        if place < len(told):
            found.setdefault(fault.sent["kind"], []).append(told[place] - ended)
    return dict(sorted(found.items()))


def _latencies(outcome: Outcome) -> str:
    operations = [each for each in outcome.history.operations if each.ok and each.do in DONE]
    begin = min((each.asked for each in operations), default=0.0)
    end = max((each.told for each in operations), default=1.0)
    points = {
        name: [(each.asked - begin, (each.told - each.asked) * 1000) for each in operations if each.do == do]
        for do, name in DONE.items()
    }
    restarts = [each.asked - begin for each in outcome.history.of("fault") if each.sent["kind"] == RESTART]
    return latencies(points, {RESTART: restarts}, end - begin)
