"""Which transactions run in this database, and the number above all of them."""

import psycopg

from lockstep.store.database import Database
from lockstep.store.judgement import find_running


def number_of(connection: psycopg.Connection) -> int:
    """The number of the connection's transaction, which from now on runs."""
    row = connection.execute("select pg_current_xact_id()::text::bigint").fetchone()
    assert row is not None
    return int(row[0])


def look(database: Database) -> tuple[int, int]:
    with database.duty() as connection:
        return find_running(connection)


def test_what_runs_is_below_the_next_although_nothing_has_ended_since(database: Database, database_url: str) -> None:
    with psycopg.connect(database_url) as running:
        number = number_of(running)
        assert look(database)[0] == number
        # A snapshot's own end would be the number itself, and the transaction would count for one that has ended.
        assert look(database)[1] > number
        running.commit()
        oldest, following = look(database)
        assert number < oldest <= following


def test_the_application_sees_them_too(database: Database, database_url: str, admin: psycopg.Connection) -> None:
    admin.execute("insert into organisation (key, title) values ('o', 'O')")
    with psycopg.connect(database_url) as running:
        number = number_of(running)
        with database.transaction(1, read_only=True) as connection:
            found = connection.execute("select number from running_transaction").fetchall()
    assert found == [(number,)]


def test_those_of_other_databases_keep_nobody_waiting(database: Database, server_url: str) -> None:
    with psycopg.connect(server_url) as elsewhere:
        number = number_of(elsewhere)
        oldest, following = look(database)
        assert oldest == following
        elsewhere.rollback()
    assert number > 0


def test_a_prepared_transaction_runs(database: Database, database_url: str, admin: psycopg.Connection) -> None:
    row = admin.execute("show max_prepared_transactions").fetchone()
    if row == ("0",):
        # Nobody can have one on such a server; the view reads the list of them all the same.
        assert admin.execute("select count(*) from pg_prepared_xacts").fetchone() == (0,)
        return
    with psycopg.connect(database_url) as running:
        number = number_of(running)
        running.execute("prepare transaction 'one'")
    assert look(database)[0] == number
    admin.execute("rollback prepared 'one'")
