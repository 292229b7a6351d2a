"""Plots of a run, as SVG that shows without scripts and asks no foreign host."""

import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pygal
from pygal.style import Style

from lockstep.proof.bench.cell import Cell
from lockstep.proof.bench.run import CONTENDERS, Report

# It adds a finder of a kind that Python no longer asks; who walks through all finders stumbles over it (pytest does).
sys.meta_path[:] = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]

COLOURS = ("#666666", "#b3261e", "#e08a3c", "#8c6d1f", "#6a4ea3", "#b0579b", "#3c78a8", "#7fb77e", "#1d7a3a")
_OPEN, _FULL = "fill-opacity: 0.1; stroke-width: 1.5", "fill-opacity: 1"
SHORT: Mapping[str, str] = {
    "bare": "bare update (limit)",
    "incident": "incident's design",
    "pipelined": "incident's, pipelined",
    "set-based": "set-based transaction",
    "procrastinate": "job per patient, procrastinate",
    "pgqueuer": "job per patient, PgQueuer",
    "regenerate": "14 days regenerated",
    "full speed": "Lockstep at full speed",
    "lockstep": "Lockstep",
}


def plots(report: Report) -> dict[str, str]:
    """The plots by file name."""
    return {
        "benchmark-in-step.svg": _growth(
            report, "Seconds until every row is in step (open: extrapolated)", lambda cell: cell.in_step_seconds
        ),
        "benchmark-seen.svg": _growth(
            report, "Seconds until every reader sees the change", lambda cell: cell.seen_seconds
        ),
        "benchmark-measurements.svg": _bars(
            report, "Measurements beside it: p99 in ms", lambda cell: cell.p99_ms
        ),
    }  # fmt: skip


def _growth(report: Report, title: str, of: Callable[[Cell], float | None]) -> str:
    chart = pygal.XY(
        **_look(title), logarithmic=True, x_title="enrolments", stroke=True, dots_size=4,
        x_value_formatter=lambda power: f"{10 ** round(power):,}",
    )  # fmt: skip
    chart.x_labels = chart.x_labels_major = [math.log10(size) for size in report.plan.sizes]
    for key in _keys(report):
        points: list[Any] = [
            # As a style, since the drawing's own rules go before an attribute.
            {"value": (math.log10(cell.patients), value), "node": {"style": _OPEN if cell.extrapolated else _FULL}}
            for cell in report.cells
            if cell.contender == key and (value := of(cell)) is not None
        ]
        chart.add(SHORT[key], points)
    return _clean(chart)


def _bars(report: Report, title: str, of: Callable[[Cell], float]) -> str:
    chart = pygal.Bar(**_look(title), logarithmic=True)
    chart.x_labels = [f"{size:,}" for size in report.plan.sizes]
    for key in _keys(report):
        known = {cell.patients: of(cell) for cell in report.cells if cell.contender == key}
        chart.add(
            SHORT[key], [None if math.isnan(known.get(size, math.nan)) else known[size] for size in report.plan.sizes]
        )
    return _clean(chart)


def _keys(report: Report) -> Sequence[str]:
    run = {cell.contender for cell in report.cells}
    return [key for key in CONTENDERS if key in run]


def _look(title: str) -> dict[str, Any]:
    style = Style(background="white", plot_background="white", colors=COLOURS, font_family="sans-serif")
    return {
        "title": title, "style": style, "js": (), "no_prefix": True, "width": 900, "height": 520,
        "disable_xml_declaration": True, "legend_at_bottom": True, "legend_at_bottom_columns": 3,
        "show_minor_x_labels": False, "pretty_print": True,
    }  # fmt: skip


def _clean(chart: Any) -> str:
    """The drawing without what only a script or a hover would use, and without the library's address."""
    drawn: str = chart.render(is_unicode=True)
    drawn = re.sub(r"<!--.*?-->", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r"<script\b.*?</script>", "", drawn, flags=re.DOTALL)
    return "\n".join(line.rstrip() for line in drawn.splitlines() if line.strip()) + "\n"
