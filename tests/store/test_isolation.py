"""Isolation: of every table in the catalogue, what one organisation sees, changes and learns of another is nothing."""

import re
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg import errors, sql
from tests.store.isolated_world import (
    NORTH,
    OF_AN_ORGANISATION,
    SOUTH,
    columns,
    contents,
    fill,
    insert,
    partitions,
    row_of,
    tables,
)

import lockstep
from lockstep.store.database import Database

OF_NOBODY = {"alembic_version", "worker"}
"""Tables of the schema without an organisation: which migrations were had, and which processes live."""

DUTY_TEXTS = {
    ("agenda", "activity_key"),
    ("operation", "kind"),
    ("operation", "state"),
    ("switch_acceptance", "kind"),
    ("switch_acceptance", "scope"),
    ("duty_recalculation", "state"),
    ("duty_not_watched", "why"),
}
"""What duties read that is neither number, instant nor truth value: words of ours, never of a patient."""

CLOSED_TO_DUTIES = {
    "patient", "patient_zone", "measurement", "measurement_key", "measurement_set_aside", "alert", "alert_sample",
    "occurrence", "occurrence_correction", "personal_change", "pause", "patient_event", "version", "drift",
}  # fmt: skip


@pytest.fixture
def two(admin: psycopg.Connection) -> psycopg.Connection:
    """A database in which each table holds a row of each of two organisations."""
    fill(admin)
    return admin


def refused(database: Database, organisation_id: int | None, statement: sql.Composed, values: list[object]) -> bool:
    """Whether the application may not do it."""
    try:
        with database.transaction(organisation_id) as connection:
            connection.execute(statement, values)
    except errors.InsufficientPrivilege:
        return True
    return False


class TestEveryTable:
    def test_has_forced_row_level_security_and_another_owner(self, admin: psycopg.Connection) -> None:
        names = [name for name, _ in admin.execute(OF_AN_ORGANISATION.encode()).fetchall()]
        found = admin.execute(
            "select relname::text, relrowsecurity, relforcerowsecurity, relowner::regrole::text from pg_class"
            " where relname = any(%s) order by relname",
            [names],
        ).fetchall()
        assert len(found) > 40
        assert found == sorted((name, True, True, "lockstep_owner") for name in names)

    def test_is_of_an_organisation_or_known_not_to_be(self, admin: psycopg.Connection) -> None:
        found = admin.execute(
            "select c.relname::text from pg_class c where c.relkind in ('r', 'p')"
            " and c.relnamespace = 'public'::regnamespace and not exists (select from pg_attribute a"
            " where a.attrelid = c.oid and a.attname = 'organisation_id' and not a.attisdropped)"
        ).fetchall()
        ours = {name for (name,) in found if not name.startswith("procrastinate")}
        assert ours == OF_NOBODY

    def test_has_the_two_policies_and_no_other(self, admin: psycopg.Connection) -> None:
        found = admin.execute(
            "select tablename::text, array_agg(policyname::text order by policyname), max(qual) filter (where"
            " policyname = 'isolation'), max(with_check) from pg_policies where tablename = any(%s) group by 1",
            [tables(admin)],
        ).fetchall()
        assert {name for name, *_ in found} == set(tables(admin))
        for name, policies, using, check in found:
            assert policies == ["duty", "isolation"], name
            assert using == check
            assert "organisation_id = ( SELECT lockstep_organisation()" in using

    def test_begins_every_unique_and_foreign_key_with_the_organisation(self, admin: psycopg.Connection) -> None:
        # Otherwise a violation would tell one organisation that another has such a row.
        unique = admin.execute(
            "select i.indexrelid::regclass::text from pg_index i join pg_attribute a"
            " on a.attrelid = i.indrelid and a.attnum = i.indkey[0]"
            " where i.indisunique and i.indrelid::regclass::text = any(%s) and a.attname <> 'organisation_id'",
            [tables(admin)],
        ).fetchall()
        # The key by which an installation names its customers is one for all; only its operators create them.
        assert unique == [("organisation_key_key",)]
        foreign = admin.execute(
            "select c.conname::text from pg_constraint c join pg_attribute a"
            " on a.attrelid = c.conrelid and a.attnum = c.conkey[1]"
            " where c.contype = 'f' and c.conrelid::regclass::text = any(%s) and a.attname <> 'organisation_id'",
            [tables(admin)],
        ).fetchall()
        assert foreign == []


