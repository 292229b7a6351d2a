"""What every command shares: the database, who acts, how answers and refusals are shown, how it ends."""

import getpass
import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, NoReturn, ParamSpec, TypeVar

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from lockstep.domain.name import require_actor
from lockstep.domain.organisation import Organisation
from lockstep.domain.refusal import (
    Fault,
    InvalidChoice,
    NotMigrated,
    Refusal,
    StalePreview,
    Unreachable,
    UnreadableFile,
    short,
    shown,
)
from lockstep.engine.organisation import resolve_organisation
from lockstep.store.database import Database, is_transient
from lockstep.store.reach import require_usable
from lockstep.store.server import ServerFailed
from lockstep.store.settings import read_settings
from lockstep.store.transient import is_about_data

P = ParamSpec("P")
T = TypeVar("T")


MOST_ID = 2**63 - 1
MOST_NUMBER = 2**31 - 1
"""The greatest numbers that the database keeps: of things, and within a thing."""


class Exit(IntEnum):
    """How a command ends; the numbers are fixed (docs/reference/exit-codes.md). Python's own failures are 1."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    STALE_PREVIEW = 3
    REFUSED = 4
    WITH_EXCEPTIONS = 5
    STILL_RUNNING = 6
    UNREACHABLE = 7


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
    url = settings.url()
    require_usable(url)
    # The command says itself what is wrong; the pool would say it again for each try.
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
    with Database(
        url, pool_max=settings.pool_max, lock_timeout_ms=settings.lock_timeout_ms, name="lockstep cli"
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
            _require_readable(kwargs)
            if "actor" in kwargs:
                require_actor(str(kwargs["actor"]))
            return work(*args, **kwargs)
        except Refusal as refusal:
            refuse(refusal, as_json=as_json)
        except ServerFailed as failure:
            refuse(Unreachable(str(failure), where="embedded server"), as_json=as_json)
        except ValidationError as failure:
            refuse(_of_settings(failure), as_json=as_json)
        except (OSError, UnicodeDecodeError) as failure:
            if isinstance(failure, OSError) and failure.filename is None:
                raise
            refuse(_of_file(failure), as_json=as_json, ends=Exit.USAGE)
        except Exception as failure:
            found = _of_database(failure)
            if found is None:
                raise
            refuse(found, as_json=as_json)

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


def refuse(refusal: Refusal, *, as_json: bool, ends: Exit | None = None) -> NoReturn:
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
    raise typer.Exit(_ENDS.get(type(refusal), Exit.REFUSED) if ends is None else ends)


def say_usage(sentence: str, *, as_json: bool) -> NoReturn:
    """The command was not used as it can be."""
    _say("usage", sentence, as_json=as_json)
    raise typer.Exit(Exit.USAGE)


_ENDS: Mapping[type[Refusal], Exit] = {
    StalePreview: Exit.STALE_PREVIEW,
    Unreachable: Exit.UNREACHABLE,
}
"""How a command ends that was refused, where it is not with 4."""


def fail(sentence: str, *, as_json: bool) -> NoReturn:
    """Something outside does not work, such as the database."""
    _say("failed", sentence, as_json=as_json)
    raise typer.Exit(Exit.FAILED)


def _say(code: str, sentence: str, *, as_json: bool) -> None:
    if as_json:
        show({"refusal": {"code": code, "what": sentence, "where": "", "mend": ""}}, as_json=True)
    else:
        sys.stderr.write(f"{sentence}\n")


def _require_readable(given: Mapping[str, object]) -> None:
    """No text on the command line holds what cannot be kept: a NUL, or bytes that are no text."""
    for name, value in given.items():
        for text in value if isinstance(value, list | tuple) else [value]:
            if isinstance(text, str | Path) and not _is_readable(str(text)):
                what = f"{shown(text)} holds a NUL, or bytes that are no text"
                raise InvalidChoice(what, where=name.replace("_", "-"), mend="Leave them out.")


def _is_readable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _of_file(failure: OSError | UnicodeDecodeError) -> Refusal:
    if isinstance(failure, UnicodeDecodeError):
        return UnreadableFile("The file is not text in UTF-8", where="file", mend="Save it as UTF-8.")
    # Its name first: long folders would leave nothing of it.
    what = f"{short(str(failure.filename).rpartition('/')[2])} cannot be read: {failure.strerror}"
    return UnreadableFile(what, where=short(failure.filename), mend="Name a file that this user may read.")


def _of_settings(failure: ValidationError) -> Refusal:
    first = failure.errors(include_input=False, include_url=False)[0]
    where = "LOCKSTEP_" + "_".join(map(str, first["loc"])).upper()
    return InvalidChoice(f"The setting cannot be used: {first['msg']}", where=where, mend="Correct or unset it.")


def _of_database(failure: BaseException) -> Refusal | None:
    if _is_not_migrated(failure):
        return NotMigrated(where="database", mend="Run: lockstep migrate")
    if is_transient(failure):
        said = str(failure).strip().splitlines()
        what = f"The database does not answer: {said[0] if said else type(failure).__name__}"
        return Unreachable(what, where="database", mend="Look whether it was done; if not, do it again.")
    if is_about_data(failure):
        what = "Something of what was given cannot be kept as it is: too large, too long, or no text"
        return InvalidChoice(what, where="arguments", mend="Nothing has changed. Correct it and do it again.")
    return None


def _is_not_migrated(failure: BaseException) -> bool:
    # No such role, table, column or function.
    return getattr(failure, "sqlstate", None) in {"22023", "42P01", "42703", "42883", "3F000"}


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return str(plain(value))
