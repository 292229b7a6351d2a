"""How PostgreSQL would carry out the store's queries if the tables held fifty times what they hold."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import psycopg
from psycopg import sql

from lockstep.store.database import APP_ROLE, DUTY_ROLE, SEARCH_PATH
from lockstep.store.queries import NamedQuery, parse

PATIENTS = 20_000
TIMES = 50
"""The planner takes a table for this many times as many rows: a million patients."""
LARGE = 250_000
"""Rows from which on nothing may walk through a table."""

MONTHS = {"occurrence": "on_date", "measurement": "received_at", "alert_sample": "recorded_at", "operation_event": "at"}
COMPLETE = {"Sort", "Hash", "Aggregate", "ModifyTable"}
TYPES = {"now": "timestamptz", "organisation_id": "bigint"}
"""Of values of which the driver tells the type, and PostgreSQL cannot find it out."""

_COMPARED = re.compile(r"(\w+) (?:=|<|>|<=|>=) ")
_VALUE = re.compile(r"%\((\w+)\)s")


@dataclass(frozen=True)
class Scan:
    """One way into a large table: by which index, and what is known of the rows before they are read."""

    table: str
    index: str
    narrowed: bool
    """By more than the organisation: what is compared, or what an index holds at all."""
    few: bool
    """A limit ends it, and nothing is thrown away before."""
    month: bool
    """The partition's key is compared, so that other months can be left out."""

    @property
    def walks(self) -> bool:
        """Whether it may go through all rows of the organisation."""
        return not self.index or not (self.narrowed or self.few)


@dataclass(frozen=True)
class Plan:
    """The ways into large tables, and what PostgreSQL says of them."""

    scans: tuple[Scan, ...]
    text: str

    @property
    def indexes(self) -> set[str]:
        """The indexes by which it comes to its rows; an empty name where there is none."""
        return {scan.index for scan in self.scans}

    @property
    def walks(self) -> set[str]:
        """The large tables through which it walks."""
        return {scan.table for scan in self.scans if scan.walks}

    @property
    def all_months(self) -> set[str]:
        """The large tables of which it looks into every month."""
        return {scan.table for scan in self.scans if not scan.month}


def store_queries() -> dict[str, NamedQuery]:
    """Every named query of the store, by file and name, but for the bad luck that trial runs make on purpose."""
    return {
        f"{file.name.removesuffix('.sql')}.{query.name}": query
        for file in sorted(files("lockstep.store").iterdir(), key=lambda file: file.name)
        if file.name.endswith(".sql") and file.name != "rival.sql"
        for query in parse(file.read_text(encoding="utf-8"), file=file.name)
    }


class Planner:
    """A session of the application's role in one organisation that plans every query once for all values."""

    def __init__(self, connection: psycopg.Connection[Any], organisation_id: int) -> None:
        self._connection, self._organisation_id = connection, organisation_id
        large = connection.execute(
            "select relname from pg_class where relkind = 'r' and reltuples >= %s"
            " and relnamespace = 'public'::regnamespace",
            [LARGE],
        )
        self._large = {name for (name,) in large}
        # The table or index of which it is a partition.
        self._whole: dict[str, str] = dict(
            connection.execute(
                "select c.relname, p.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid"
                " join pg_class p on p.oid = i.inhparent"
            ).fetchall()
        )

        self._partial = {
            name
            for (name,) in connection.execute(
                "select indexrelid::regclass::text from pg_index where indpred is not null and indrelid in"
                " (select oid from pg_class where relnamespace = 'public'::regnamespace)"
            )
        }

    @property
    def large(self) -> set[str]:
        """The tables that the planner takes for large."""
        return {self._whole.get(name, name) for name in self._large}

    def plan(self, query: NamedQuery, *, duty: bool = False) -> Plan:
        """The generic plan, as carried out for some values."""
        with self._acting(duty):
            names, text = _numbered(query.sql)
            types = f"({', '.join(TYPES.get(name, 'unknown') for name in names)})" if names else ""
            self._connection.execute(f"prepare planned {types} as {text}".encode())
            values = self._values(names)
            given = sql.SQL("({})").format(sql.SQL(", ").join(values)) if values else sql.SQL("")
            row = self._connection.execute(sql.SQL("explain (format json) execute planned{}").format(given)).fetchone()
            self._connection.execute("deallocate planned")
        assert row is not None
        return Plan(tuple(self._scans(row[0][0]["Plan"], limited=False)), json.dumps(row[0], indent=1))

    def _scans(self, node: Mapping[str, Any], *, limited: bool) -> Iterator[Scan]:
        table, kind = str(node.get("Relation Name", "")), node["Node Type"]
        if table in self._large and kind != "ModifyTable":
            whole, filters = self._whole.get(table, table), node.get("Filter", "")
            for index, condition in _ways(node):
                compared = set(_COMPARED.findall(condition))
                yield Scan(
                    whole,
                    self._whole.get(index, index),
                    narrowed=index in self._partial or bool(compared - {"organisation_id"}),
                    few=limited and not filters,
                    month=whole not in MONTHS or MONTHS[whole] in compared | set(_COMPARED.findall(filters)),
                )
        # What must be complete before anything comes out of it is not cut short by a limit.
        limited = (limited or kind == "Limit") and kind not in COMPLETE
        for inner in node.get("Plans", ()):
            yield from self._scans(inner, limited=limited)

    @contextmanager
    def _acting(self, duty: bool) -> Iterator[None]:
        with self._connection.transaction(force_rollback=True):
            self._connection.execute(f"set local role {DUTY_ROLE if duty else APP_ROLE}".encode())
            self._connection.execute(f"set local search_path to {SEARCH_PATH}".encode())
            self._connection.execute("set local plan_cache_mode = force_generic_plan")
            self._connection.execute(f"set local lockstep.organisation_id = '{self._organisation_id}'".encode())
            yield

    def _values(self, names: list[str]) -> list[sql.Composable]:
        row = self._connection.execute(
            "select parameter_types::text[] from pg_prepared_statements where name = 'planned'"
        ).fetchone()
        assert row is not None
        return [self._value(name, of_type) for name, of_type in zip(names, row[0], strict=True)]

    def _value(self, name: str, of_type: str) -> sql.Composable:
        if name == "organisation_id":
            return sql.Literal(self._organisation_id)
        element, array = of_type.removesuffix("[]"), of_type.endswith("[]")
        some = {
            "timestamp with time zone": "now()", "date": "current_date", "text": "'x'", "boolean": "true",
            "jsonb": "'{}'", "interval": "'1 day'", "bytea": "''", "timestamp without time zone": "localtimestamp",
        }.get(element, "1")  # fmt: skip
        return sql.SQL(f"array[{some}]::{of_type}" if array else f"({some})::{of_type}")


def _numbered(text: str) -> tuple[list[str], str]:
    names: list[str] = []

    def number(found: re.Match[str]) -> str:
        if found[1] not in names:
            names.append(found[1])
        return f"${names.index(found[1]) + 1}"

    return names, _VALUE.sub(number, text).replace("%%", "%")


def _ways(node: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """By which indexes a node comes to its rows, with what is compared in each; without a name it reads all."""
    if node["Node Type"] == "Bitmap Heap Scan":
        yield from _bitmaps(node)
    else:
        yield node.get("Index Name", ""), node.get("Index Cond", "")


def _bitmaps(node: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for inner in node.get("Plans", ()):
        if inner["Node Type"] == "Bitmap Index Scan":
            yield inner["Index Name"], inner.get("Index Cond", "")
        yield from _bitmaps(inner)