class TestAnotherOrganisation:
    def test_is_not_seen_and_not_counted(self, database: Database, two: psycopg.Connection) -> None:
        for table in tables(two):
            name = sql.Identifier(table)
            with database.transaction(NORTH, read_only=True) as connection:
                seen = connection.execute(sql.SQL("select organisation_id from {}").format(name)).fetchall()
                of_south = sql.SQL("select count(*) from {} where organisation_id = %s").format(name)
                counted = connection.execute(of_south, [SOUTH]).fetchone()
            assert seen == [(NORTH,)], table
            assert counted == (0,), table

    def test_nothing_is_seen_without_an_organisation(self, database: Database, two: psycopg.Connection) -> None:
        for table in tables(two):
            with database.transaction(None, read_only=True) as connection:
                found = connection.execute(sql.SQL("select count(*) from {}").format(sql.Identifier(table))).fetchone()
            assert found == (0,), table

    def test_is_not_inserted_into(self, database: Database, two: psycopg.Connection) -> None:
        for table in tables(two):
            of = columns(two, table)
            for set_to in (NORTH, None):
                assert refused(database, set_to, insert(table, of), row_of(of, SOUTH, "second")), (table, set_to)

    def test_is_not_updated_nor_deleted_nor_given_rows(self, database: Database, two: psycopg.Connection) -> None:
        before = {table: contents(two, table, SOUTH) for table in tables(two)}
        changed = given = deleted = 0
        for table in tables(two):
            name = sql.Identifier(table)
            column = two.execute(
                "select a.attname::text from pg_attribute a where a.attrelid = %s::regclass and a.attnum > 0"
                " and has_column_privilege('lockstep_app', a.attrelid, a.attnum, 'update') order by a.attnum limit 1",
                [table],
            ).fetchone()
            if column is not None:
                every = sql.SQL("update {} set {} = {} where organisation_id = %s")
                with database.transaction(NORTH) as connection:
                    statement = every.format(name, *[sql.Identifier(column[0])] * 2)
                    assert connection.execute(statement, [SOUTH]).rowcount == 0, table
                changed += 1
            give = sql.SQL("update {} set organisation_id = %s where organisation_id = %s").format(name)
            assert refused(database, NORTH, give, [SOUTH, NORTH]), table
            given += 1
            delete = sql.SQL("delete from {} where organisation_id = %s").format(name)
            deleted += not refused(database, NORTH, delete, [SOUTH])
            assert refused(database, NORTH, sql.SQL("truncate {}").format(name), []), table
        assert {table: contents(two, table, SOUTH) for table in tables(two)} == before
        assert (changed > 10, given > 40, deleted >= 4) == (True, True, True), "what may be changed at all was tried"

    def test_is_not_told_of_by_errors(self, database: Database, two: psycopg.Connection) -> None:
        # The same key of a program exists in the other organisation: here it is free.
        with database.transaction(NORTH) as connection:
            connection.execute(
                "insert into program (organisation_id, key, title) values (%s, %s, 'x')", [NORTH, f"first {SOUTH}"]
            )
        # The one key that all share says that it is taken, and by its error nothing else.
        with pytest.raises(errors.UniqueViolation) as caught, database.transaction(NORTH) as connection:
            connection.execute(
                "insert into organisation (organisation_id, key, title) values (%s, %s, 'x')", [NORTH, f"first {SOUTH}"]
            )
        assert caught.value.diag.message_detail is None
        # An expression that fails on the other's value never meets it: the policy is asked first.
        two.execute("update patient set identifier = '1' where organisation_id = %s", [NORTH])
        with database.transaction(NORTH) as connection:
            assert connection.execute("select identifier::int from patient where identifier::int > 0").fetchall()

    def test_is_not_told_of_by_the_planners_statistics(self, database: Database, two: psycopg.Connection) -> None:
        two.execute("analyze patient")
        with database.transaction(NORTH) as connection:
            assert connection.execute("select most_common_vals from pg_stats where tablename = 'patient'").rowcount == 0


