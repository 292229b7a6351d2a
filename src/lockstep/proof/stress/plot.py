"""Plots of a run as SVG: how long requests took across the faults, and how long until somebody was answered again."""

from collections.abc import Mapping, Sequence
from html import escape
from math import log10

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 1000, 380, 70, 20, 40, 40
LEAST_MS, MOST_MS = 0.5, 60_000.0
MOST_POINTS = 1_500


def _frame(title: str, parts: Sequence[str], height: int = HEIGHT) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
        ' font-family="sans-serif" font-size="12">'
        f'<rect width="100%" height="100%" fill="white"/><text x="{LEFT}" y="22" font-size="15">{escape(title)}</text>'
        + "".join(parts)
        + "</svg>\n"
    )


def _y_of(milliseconds: float) -> float:
    share = (log10(min(MOST_MS, max(LEAST_MS, milliseconds))) - log10(LEAST_MS)) / (log10(MOST_MS) - log10(LEAST_MS))
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _grid() -> list[str]:
    parts = []
    for value, name in ((1, "1 ms"), (10, "10 ms"), (100, "0.1 s"), (1_000, "1 s"), (10_000, "10 s")):
        y = _y_of(value)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{name}</text>')
    return parts


def latencies(
    points: Mapping[str, Sequence[tuple[float, float]]], marks: Mapping[str, Sequence[float]], seconds: float
) -> str:
    """When (seconds) and how long (milliseconds) requests of each kind took; marks are instants of costly faults."""
    colours = ("#2563eb", "#16a34a", "#d97706", "#9333ea")
    seconds = max(seconds, 1.0)

    def x_of(second: float) -> float:
        return LEFT + second / seconds * (WIDTH - LEFT - RIGHT)

    parts = _grid()
    for name, instants in marks.items():
        for each in instants:
            x = x_of(each)
            parts.append(
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#dc2626"'
                ' stroke-opacity="0.35">'
                f"<title>{escape(name)}</title></line>"
            )
    for found, colour in zip(points.values(), colours, strict=False):
        step = max(1, len(found) // MOST_POINTS)
        dots = "".join(f'<circle cx="{x_of(at):.1f}" cy="{_y_of(ms):.1f}" r="1.4"/>' for at, ms in found[::step])
        parts.append(f'<g fill="{colour}" fill-opacity="0.5">{dots}</g>')
    for number, (name, colour) in enumerate(zip(points, colours, strict=False)):
        x = WIDTH - RIGHT - 90 * (len(points) - number)
        parts.append(f'<text x="{x}" y="22" fill="{colour}">● {escape(name)}</text>')
    for quarter in range(5):
        at = seconds * quarter / 4
        parts.append(f'<text x="{x_of(at):.1f}" y="{HEIGHT - 14}" text-anchor="middle">{at / 60:.1f} min</text>')
    return _frame("How long requests took; red: the database was restarted", parts)


def recoveries(found: Mapping[str, Sequence[float]]) -> str:
    """For each kind of fault the seconds until somebody was answered again, each a dot, on a logarithmic axis."""
    row, left = 18, 190
    height = TOP + row * max(1, len(found)) + BOTTOM

    def x_of(second: float) -> float:
        share = (log10(min(30.0, max(0.003, second))) - log10(0.003)) / (log10(30.0) - log10(0.003))
        return left + share * (WIDTH - left - RIGHT)

    parts = []
    for value, label in ((0.01, "10 ms"), (0.1, "0.1 s"), (1, "1 s"), (5, "5 s"), (30, "30 s")):
        x = x_of(value)
        colour = "#dc2626" if value == 5 else "#ddd"
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{height - BOTTOM}" stroke="{colour}"/>')
        parts.append(f'<text x="{x:.1f}" y="{height - 18}" text-anchor="middle">{label}</text>')
    for number, (kind, seconds) in enumerate(found.items()):
        y = TOP + row * number + row / 2
        parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(kind)}</text>')
        parts += [
            f'<circle cx="{x_of(each):.1f}" cy="{y:.1f}" r="2.5" fill="#2563eb" fill-opacity="0.4"/>'
            for each in seconds
        ]
    return _frame("After the fault ended, until a measurement was acknowledged again", parts, height)
