"""The way to PostgreSQL: isolation per transaction, roles, time-outs, lost connections."""

import shutil
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg import errors
from psycopg.conninfo import make_conninfo
from psycopg.rows import scalar_row
from psycopg_pool import PoolTimeout
from tests.conftest import TEST_SETTINGS

from lockstep.store import server
from lockstep.store.database import Connection, Database, is_transient, run_again


def value(connection: Connection, query: str) -> object:
    """The one value of a query."""
    cursor = connection.cursor(row_factory=scalar_row)
    return cursor.execute(query.encode()).fetchone()


@pytest.fixture
def two(admin: psycopg.Connection) -> tuple[int, int]:
    """Two organisations, each with a program."""
    ids = []
    for key in ("north", "south"):
        row = admin.execute(
            "insert into organisation (key, title) values (%s, %s) returning organisation_id", [key, key]
        ).fetchone()
        assert row is not None
        ids.append(int(row[0]))
        admin.execute("insert into program (organisation_id, key, title) values (%s, 'hf', 'Heart')", [ids[-1]])
    return ids[0], ids[1]


@pytest.fixture
def tmp_server() -> Iterator[Path]:
    """A folder for a server of this test alone."""
    place = Path("/tmp") / f"lockstep-server-{uuid.uuid4().hex[:8]}"
    place.mkdir(mode=0o755)
    yield place
    server.stop(place, mode="immediate")
    shutil.rmtree(place)


class TestIsolation:
    def test_a_transaction_sees_its_own_organisation_only(self, database: Database, two: tuple[int, int]) -> None:
        north, south = two
        for organisation_id in two:
            with database.transaction(organisation_id) as t:
                assert t.execute("select organisation_id from program").fetchall() == [(organisation_id,)]
        with pytest.raises(errors.InsufficientPrivilege), database.transaction(north) as t:
            t.execute(
                "insert into program (organisation_id, key, title) values (%s, 'x', 'X')",
                [south],
            )

    def test_without_an_organisation_nothing_is_seen(self, database: Database, two: tuple[int, int]) -> None:
        with database.transaction(two[0]) as t:
            assert value(t, "select count(*) from program") == 1
        # the same pooled connection, so this also shows that the organisation does not linger
        with database.transaction(None) as t:
            assert value(t, "select count(*) from program") == 0

    def test_the_organisation_must_be_a_number(self, database: Database) -> None:
        with pytest.raises(ValueError, match="invalid literal"):
            database.transaction("1'; drop table organisation; --").__enter__()  # type: ignore[arg-type]

    def test_the_application_is_neither_owner_nor_superuser(self, database: Database) -> None:
        with database.transaction(None) as t:
            assert value(t, "select current_user::text") == "lockstep_app"
            assert value(t, "select rolsuper or rolbypassrls from pg_roles where rolname = current_user") is False
        with pytest.raises(errors.InsufficientPrivilege), database.transaction(None) as t:
            t.execute("drop table worker")

    def test_a_duty_sees_identifiers_of_all_and_no_content(self, database: Database, two: tuple[int, int]) -> None:
        with database.duty() as t:
            assert value(t, "select array_agg(organisation_id order by 1) from organisation") == list(two)
        with pytest.raises(errors.InsufficientPrivilege), database.duty() as t:
            t.execute("select title from organisation")
        with database.transaction(None) as t:
            assert value(t, "select current_user::text") == "lockstep_app"


class TestTransaction:
    def test_is_committed_at_the_end_and_rolled_back_by_an_error(self, database: Database) -> None:
        insert = "insert into worker (worker_id, host, pid, started_at, seen_at) values (%s, 'h', 1, now(), now())"
        with database.transaction(None) as t:
            t.execute(insert, ["kept"])
        with pytest.raises(errors.DivisionByZero), database.transaction(None) as t:  # noqa: PT012
            t.execute(insert, ["lost"])
            t.execute("select 1 / 0")
        with database.transaction(None) as t:
            assert value(t, "select array_agg(worker_id) from worker") == ["kept"]

    def test_read_only_refuses_to_write(self, database: Database) -> None:
        with pytest.raises(errors.ReadOnlySqlTransaction), database.transaction(None, read_only=True) as t:
            t.execute("delete from worker")

    def test_repeatable_read_is_one_snapshot(self, database: Database, admin: psycopg.Connection) -> None:
        with database.transaction(None, read_only=True, isolation="repeatable read") as t:
            assert value(t, "select count(*) from worker") == 0
            admin.execute(
                "insert into worker (worker_id, host, pid, started_at, seen_at) values ('w', 'h', 1, now(), now())"
            )
            assert value(t, "select count(*) from worker") == 0

    def test_settings_of_a_connection(self, database: Database) -> None:
        with database.transaction(None) as t:
            assert value(t, "show timezone") == "UTC"
            assert value(t, "show lock_timeout") == "200ms"
            assert value(t, "show idle_in_transaction_session_timeout") == "5s"
        with database.transaction(None, lock_timeout_ms=70) as t:
            assert value(t, "show lock_timeout") == "70ms"
        with database.transaction(None) as t:
            assert value(t, "show lock_timeout") == "200ms"

    def test_a_lock_time_out_is_transient(self, database: Database, admin: psycopg.Connection) -> None:
        with admin.transaction():
            admin.execute("lock table worker")
            with (
                pytest.raises(errors.LockNotAvailable) as caught,
                database.transaction(None, lock_timeout_ms=1) as t,
            ):
                t.execute("delete from worker")
        assert is_transient(caught.value)