class TestPartitions:
    def test_cannot_be_read_or_written_by_themselves(self, database: Database, admin: psycopg.Connection) -> None:
        before = partitions(admin)
        with database.duty(read_only=False) as connection:
            assert connection.execute("select ensure_partitions('2041-05-01')").fetchone() != (0,)
        later = partitions(admin)
        assert len(later) > len(before) > 8
        rights = admin.execute(
            "select p, r, k from unnest(%s::text[]) p, unnest(array['lockstep_app', 'lockstep_duty']) r,"
            " unnest(array['select', 'insert', 'update', 'delete', 'truncate']) k where has_table_privilege(r, p, k)",
            [later],
        ).fetchall()
        assert rights == []
        for name in later:
            for statement in ("select organisation_id from {}", "delete from {}"):
                assert refused(database, NORTH, sql.SQL(statement).format(sql.Identifier(name)), []), name
            flags = admin.execute(
                "select relrowsecurity, relforcerowsecurity from pg_class where relname = %s", [name]
            ).fetchone()
            assert flags == (True, True), name

    def test_made_later_take_rows_through_their_parent(self, database: Database, two: psycopg.Connection) -> None:
        two.execute("select ensure_partitions('2041-05-01')")
        of = columns(two, "occurrence")
        values = ["2041-05-03" if column.name == "on_date" else column.value(NORTH, "later") for column in of]
        with database.transaction(NORTH) as connection:
            connection.execute(insert("occurrence", of), values)
            assert connection.execute("select count(*) from occurrence").fetchone() == (2,)
        with database.transaction(SOUTH) as connection:
            assert connection.execute("select count(*) from occurrence").fetchone() == (1,)
        assert two.execute("select count(*) from occurrence_204105").fetchone() == (1,)


class TestDuties:
    def test_read_identifiers_instants_and_counts_only(self, admin: psycopg.Connection) -> None:
        readable = admin.execute(
            "select c.relname::text, a.attname::text, format_type(a.atttypid, null) from pg_class c"
            " join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped"
            " where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v') and c.relname <> 'worker'"
            " and c.relname not like 'procrastinate%'"
            " and has_column_privilege('lockstep_duty', c.oid, a.attnum, 'select')"
        ).fetchall()
        assert readable
        harmless = {"bigint", "integer", "smallint", "boolean", "timestamp with time zone"}
        assert {(table, column) for table, column, type_ in readable if type_ not in harmless} == DUTY_TEXTS
        assert not {table for table, _, _ in readable} & CLOSED_TO_DUTIES

    def test_write_nothing(self, admin: psycopg.Connection) -> None:
        rights = admin.execute(
            "select c.relname::text, k from pg_class c, unnest(array['insert', 'update', 'delete', 'truncate']) k"
            " where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v')"
            " and c.relname not like 'procrastinate%' and has_table_privilege('lockstep_duty', c.oid, k)"
        ).fetchall()
        assert rights == []

    def test_are_not_a_way_into_the_applications_rights(self, admin: psycopg.Connection) -> None:
        members = admin.execute(
            "select r.rolname::text, m.rolname::text from pg_auth_members a join pg_roles r on r.oid = a.roleid"
            " join pg_roles m on m.oid = a.member where m.rolname like 'lockstep%'"
        ).fetchall()
        assert members == []
        found = admin.execute(
            "select rolname::text, rolsuper, rolbypassrls, rolcreaterole from pg_roles where rolname = any(%s)",
            [["lockstep_app", "lockstep_duty", "lockstep_owner"]],
        ).fetchall()
        assert sorted(found) == [(f"lockstep_{name}", False, False, False) for name in ("app", "duty", "owner")]


