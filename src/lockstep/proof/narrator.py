"""Tells a story on the terminal: lines, a live view when a person looks, tables; and keeps a picture of it."""

import io
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table

PICTURE_WIDTH = 108
REFRESH_SECONDS = 0.2
PLAIN_SECONDS = 5.0


class Narrator:
    """Everything told goes to the console, and to a second one of which a picture is made."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._picture = Console(
            record=True, width=PICTURE_WIDTH, file=io.StringIO(), force_terminal=True, highlight=False
        )
        self._began = time.monotonic()

    def tell(self, what: RenderableType = "") -> None:
        """The line (or table) stands there for good."""
        self.console.print(what)
        self._picture.print(what)

    def step(self, title: str) -> None:
        """A part of the story begins."""
        seconds = int(time.monotonic() - self._began)
        self.tell(f"\n[bold cyan]{title}[/]  [dim]{seconds // 60}:{seconds % 60:02d}[/]")

    @contextmanager
    def watch(self, view: Callable[[], RenderableType], line: Callable[[], str]) -> Iterator[Callable[[], None]]:
        """While the block calls what it is given, a person sees the view change; a file gets a line now and then."""
        if not self.console.is_terminal:
            last = time.monotonic()

            def say() -> None:
                nonlocal last
                if time.monotonic() - last > PLAIN_SECONDS:
                    last = time.monotonic()
                    self.console.print(f"  … {line()}")

            yield say
            return
        last_drawn = 0.0
        with Live(view(), console=self.console, transient=True, auto_refresh=False) as live:

            def draw() -> None:
                nonlocal last_drawn
                if time.monotonic() - last_drawn > REFRESH_SECONDS:
                    last_drawn = time.monotonic()
                    live.update(view(), refresh=True)

            yield draw

    def save_picture(self, path: Path, *, title: str) -> None:
        """The file shows all that was told, as SVG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._picture.export_svg(title=title), encoding="utf-8")


def bar(done: int, total: int, *, width: int = 30) -> str:
    """A bar of progress in letters."""
    full = 0 if total <= 0 else min(width, width * done // total)
    return f"[green]{'█' * full}[/][dim]{'░' * (width - full)}[/]"


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> Table:
    """A table; the columns named in `right` are numbers."""
    made = Table(
        title=title or None, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2)
    )
    for index, name in enumerate(columns):
        made.add_column(name, justify="right" if index in right else "left", style=None, header_style="dim")
    for row in rows:
        made.add_row(*row)
    return made