class TestLostConnections:
    def test_dead_connections_in_the_pool_are_never_handed_out(
        self, database_url: str, admin: psycopg.Connection
    ) -> None:
        together = threading.Barrier(6)

        def hold() -> None:
            with database.transaction(None):
                together.wait(timeout=10)

        with Database(database_url, pool_max=6) as database, ThreadPoolExecutor(6) as threads:
            for held in [threads.submit(hold) for _ in range(6)]:
                held.result()
            killed = admin.execute(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            ).fetchone()
            assert killed == (6,)
            for _ in range(8):
                with database.transaction(None) as t:
                    assert value(t, "select 1") == 1

    def test_one_lost_in_the_middle_is_transient_and_the_work_is_done_again(
        self, database: Database, admin: psycopg.Connection
    ) -> None:
        attempts = []

        def work() -> int:
            with database.transaction(None) as t:
                attempts.append(1)
                if len(attempts) == 1:
                    admin.execute("select pg_terminate_backend(%s, 5000)", [t.info.backend_pid])
                return t.execute("select 7").fetchall()[0][0]  # type: ignore[no-any-return]

        assert run_again(work) == 7
        assert len(attempts) == 2

    def test_a_server_that_is_not_there_is_transient(self) -> None:
        with (
            Database("postgresql://nobody@/x?host=/nonexistent", checkout_seconds=0.05) as database,
            pytest.raises(psycopg.OperationalError) as caught,
            database.transaction(None),
        ):
            pass
        assert is_transient(caught.value)

    def test_transactions_go_on_within_five_seconds_of_the_servers_return(self, tmp_server: Path) -> None:
        url = server.embedded_url(tmp_server, settings=TEST_SETTINGS)
        ended: list[float] = []

        def insist() -> None:
            def work() -> None:
                with database.transaction(None) as t:
                    t.execute("select 1")

            run_again(work)
            ended.append(time.monotonic())

        with Database(url, role="postgres", pool_max=4) as database, ThreadPoolExecutor(4) as threads:
            for first in [threads.submit(insist) for _ in range(4)]:
                first.result()
            server.stop(tmp_server, mode="immediate")
            with pytest.raises(PoolTimeout), Database(url, checkout_seconds=0.05).transaction(None):
                pass
            ended.clear()
            waiting = [threads.submit(insist) for _ in range(4)]
            server.embedded_url(tmp_server, settings=TEST_SETTINGS)
            back = time.monotonic()
            for done in waiting:
                done.result(timeout=10)
        assert max(ended) - back < 5


class TestUserOfTheService:
    def test_a_user_that_may_act_as_the_two_roles_suffices(self, database_url: str, admin: psycopg.Connection) -> None:
        user = f"service_{uuid.uuid4().hex[:8]}"
        admin.execute(f"create role {user} login noinherit password 'open'".encode())
        admin.execute(f"grant lockstep_app, lockstep_duty to {user}".encode())
        try:
            as_user = make_conninfo(database_url, user=user, password="open")
            with Database(as_user) as database:
                with database.transaction(None) as t:
                    assert value(t, "select session_user::text") == user
                    assert value(t, "select current_user::text") == "lockstep_app"
                with database.duty() as t:
                    assert value(t, "select current_user::text") == "lockstep_duty"
                with pytest.raises(errors.InsufficientPrivilege), database.transaction(None) as t:
                    t.execute("set local role lockstep_owner")
        finally:
            admin.execute(f"drop role {user}".encode())