class TestPooledConnections:
    def test_carry_nothing_into_the_next_transaction(self, database_url: str, two: psycopg.Connection) -> None:
        del two
        with Database(database_url, pool_max=1) as database:
            with database.transaction(NORTH) as connection:
                process = connection.info.backend_pid
            with pytest.raises(errors.DivisionByZero), database.transaction(SOUTH) as connection:
                connection.execute("select 1 / 0")
            with database.duty() as connection:
                assert connection.info.backend_pid == process
            # Whatever comes next on this connection, also without going through transaction().
            raw = database._pool.getconn()
            try:
                assert raw.info.backend_pid == process
                found = raw.execute(
                    "select current_setting('lockstep.organisation_id', true), current_user::text,"
                    " (select count(*) from patient)"
                ).fetchone()
                assert found is not None
                assert (found[0] or "", *found[1:]) == ("", "lockstep_app", 0)
            finally:
                database._pool.putconn(raw)


Look = Callable[[Database, psycopg.Connection], None]

LOOKS: dict[str, Look] = {
    "not seen": TestAnotherOrganisation().test_is_not_seen_and_not_counted,
    "not inserted": TestAnotherOrganisation().test_is_not_inserted_into,
    "not changed": TestAnotherOrganisation().test_is_not_updated_nor_deleted_nor_given_rows,
    "forced": lambda _, admin: TestEveryTable().test_has_forced_row_level_security_and_another_owner(admin),
    "policies": lambda _, admin: TestEveryTable().test_has_the_two_policies_and_no_other(admin),
    "keys": lambda _, admin: TestEveryTable().test_begins_every_unique_and_foreign_key_with_the_organisation(admin),
    "partitions": TestPartitions().test_cannot_be_read_or_written_by_themselves,
    "duties": lambda _, admin: TestDuties().test_read_identifiers_instants_and_counts_only(admin),
    "duties write": lambda _, admin: TestDuties().test_write_nothing(admin),
}


@pytest.mark.parametrize(
    ("fault", "look"),
    [
        ("alter table alert disable row level security", "not seen"),
        ("create policy leak on alert for select using (true)", "not seen"),
        ("create policy leak on alert for insert with check (true)", "not inserted"),
        ("create policy leak on agenda using (true)", "not changed"),
        ("alter table alert no force row level security", "forced"),
        ("alter table alert owner to lockstep_app", "forced"),
        ("create policy leak on alert for select using (true)", "policies"),
        ("create unique index leak on patient (identifier)", "keys"),
        ("grant select on measurement_default to lockstep_app", "partitions"),
        ("grant select (value) on measurement to lockstep_duty", "duties"),
        ("grant update (state) on alert to lockstep_duty; grant update on alert to lockstep_duty", "duties write"),
    ],
)
def test_each_of_these_looks_finds_what_it_is_for(
    fault: str, look: str, database: Database, two: psycopg.Connection
) -> None:
    two.execute(fault.encode())
    with pytest.raises(AssertionError):
        LOOKS[look](database, two)


def test_no_statement_of_ours_asks_for_every_column() -> None:
    root = Path(lockstep.__file__).parent
    star = re.compile(r"(?i)\b(select|returning)\s+(distinct\s+)?(\w+\.)?\*|,\s*\w+\.\*")
    guilty = []
    for path in (*root.rglob("*.sql"), *root.rglob("*.py")):
        if path.name == "0002_jobs.pre.sql":  # of a library, as published
            continue
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            code = line.split("--")[0]
            if star.search(code) and (path.suffix == ".sql" or re.search(r"(?i)\b(select|returning)\b", code)):
                guilty.append(f"{path.relative_to(root)}:{number}: {line.strip()}")
    assert guilty == []
