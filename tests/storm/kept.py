"""Everything a database holds: written down, compared, and put back."""

import re
from collections.abc import Collection, Mapping, Sequence

import psycopg
from psycopg import sql

# Whatever differs between two runs of the same decision at the same instant.
FLEETING = {
    ("operation", "accepted_xid"),
    ("operation", "begun_xid"),
    ("personal_change", "written_xid"),
    ("switch", "seen_snapshot"),
    ("procrastinate_events", "at"),
}
LEFT_OUT = ("test_clock", "alembic_version")
PARTITION = re.compile(r"_(default|\d{6})$")
SCHEMAS = ("public", "procrastinate")
RELATIONS = sql.SQL(
    "select 'relations', string_agg(relname, E'\\n' order by relname) from pg_class"
    " where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace"
)

Held = Mapping[str, str]
"""The rows of every table and partition as text, by its name; `relations` names the tables themselves."""
Drawn = Mapping[str, tuple[int, bool]]
"""Where every sequence stands."""


class Kept:
    """What is in a database, seen through a superuser's connection; made when it is as it shall be put back."""

    def __init__(self, admin: psycopg.Connection) -> None:
        self.admin = admin
        admin.execute("set search_path = public, procrastinate")
        self._tables = self._list_tables()
        self._sequences = [
            row[0]
            for row in admin.execute("select format('%I.%I', schemaname, sequencename) from pg_sequences order by 1")
        ]
        self._save()
        self.before, self.drawn = self.held(), self.numbers()

    def _list_tables(self) -> dict[str, sql.Composed]:
        """How each table, or partition of one, is read."""
        found = self.admin.execute(
            "select c.relname, n.nspname, array_agg(a.attname::text order by a.attnum)"
            " from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped"
            " where c.relkind = 'r' and n.nspname = any(%s) and c.relname <> all(%s) group by 1, 2 order by 1",
            [list(SCHEMAS), list(LEFT_OUT)],
        )
        return {
            name: sql.SQL(
                "select {name}, coalesce(string_agg(t::text, E'\\n' order by t::text), '')"
                " from (select {columns} from {table}) t"
            ).format(
                name=sql.Literal(name),
                columns=sql.SQL(", ").join(map(sql.Identifier, _lasting(name, columns))),
                table=sql.Identifier(schema, name),
            )
            for name, schema, columns in found
        }

    def _save(self) -> None:
        self.admin.execute("create schema saved")
        for name in self._list_filled():
            self.admin.execute(
                sql.SQL("create table {} as table {}").format(sql.Identifier("saved", name), sql.Identifier(name))
            )

    def _list_filled(self) -> list[str]:
        found = self.admin.execute(
            "select c.relname from pg_class c where c.relkind = 'r' and c.relnamespace = any(%s::regnamespace[])"
            " and pg_relation_size(c.oid) > 0 order by 1",
            [list(SCHEMAS)],
        )
        return [name for (name,) in found if name in self._tables]

    def held(self) -> Held:
        """What the database holds now; tables without any row are left out."""
        # Most tables are empty, and reading them would take most of the time.
        query = sql.SQL(" union all ").join([RELATIONS, *(self._tables[name] for name in self._list_filled())])
        return {name: rows for name, rows in self.admin.execute(query) if rows}

    def numbers(self) -> Drawn:
        """Where the sequences stand now."""
        query = " union all ".join(f"select '{each}', last_value, is_called from {each}" for each in self._sequences)
        return {name: (last, called) for name, last, called in self.admin.execute(query.encode())}

    def draw_from(self, drawn: Drawn) -> None:
        """The sequences stand there, so that the same decision draws the same numbers again."""
        values = ", ".join(f"setval('{name}', {last}, {called})" for name, (last, called) in drawn.items())
        self.admin.execute(f"select {values}".encode())

    def put_back(self, now: Held) -> None:
        """The database holds what it held when this was made; `now` is what it holds, so that only that is touched."""
        changed = differing(now, self.before)
        with self.admin.transaction():
            self.admin.execute("set local session_replication_role = replica")
            for name in changed:
                if name == "relations":
                    for made in set(now[name].split()) - set(self.before[name].split()):
                        self.admin.execute(sql.SQL("drop table {}").format(sql.Identifier(made)))
                    continue
                table = sql.Identifier(name)
                self.admin.execute(sql.SQL("delete from {}").format(table))
                if name in self.before:
                    self.admin.execute(
                        sql.SQL("insert into {} select * from {}").format(table, sql.Identifier("saved", name))
                    )
        self.draw_from(self.drawn)


def _lasting(name: str, columns: Sequence[str]) -> list[str]:
    return [column for column in columns if (name, column) not in FLEETING]


def differing(one: Held, other: Held, *, but: Collection[str] = ()) -> list[str]:
    """The tables that hold something else."""
    changed = (name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    return sorted(name for name in changed if PARTITION.sub("", name) not in but)


def difference(one: Held, other: Held) -> str:
    """In words: which rows are only here, and which only there."""
    lines = []
    for name in differing(one, other):
        here, there = set(one.get(name, "").split("\n")), set(other.get(name, "").split("\n"))
        lines += [f"{name} -{row}" for row in sorted(there - here)] + [f"{name} +{row}" for row in sorted(here - there)]
    return "\n".join(lines)
