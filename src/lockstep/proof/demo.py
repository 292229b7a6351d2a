"""The demonstration: sets up a database of its own, tells the story, holds what was seen against what must be."""

import contextlib
import logging
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console

from lockstep.proof.claim import Claim, is_proven, verdict
from lockstep.proof.crew import Crew
from lockstep.proof.incident_design import show_incident
from lockstep.proof.narrator import Narrator
from lockstep.proof.plan import Plan
from lockstep.proof.stage import Scene, Stage
from lockstep.proof.story import Story
from lockstep.proof.watched_database import WatchedDatabase
from lockstep.store import trial
from lockstep.store.migrate import migrate
from lockstep.store.settings import Settings

WORKERS = 2


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for; `tamper` writes a wrong row before the check, which then must find it."""

    patients: int = 10_000
    seed: int = 1
    per_second: float = 300
    exit: bool = False
    incident: bool = False
    tamper: bool = False
    picture: Path | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """What a run showed: the claims, and the figures behind them."""

    claims: tuple[Claim, ...]
    figures: dict[str, Any]

    def is_proven(self) -> bool:
        """Whether every claim holds."""
        return is_proven(self.claims)

    def to_document(self) -> dict[str, Any]:
        """The run in plain JSON values."""
        claims = {each.key: {"value": each.value, "must": each.must, "holds": each.holds} for each in self.claims}
        return {"verdict": verdict(self.claims), "claims": claims, "figures": self.figures}


class Told(BaseException):
    """Somebody told us to end; not an Exception, so that nothing takes it for a failure."""


def run(settings: Settings, options: Options, console: Console) -> Shown:
    """The story was told; everything it started has ended, also when it was cut short. Call it in the main thread.

    Raises KeyboardInterrupt or Told when ended before the verdict, ServerFailed, psycopg.Error.
    """
    # A connection that a killed server or a time-out closed is replaced; the pool need not say so on the terminal.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    narrator = Narrator(console)
    began = time.monotonic()
    with ExitStack() as stack, _ended_by_signal():
        url, folder = _set(stack, settings, narrator)
        if options.incident:
            show_incident(url, narrator, options.patients, options.per_second, options.seed)
        # Only now, because the old design's lock time-outs are not ours.
        scene = _scene(stack, settings, options, narrator, url, folder)
        story = Story(stack.enter_context(Stage(scene)))
        claims = story.tell()
        shown = Shown(tuple(claims), {**story.figures, "seconds": round(time.monotonic() - began, 1)})
        narrator.tell(f"\n[bold]{_painted(shown)}[/]  [dim]in {shown.figures['seconds']:.0f} s[/]")
        if options.picture is not None:
            narrator.save_picture(options.picture, title=f"lockstep demo --patients {options.patients}")
        if not options.exit:
            with contextlib.suppress(KeyboardInterrupt, Told):
                story.go_on()
    return shown


def _painted(shown: Shown) -> str:
    said = verdict(shown.claims)
    return f"[green]{said}[/]" if shown.is_proven() else f"[red]{said}[/]"


def _set(stack: ExitStack, settings: Settings, narrator: Narrator) -> tuple[str, Path]:
    """A migrated database of its own and a folder, both gone when the stack is closed."""
    narrator.step("Setting the scene")
    began = time.monotonic()
    server_url = settings.url()
    if settings.database_url is None:
        trial.sweep_trials(server_url)
    url = trial.create_trial(server_url)
    stack.callback(trial.drop_trial, url)
    migrate(url)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lockstep-demo-")))
    seconds = time.monotonic() - began
    narrator.tell(f"  PostgreSQL {trial.server_version(url)}, a database of its own, migrated, in {seconds:.1f} s")
    return url, folder


def _scene(stack: ExitStack, settings: Settings, options: Options, narrator: Narrator, url: str, folder: Path) -> Scene:
    """Two workers look after the database until the stack is closed."""
    log = trial.server_log(settings.home / "server", url) if settings.database_url is None else None
    database = stack.enter_context(WatchedDatabase(url, pool_max=4, name="lockstep demo"))
    crew = Crew(url, WORKERS, folder / "workers.log")
    stack.callback(crew.end)
    return Scene(
        url=url,
        plan=Plan(options.seed, options.patients),
        database=database,
        crew=crew,
        server_log=log,
        per_second=options.per_second,
        tamper=options.tamper,
        narrator=narrator,
    )


@contextmanager
def _ended_by_signal() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does."""

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise Told

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
