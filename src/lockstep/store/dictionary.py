"""The data dictionary: what each table and column is, as the database's own comments say."""

from itertools import groupby
from operator import itemgetter
from typing import Any

import psycopg
from psycopg import Connection

from lockstep.store.queries import load

_SQL = load("dictionary.sql")

_HEAD = """\
# Tables

What is stored, as the comments in the database say; written by `lockstep migrate --dictionary`. Words are those of the
[glossary](../glossary.md). Every row of an organisation begins with its number, and row-level security shows each
transaction those of one organisation only. A *fact* is appended and refuses to be changed. A table in *parts* has one
part a month. A column without "or null" always holds a value.
"""


def dictionary(url: str) -> str:
    """The dictionary of a migrated database, as Markdown. Locks: none."""
    with psycopg.connect(url) as connection:
        return _HEAD + "".join(map(_section, _tables(connection)))


def _tables(connection: Connection[Any]) -> list[list[tuple[Any, ...]]]:
    rows = connection.execute(_SQL["list_columns"], {}).fetchall()
    return [list(columns) for _, columns in groupby(rows, key=itemgetter(0))]


def _section(columns: list[tuple[Any, ...]]) -> str:
    table, purpose, is_fact, is_partitioned, *_ = columns[0]
    kind = " ".join(word for word, holds in (("*Facts.*", is_fact), ("*In parts.*", is_partitioned)) if holds)
    lines = [
        f"| `{name}` | {type_}{'' if required else ' or null'} | {meaning} |"
        for *_, name, type_, required, meaning in columns
    ]
    return "\n".join(
        [
            "",
            f"## {table}",
            "",
            f"{purpose} {kind}".strip(),
            "",
            "| column | type | meaning |",
            "|---|---|---|",
            *lines,
            "",
        ]
    )
