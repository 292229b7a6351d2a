"""Follows an operation: a bar when a person looks, plain lines when not."""

import sys
import time
from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from lockstep.cli.face import Exit
from lockstep.domain.operation import ENDED, Operation, OperationState
from lockstep.domain.state import pending_of
from lockstep.domain.state_words import pending_words
from lockstep.engine.operation import get_operation
from lockstep.store.database import Database

LOOK_SECONDS = 0.2
LONGEST_SECONDS = 366 * 86_400.0


def _finite(given: float | None) -> float | None:
    if given is not None and not 0 <= given <= LONGEST_SECONDS:  # also what is no number
        raise typer.BadParameter("Give seconds from 0 to a year.")
    return given


Seconds = Annotated[
    float | None, typer.Option("--seconds", callback=_finite, help="Wait at most so long; then end with 6.")
]


def follow(
    database: Database,
    *,
    organisation_id: int,
    operation_id: int,
    seconds: float | None,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> Operation:
    """The operation when it has ended, or after so many seconds (None: for ever); meanwhile stderr tells of it."""
    until = None if seconds is None else now() + seconds
    with _shown() as tell:
        while True:
            operation = get_operation(database, organisation_id=organisation_id, operation_id=operation_id)
            tell(operation)
            if operation.state in ENDED or (until is not None and now() >= until):
                return operation
            sleep(LOOK_SECONDS)


def exit_of(operation: Operation) -> Exit:
    """How a command ends that waited for the operation."""
    if operation.state not in ENDED:
        return Exit.STILL_RUNNING
    if operation.state in (OperationState.SUCCEEDED, OperationState.SUPERSEDED):
        return Exit.DONE
    return Exit.WITH_EXCEPTIONS


def words(operation: Operation) -> str:
    """The operation in a line."""
    counted = ""
    if operation.total is not None:
        counted = f", {operation.done or 0:,} of {operation.total:,}"
    reason = f" ({operation.reason.rstrip('.')})" if operation.reason else ""
    pending = pending_of(operation)
    if pending is not None:
        reason = f"; {pending_words([pending])}"
    overdue = ", overdue" if operation.overdue else ""
    return f"Operation {operation.operation_id}: {operation.sentence}: {operation.state}{overdue}{counted}{reason}."


class _Shown:
    """Tells of an operation on the standard error."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._last = ""

    def __enter__(self) -> Callable[[Operation], None]:
        if not sys.stderr.isatty():
            return self._line
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._bar.start()
        self._task = self._bar.add_task("", total=None)
        return self._draw

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _draw(self, operation: Operation) -> None:
        assert self._bar is not None
        self._bar.update(
            self._task,
            description=operation.reason or str(operation.state),
            total=operation.total,
            completed=min(operation.done or 0, operation.total or 0),
        )

    def _line(self, operation: Operation) -> None:
        """A line for each new state, reason and tenth part."""
        tenth = 10 * (operation.done or 0) // operation.total if operation.total else 0
        seen = f"{operation.state} {operation.reason} {tenth}"
        if seen != self._last:
            self._last = seen
            sys.stderr.write(words(operation) + "\n")
            sys.stderr.flush()


def _shown() -> _Shown:
    return _Shown()
