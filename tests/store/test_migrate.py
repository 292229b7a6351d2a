"""Migrations: twice, at once, giving way, in two phases, and as text for a reader."""

import re
import shutil
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

import psycopg
import pytest
from psycopg import errors
from tests.conftest import TEST_SETTINGS, create, drop, with_database

from lockstep.store import server
from lockstep.store.database import Database
from lockstep.store.migrate import MIGRATIONS, migrate, migration_sql, pending
from lockstep.store.roles import ROLES, ensure_roles


@pytest.fixture
def empty_url(server_url: str) -> Iterator[str]:
    """The address of a database without any schema."""
    name = f"lockstep_empty_{uuid.uuid4().hex[:12]}"
    create(server_url, name)
    yield with_database(server_url, name)
    drop(server_url, name)


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """The migrations of an imagined next release: one that adds and one that takes away."""
    versions = tmp_path / "versions"
    versions.mkdir()
    for file in (MIGRATIONS / "versions").glob("*.py"):
        (versions / file.name).write_text(file.read_text())
    step = (
        "from alembic import op\nrevision = '{0}'\ndown_revision = {1}\nbranch_labels = {2}\n"
        "depends_on = {3}\ndef upgrade() -> None:\n    op.execute('{4}')\n"
    )
    last = max(re.findall(r"^\d+", file.name)[0] for file in versions.glob("*.py"))
    add, drop_ = "alter table worker add column colour text", "alter table worker drop column pid"
    (versions / "9001_pre.py").write_text(step.format("9001", f"'{last}'", None, None, add))
    (versions / "9001_post.py").write_text(step.format("9001_post", None, "('post',)", "'9001'", drop_))
    return tmp_path


def columns(url: str) -> set[str]:
    query = "select column_name from information_schema.columns where table_name = 'worker'"
    with psycopg.connect(url) as connection:
        return {row[0] for row in connection.execute(query)}


def test_an_empty_database_gets_everything_once(empty_url: str) -> None:
    assert pending(empty_url) == ("0001", "0002")
    migrate(empty_url)
    assert pending(empty_url) == ()
    migrate(empty_url)
    with psycopg.connect(empty_url) as connection:
        owners = connection.execute(
            "select distinct tableowner::text from pg_tables where schemaname in ('public', 'procrastinate')"
        ).fetchall()
        assert owners == [("lockstep_owner",)]


def test_no_role_of_ours_can_log_in_or_bypass_isolation(admin: psycopg.Connection) -> None:
    rows = admin.execute(
        "select rolname::text, rolcanlogin, rolsuper, rolbypassrls from pg_roles where rolname like 'lockstep%'"
    ).fetchall()
    assert sorted(rows) == sorted((role, False, False, False) for role in ROLES)


def test_several_processes_at_once_take_turns(empty_url: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(migrate, empty_url) for _ in range(4)]:
            done.result()
    assert pending(empty_url) == ()


def test_databases_of_a_new_cluster_at_once_make_the_roles_together() -> None:
    place = Path("/tmp") / f"lockstep-server-{uuid.uuid4().hex[:8]}"
    place.mkdir(mode=0o755)
    try:
        urls = [server.embedded_url(place, database=f"d{n}", settings=TEST_SETTINGS) for n in range(4)]
        with ThreadPoolExecutor(4) as threads:
            for done in [threads.submit(migrate, url) for url in urls]:
                done.result()
        assert [pending(url) for url in urls] == [()] * 4
    finally:
        server.stop(place, mode="immediate")
        shutil.rmtree(place)


def test_a_user_who_may_only_create_roles_and_databases_suffices(server_url: str) -> None:
    user, name = f"operator_{uuid.uuid4().hex[:8]}", f"lockstep_empty_{uuid.uuid4().hex[:12]}"
    ensure_roles(server_url)
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"create role {user} login createrole createdb password 'open'".encode())
        # On a new cluster the user makes the roles; here they exist, so an administrator hands them over.
        for role in ROLES:
            connection.execute(f"grant {role} to {user} with admin option".encode())
        try:
            connection.execute(f"create database {name} owner {user}".encode())
            migrate(psycopg.conninfo.make_conninfo(server_url, dbname=name, user=user, password="open"))
            assert pending(with_database(server_url, name)) == ()
        finally:
            drop(server_url, name)
            connection.execute(f"drop role {user}".encode())


def test_before_and_after_the_new_code(database_url: str, later: Path) -> None:
    before = columns(database_url)
    migrate(database_url, "pre", migrations=later)
    assert columns(database_url) == before | {"colour"}  # the old code still finds what it knows
    assert pending(database_url, migrations=later) == ("9001_post",)

    migrate(database_url, "post", migrations=later)
    assert columns(database_url) == (before | {"colour"}) - {"pid"}
    assert pending(database_url, migrations=later) == ()


def test_a_migration_gives_way_and_is_done_when_the_lock_is_free(
    database_url: str, admin: psycopg.Connection, later: Path
) -> None:
    with admin.transaction():
        admin.execute("lock table worker in access share mode")
        with pytest.raises(Exception, match="lock timeout") as caught:
            migrate(database_url, "pre", migrations=later, lock_timeout_ms=1, attempts=2)
        assert isinstance(caught.value, errors.LockNotAvailable)
        assert "colour" not in columns(database_url)
    migrate(database_url, "pre", migrations=later, lock_timeout_ms=1)
    assert "colour" in columns(database_url)


def test_the_text_for_a_reader_sets_the_time_out_first_and_leaves_out_libraries_on_request() -> None:
    text = migration_sql()
    assert text.index("lock_timeout") < text.index("create table organisation")
    assert "CREATE TABLE procrastinate_jobs" in text
    ours = migration_sql(only_ours=True)
    assert "create table organisation" in ours
    assert "CREATE TABLE procrastinate_jobs" not in ours


def test_the_text_carries_out_to_the_same_schema(empty_url: str, database_url: str) -> None:
    with psycopg.connect(empty_url, autocommit=True) as connection:
        connection.execute("grant create, usage on schema public to lockstep_owner")
        connection.execute(
            "do $$ begin execute format('grant create on database %I to lockstep_owner', current_database()); end $$"
        )
        connection.execute(migration_sql().encode(), prepare=False)
    assert pending(empty_url) == ()
    assert relations(empty_url) == relations(database_url)


def relations(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "select relnamespace::regnamespace::text, relname::text, relkind::text, relrowsecurity"
            " from pg_class where relnamespace::regnamespace::text in ('public', 'procrastinate')"
            " order by 1, 2"
        ).fetchall()


def test_the_job_queue_is_that_of_the_installed_library() -> None:
    """When this fails, procrastinate was updated: its new migrations become one of ours."""
    shipped = (files("procrastinate.sql") / "schema.sql").read_text(encoding="utf-8")
    copied = (MIGRATIONS / "0002_jobs.pre.sql").read_text(encoding="utf-8")
    assert copied.endswith(shipped)


def test_the_application_defers_a_job_in_its_own_transaction(database_url: str, admin: psycopg.Connection) -> None:
    defer = (
        "select procrastinate_defer_jobs_v1(array[row('q', 'wake', 0, null, null, '{}', null)"
        "::procrastinate_job_to_defer_v1])"
    )
    with Database(database_url) as database:
        with database.transaction(1) as t:
            t.execute(defer)
        with pytest.raises(errors.DivisionByZero), database.transaction(1) as t:  # noqa: PT012
            t.execute(defer)
            t.execute("select 1 / 0")
    assert admin.execute("select count(*) from procrastinate.procrastinate_jobs").fetchone() == (1,)
