"""The three roles of the cluster: the owner of the tables, the application, the duties."""

import psycopg
from psycopg import errors, sql

from lockstep.store.transient import run_again

ROLES = ("lockstep_owner", "lockstep_app", "lockstep_duty")


def ensure_roles(url: str) -> None:
    """The roles exist, none can log in, and the connecting user may act as each; the owner may make tables.

    Roles belong to the whole cluster, so several databases may do this at once. Raises
    psycopg.errors.InsufficientPrivilege when the user may neither create roles nor is a member already.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        for role in ROLES:
            run_again(lambda role=role: _ensure_role(connection, role), attempts=20)  # type: ignore[misc]
        run_again(lambda: _let_own(connection), attempts=20)


def _ensure_role(connection: psycopg.Connection, role: str) -> None:
    name = sql.Identifier(role)
    try:
        if connection.execute("select from pg_roles where rolname = %s", [role]).rowcount == 0:
            # Without BYPASSRLS, like every new role: forced row-level security holds for the owner too.
            connection.execute(sql.SQL("create role {} nologin").format(name))
    except (errors.DuplicateObject, errors.UniqueViolation):
        pass  # another database of this cluster was faster
    if not _may_act_as(connection, role):
        try:
            connection.execute(sql.SQL("grant {} to current_user").format(name))
        except (errors.UniqueViolation, errors.InternalError_):
            if not _may_act_as(connection, role):  # "tuple concurrently updated": the same grant, at the same time
                raise


def _may_act_as(connection: psycopg.Connection, role: str) -> bool:
    # Since 16 whoever creates a role without being a superuser is its member, but may not act as it.
    right = "set" if connection.info.server_version >= 160_000 else "member"
    row = connection.execute("select pg_has_role(current_user, %s, %s)", [role, right]).fetchone()
    return row is not None and bool(row[0])


def _let_own(connection: psycopg.Connection) -> None:
    owner = sql.Identifier(ROLES[0])
    database = sql.Identifier(connection.info.dbname)
    connection.execute(sql.SQL("grant usage, create on schema public to {}").format(owner))
    connection.execute(sql.SQL("grant create on database {} to {}").format(database, owner))
