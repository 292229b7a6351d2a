"""What tests of isolation share: every table that belongs to an organisation, with a row of each of two of them."""

from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
from psycopg import sql

NORTH, SOUTH = 901, 902
INSTANT = datetime(2026, 3, 2, 12, tzinfo=UTC)

OF_AN_ORGANISATION = """
    select c.relname::text, c.relispartition
    from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attname = 'organisation_id' and not a.attisdropped
    where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace
    order by 1
"""

CHECKS = """
    select conrelid::regclass::text, conname::text
    from pg_constraint
    where contype in ('c', 'f') and connamespace = 'public'::regnamespace and conparentid = 0 and coninhcount = 0
"""

NEEDED = """
    select a.attname::text, format_type(a.atttypid, null)
    from pg_attribute a
    where a.attrelid = %s::regclass
        and a.attnum > 0
        and not a.attisdropped
        and a.attnotnull
        and not a.atthasdef
        and (a.attidentity = '' or a.attname = 'organisation_id')
    order by a.attnum
"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column that a row cannot do without."""

    name: str
    type: str

    def value(self, organisation_id: int, tag: str) -> object:
        """A value of its type, that differs from one organisation to the other."""
        if self.name == "organisation_id":
            return organisation_id
        values: dict[str, object] = {
            "bigint": organisation_id,
            "integer": 1,
            "smallint": 1,
            "numeric": organisation_id,
            "text": f"{tag} {organisation_id}",
            "boolean": False,
            "date": INSTANT.date(),
            "timestamp with time zone": INSTANT,
            "jsonb": "{}",
            "bytea": b"x",
        }
        return values[self.type]


def tables(admin: psycopg.Connection) -> list[str]:
    """Every table of the catalogue that holds rows of organisations, without partitions."""
    return [name for name, is_partition in admin.execute(OF_AN_ORGANISATION.encode()) if not is_partition]


def partitions(admin: psycopg.Connection) -> list[str]:
    """Every partition of such tables."""
    return [name for name, is_partition in admin.execute(OF_AN_ORGANISATION.encode()) if is_partition]


def columns(admin: psycopg.Connection, table: str) -> list[Column]:
    """The columns that a row of the table cannot do without."""
    return [Column(*row) for row in admin.execute(NEEDED.encode(), [table])]


def insert(table: str, of: list[Column]) -> sql.Composed:
    """The statement that inserts these columns."""
    return sql.SQL("insert into {} ({}) values ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(sql.Identifier(column.name) for column in of),
        sql.SQL(", ").join(sql.Placeholder() * len(of)),
    )


def row_of(of: list[Column], organisation_id: int, tag: str = "first") -> list[object]:
    """Values for these columns."""
    return [column.value(organisation_id, tag) for column in of]


def fill(admin: psycopg.Connection) -> None:
    """Each table holds one row of each of the two organisations; what they say does not matter, so no rule is asked."""
    for table, name in admin.execute(CHECKS.encode()).fetchall():
        admin.execute(sql.SQL("alter table {} drop constraint {}").format(sql.Identifier(table), sql.Identifier(name)))
    for trigger in ("acceptance_is_fresh on switch_acceptance", "withdrawal_is_fresh on switch_withdrawal"):
        admin.execute(f"drop trigger {trigger}".encode())
    for table in tables(admin):
        of = columns(admin, table)
        for organisation_id in (NORTH, SOUTH):
            admin.execute(insert(table, of), row_of(of, organisation_id))


def contents(admin: psycopg.Connection, table: str, organisation_id: int) -> list[str]:
    """Every row that an organisation has in a table, as text."""
    query = sql.SQL("select to_jsonb(t)::text from {} t where organisation_id = %s order by 1")
    return [text for (text,) in admin.execute(query.format(sql.Identifier(table)), [organisation_id])]
