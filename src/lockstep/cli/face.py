"""What every command shares: the database, who acts, how answers and refusals are shown, how it ends."""

import getpass
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from functools import wraps
from typing import Annotated, Any, NoReturn, ParamSpec, TypeVar

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from lockstep.domain.organisation import Organisation
from lockstep.domain.refusal import Fault, Refusal, StalePreview
from lockstep.engine.organisation import resolve_organisation
from lockstep.store.database import Database, is_transient
from lockstep.store.server import ServerFailed
from lockstep.store.settings import read_settings

P = ParamSpec("P")
T = TypeVar("T")


class Exit(IntEnum):
    """How a command ends; the numbers are fixed. Python's own failures are 1, as everywhere."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    STALE_PREVIEW = 3
    REFUSED = 4
    WITH_EXCEPTIONS = 5
    STILL_RUNNING = 6


AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
Of = Annotated[
    str,
    typer.Option(
        "--organisation",
        "-o",
        envvar="LOCKSTEP_ORGANISATION",
        help="Key or number of the organisation.",
        show_default=False,
    ),
]
By = Annotated[
    str,
    typer.Option(
        "--actor",
        envvar="LOCKSTEP_ACTOR",
        default_factory=getpass.getuser,
        help="Who decides; stands in the audit.",
        show_default="the user logged in",
    ),
]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; stands in the audit.", show_default=False)]


@contextmanager
def opened() -> Iterator[Database]:
    """The database of the settings: LOCKSTEP_DATABASE_URL, or the embedded server."""
    settings = read_settings()
    with Database(
        settings.url(), pool_max=settings.pool_max, lock_timeout_ms=settings.lock_timeout_ms, name="lockstep cli"
    ) as database:
        yield database


@contextmanager
def opened_for(organisation: str) -> Iterator[tuple[Database, Organisation]]:
    """The database, and the organisation by its key or number. Raises UnknownOrganisation."""
    with opened() as database:
        yield database, resolve_organisation(database, organisation)


def command(work: Callable[P, T]) -> Callable[P, T]:
    """The command says a refusal to people (or as JSON) and ends with its number; bad input shows no traceback."""

    @wraps(work)
    def carry_out(*args: P.args, **kwargs: P.kwargs) -> T:
        as_json = bool(kwargs.get("as_json"))
        try:
            return work(*args, **kwargs)
        except Refusal as refusal:
            refuse(refusal, as_json=as_json)
        except (ServerFailed, ValidationError) as failure:
            fail(str(failure), as_json=as_json)
        except (FileNotFoundError, IsADirectoryError, PermissionError, UnicodeDecodeError) as failure:
            say_usage(_of_file(failure), as_json=as_json)
        except Exception as failure:
            if not is_transient(failure) and not _is_not_migrated(failure):
                raise
            fail(_of_database(failure), as_json=as_json)

    return carry_out


def show(answer: object, *, as_json: bool, words: str = "") -> None:
    """The answer stands on the standard output: as JSON, or in these words."""
    if as_json:
        sys.stdout.write(json.dumps(plain(answer), ensure_ascii=False) + "\n")
    elif words:
        Console(soft_wrap=True, highlight=False, markup=False).print(words)


def show_list(items: Sequence[Any], columns: Mapping[str, Callable[[Any], object]], *, as_json: bool) -> None:
    """The items stand on the standard output: as JSON, as a table when a person looks, else as lines with tabs."""
    if as_json:
        show(list(items), as_json=True)
    elif sys.stdout.isatty():
        table = Table(box=None, pad_edge=False)
        for name in columns:
            table.add_column(name, overflow="fold")
        for item in items:
            table.add_row(*(_cell(of(item)) for of in columns.values()))
        Console(highlight=False, markup=False).print(table)
    else:
        for item in items:
            sys.stdout.write("\t".join(_cell(of(item)) for of in columns.values()) + "\n")


def plain(value: object) -> Any:
    """The value in what JSON knows: instants and dates in ISO 8601, decimals as they are written."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(each) for name, each in asdict(value).items()}
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(each) for key, each in value.items()}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    return value


def refuse(refusal: Refusal, *, as_json: bool) -> NoReturn:
    """The refusal was said: what, where, how to mend it; nothing has changed."""
    faults: Sequence[Fault] = getattr(refusal, "faults", ())
    if as_json:
        told = {"code": refusal.code, "what": refusal.what, "where": refusal.where, "mend": refusal.mend}
        if isinstance(refusal, StalePreview):
            told |= {"seen": refusal.seen, "same_effect": refusal.same_effect, "difference": list(refusal.difference)}  # type: ignore[dict-item]
        show({"refusal": {**told, "faults": [plain(fault) for fault in faults]}}, as_json=True)
    else:
        lines = [str(fault) for fault in faults] if len(faults) > 1 else [str(refusal)]
        sys.stderr.write("".join(f"Refused: {line}\n" for line in lines))
    raise typer.Exit(Exit.STALE_PREVIEW if isinstance(refusal, StalePreview) else Exit.REFUSED)


def say_usage(sentence: str, *, as_json: bool) -> NoReturn:
    """The command was not used as it can be."""
    _say("usage", sentence, as_json=as_json)
    raise typer.Exit(Exit.USAGE)


def fail(sentence: str, *, as_json: bool) -> NoReturn:
    """Something outside does not work, such as the database."""
    _say("failed", sentence, as_json=as_json)
    raise typer.Exit(Exit.FAILED)


def _say(code: str, sentence: str, *, as_json: bool) -> None:
    if as_json:
        show({"refusal": {"code": code, "what": sentence, "where": "", "mend": ""}}, as_json=True)
    else:
        sys.stderr.write(f"{sentence}\n")


def _of_file(failure: OSError | UnicodeDecodeError) -> str:
    if isinstance(failure, UnicodeDecodeError):
        return "The file is not text in UTF-8."
    return f"The file {failure.filename} cannot be read: {failure.strerror}."


def _of_database(failure: BaseException) -> str:
    if _is_not_migrated(failure):
        return "The database has not the schema of this release. Run: lockstep migrate"
    said = str(failure).strip().splitlines()
    return f"The database does not answer: {said[0] if said else type(failure).__name__}"


def _is_not_migrated(failure: BaseException) -> bool:
    # No such role, table, column or function.
    return getattr(failure, "sqlstate", None) in {"22023", "42P01", "42703", "42883", "3F000"}


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return str(plain(value))
