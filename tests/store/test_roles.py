"""An installation whose database user is no superuser: what `lockstep migrate` and the workers need."""

import uuid
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from psycopg import conninfo, sql
from tests.conftest import drop, with_database

from lockstep.engine.organisation import create_organisation
from lockstep.store.database import Database
from lockstep.store.migrate import migrate
from lockstep.store.roles import ROLES


@pytest.fixture
def users(server_url: str) -> Iterator[tuple[str, str, str]]:
    """A user who may create roles and owns an empty database, one who may nothing; and the database's name."""
    admin, runner, name = (f"lockstep_{kind}_{uuid.uuid4().hex[:8]}" for kind in ("admin", "run", "own"))
    with closing(psycopg.connect(server_url, autocommit=True)) as connection:
        connection.execute(sql.SQL("create role {} login createrole password 'a'").format(sql.Identifier(admin)))
        connection.execute(sql.SQL("create role {} login password 'a'").format(sql.Identifier(runner)))
        # The cluster may have the roles from other tests: then they are granted, as the handbook says.
        for role in ROLES:
            if connection.execute("select from pg_roles where rolname = %s", [role]).rowcount:
                connection.execute(
                    sql.SQL("grant {} to {} with admin option").format(*map(sql.Identifier, (role, admin)))
                )
        connection.execute(sql.SQL("create database {} owner {}").format(*map(sql.Identifier, (name, admin))))
        yield admin, runner, name
        drop(server_url, name)
        for user in (runner, admin):
            connection.execute(sql.SQL("drop owned by {} cascade").format(sql.Identifier(user)))
            connection.execute(sql.SQL("drop role {}").format(sql.Identifier(user)))


def test_an_owner_who_may_create_roles_migrates_and_a_member_runs(server_url: str, users: tuple[str, str, str]) -> None:
    admin, runner, name = users
    url = with_database(server_url, name)
    own = conninfo.make_conninfo(url, user=admin, password="a")
    migrate(own)
    with psycopg.connect(own, autocommit=True) as connection:
        connection.execute(sql.SQL("grant lockstep_app, lockstep_duty to {}").format(sql.Identifier(runner)))
    with Database(conninfo.make_conninfo(url, user=runner, password="a")) as database:
        create_organisation(database, key="a", title="A", actor="t.ester")
        with database.duty() as connection:
            assert connection.execute("select count(organisation_id) from organisation").fetchone() == (1,)
