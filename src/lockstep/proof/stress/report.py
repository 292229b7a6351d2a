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
    options, seconds = outcome.options, outcome.seconds
    verdict = "no violation was found" if outcome.holds() else "**violations were found**"
    hits = sum(outcome.hits.values())
    lines = [
        "# Stress run", "",
        f"`{command}`", "",
        f"{hits:,} faults of {len(outcome.hits)} kinds hit a live target, {sum(outcome.missed.values()):,} did not and do not "
        f"count; {verdict}. Seed {options.seed}, {options.patients:,} patients; set up in {seconds['setting up']:.0f} s, faults "
        f"for {seconds['faults']:.0f} s, settled in {seconds['settling']:.0f} s.", "",
        f"On {machine()}.", "",
        "## Invariants", "",
        "An invariant is *held* when instances of it were looked at and none violated it; with n instances and no violation its "
        "rate of violation is below 3/n at 95 % (rule of three), for what this run makes happen.", "",
        "| invariant | checkers | verdict | looked at | violations | rate below |",
        "|---|---|---|--:|--:|--:|",
        *(_invariant(name, outcome.findings) for name in INVARIANTS), "",
        "## Checkers", "",
        "| checker | looked at | violations | more |", "|---|--:|--:|---|",
        *(f"| {each.checker} | {each.looked_at:,} | {each.violations:,} | {_figures(each)} |" for each in outcome.findings), "",
        *_examples(outcome.findings),
        "## Faults", "",
        f"Zero of {hits:,} faults led to a violation: below {3 / hits:.2%} per fault at 95 %." if outcome.holds() and hits else "",
        "", "| kind | hit | not hit | answered again: median | longest |", "|---|--:|--:|--:|--:|",
        *(_fault(kind, outcome, recovered) for kind in sorted({*outcome.hits, *outcome.missed})), "",
        "![How long until a measurement was acknowledged again](stress-recoveries.svg)", "",
        "![How long requests took](stress-latencies.svg)", "",
        "## What clients asked", "", "| what | ok | refused | unknown |", "|---|--:|--:|--:|",
        *(f"| {do} | {n.get('ok', 0):,} | {n.get('fail', 0):,} | {n.get('unknown', 0):,} |" for do, n in outcome.operations.items()),
        "", "What was met instead of an answer, by SQLSTATE or kind: "
        + (", ".join(f"{code} × {count:,}" for code, count in outcome.errors.items()) or "nothing") + ".", "",
    ]  # fmt: skip
    if outcome.broken:
        lines += ["## Broken", "", *(f"```\n{each}\n```" for each in outcome.broken[:10]), ""]
    return lines


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
    return f"{platform.system()} {platform.machine()}, {psutil.cpu_count()} cores, {memory:.0f} GB, Python {platform.python_version()}"


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
