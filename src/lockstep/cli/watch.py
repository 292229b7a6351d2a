"""Watches over everything from a process of its own, which does not share the workers' fate."""

import re
import time
from typing import Annotated

import typer

from lockstep.cli.face import AsJson, Exit, command, opened, show
from lockstep.domain.refusal import InvalidChoice, Unreachable, shown
from lockstep.domain.watch import Wrong, WrongKind
from lockstep.engine.watch import find_wrong
from lockstep.store.database import is_transient

_EVERY = re.compile(r"(\d{1,5})(s|m|)", re.ASCII)


@command
def watch(
    every: Annotated[str, typer.Option(help="Go on, looking again after so long, such as 10s or 1m.")] = "",
    as_json: AsJson = False,
) -> None:
    """Say what is wrong: overdue operations, silent workers, patients not watched; ends with 5 when something is.

    With --every it goes on until it is interrupted, also while the database does not answer.
    """
    seconds = read_every(every)
    while True:
        found = _look(goes_on=seconds is not None)
        words = "\n".join(map(str, found)) or "Nothing is wrong."
        show({"wrong": found}, as_json=as_json, words=words)
        if seconds is None:
            raise typer.Exit(Exit.WITH_EXCEPTIONS if found else Exit.DONE)
        time.sleep(seconds)


def read_every(given: str) -> int | None:
    """The seconds of '10s', '1m' or '10'; None for an empty text. Raises InvalidChoice."""
    if not given:
        return None
    read = _EVERY.fullmatch(given)
    seconds = int(read[1]) * (60 if read[2] == "m" else 1) if read else 0
    if not 1 <= seconds <= 86_400:
        raise InvalidChoice(f"{shown(given)} is no pause", where="--every", mend="Write it as 10s, at most a day.")
    return seconds


def _look(*, goes_on: bool) -> list[Wrong]:
    try:
        with opened() as database:
            return find_wrong(database)
    except Exception as failure:
        if not goes_on or not (isinstance(failure, Unreachable) or is_transient(failure)):
            raise
        what = "The database does not answer, so nothing is judged and nothing can be looked at"
        return [Wrong(WrongKind.UNREACHABLE, what, "database", None, "Start it, or mend the way to it.")]
