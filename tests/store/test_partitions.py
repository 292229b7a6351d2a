"""A month's partition can be made although its rows have come already and wait in the default one."""

from datetime import date

import psycopg
from tests.store.isolated_world import NORTH, SOUTH, columns, fill, insert, row_of

from lockstep.store.database import Database

DATED = {
    "occurrence": "on_date",
    "measurement": "received_at",
    "alert_sample": "recorded_at",
    "operation_event": "at",
}


def put(admin: psycopg.Connection, table: str, organisation_id: int, on: date, named: str) -> None:
    """A row of the table, of that month."""
    of = columns(admin, table)
    values = row_of(of, organisation_id, named)
    values[[column.name for column in of].index(DATED[table])] = on.isoformat()
    admin.execute(insert(table, of), values)


def count(admin: psycopg.Connection, table: str) -> int:
    row = admin.execute(f"select count(*) from {table}").fetchone()
    assert row is not None
    return int(row[0])


def test_three_months_without_a_worker_are_made_up_for(database: Database, admin: psycopg.Connection) -> None:
    fill(admin)
    apart = {table: count(admin, f"{table}_default") for table in DATED}
    for table in DATED:
        for organisation_id in (NORTH, SOUTH):
            put(admin, table, organisation_id, date(2041, 5, 3), "later")
            put(admin, table, organisation_id, date(2045, 1, 1), "much later")
    before = {table: count(admin, table) for table in DATED}
    with database.duty(read_only=False) as connection:
        assert connection.execute("select ensure_partitions('2041-06-01')").fetchone() == (24,)
    for table in DATED:
        assert count(admin, f"{table}_204105") == 2, table
        assert count(admin, f"{table}_default") == apart[table] + 2, "what is of no month that was made stays"
        assert count(admin, table) == before[table], table
        with database.transaction(NORTH) as connection:
            seen = connection.execute(f"select distinct organisation_id from {table}").fetchall()
        assert seen == [(NORTH,)]


def test_the_default_partition_is_guarded_as_before(database: Database, admin: psycopg.Connection) -> None:
    fill(admin)
    put(admin, "occurrence", NORTH, date(2041, 5, 3), "later")
    with database.duty(read_only=False) as connection:
        connection.execute("select ensure_partitions('2041-06-01')")
    names = [f"{table}_{part}" for table in DATED for part in ("default", "204105")]
    flags = admin.execute(
        "select distinct relrowsecurity, relforcerowsecurity from pg_class where relname = any(%s)", [names]
    ).fetchall()
    assert flags == [(True, True)]
    enabled = admin.execute(
        "select c.relname::text, t.tgenabled::text from pg_trigger t join pg_class c on c.oid = t.tgrelid"
        " where c.relname = any(%s) and not t.tgisinternal order by 1",
        [names],
    ).fetchall()
    facts = [name for name in names if not name.startswith("alert_sample")]
    assert enabled == [(name, "O") for name in sorted(facts)]


def test_a_held_partition_is_not_waited_for_long(database_url: str, admin: psycopg.Connection) -> None:
    with psycopg.connect(database_url) as holder, psycopg.connect(database_url, autocommit=True) as maker:
        holder.execute("lock table occurrence_default in access share mode")
        try:
            maker.execute("select ensure_partitions('2041-06-01')")
        except psycopg.errors.LockNotAvailable:
            return
    raise AssertionError("it waited for the holder, or did not need the lock")
