"""Named SQL: the queries of a noun, read from the .sql file beside its Python.

A query begins with `-- name: accept_switch`, then comments with a sentence of purpose and a `-- Locks:` line,
then its SQL up to the next name.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import LiteralString

_NAME = re.compile(r"^-- name: *(\S+)[ \t]*$", re.MULTILINE)


class InvalidQueries(ValueError):
    """A file of named queries cannot be read."""


@dataclass(frozen=True, slots=True)
class NamedQuery:
    """One query with what its author says about it."""

    name: str
    purpose: str
    locks: str
    sql: LiteralString


@cache
def load(file: str, *, package: str = "lockstep.store") -> Mapping[str, LiteralString]:
    """The queries of `file` (such as 'switch.sql') by name, each without its comments at the top.

    Raises InvalidQueries for a name used twice or a query without a body.
    """
    text = (files(package) / file).read_text(encoding="utf-8")
    return MappingProxyType({query.name: query.sql for query in parse(text, file=file)})


def parse(text: str, *, file: str = "") -> list[NamedQuery]:
    """The named queries of a text, in its order; what stands before the first name is left out."""
    pieces = _NAME.split(text)[1:]
    found: dict[str, NamedQuery] = {}
    for name, body in zip(pieces[::2], pieces[1::2], strict=True):
        if not name.isidentifier():
            raise InvalidQueries(f"{file}: '{name}' is no name for a query.")
        if name in found:
            raise InvalidQueries(f"{file}: the name {name} is used twice.")
        found[name] = _query(name, body.strip(), file)
    return list(found.values())


def _query(name: str, body: str, file: str) -> NamedQuery:
    lines = body.splitlines()
    height = next((i for i, line in enumerate(lines) if not line.startswith("--")), len(lines))
    comments = [line.removeprefix("--").strip() for line in lines[:height]]
    locks = next((i for i, line in enumerate(comments) if line.startswith("Locks:")), len(comments))
    query = "\n".join(lines[height:]).strip().rstrip(";")
    if not query:
        raise InvalidQueries(f"{file}: {name} has no SQL.")
    return NamedQuery(
        name,
        purpose=" ".join(comments[:locks]),
        locks=" ".join(comments[locks:]).removeprefix("Locks:").strip(),
        # The file is part of the package, so the query is as trusted as a literal in its source.
        sql=query,
    )
