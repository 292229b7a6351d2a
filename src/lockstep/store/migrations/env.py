"""How Alembic reaches the database: as the owner of the tables, giving way after a lock time-out."""

from alembic import context
from sqlalchemy import Connection

OWNER = "lockstep_owner"


def _online(connection: Connection, lock_timeout_ms: int) -> None:
    connection.exec_driver_sql(f"set role {OWNER}")
    connection.exec_driver_sql("set search_path to public")
    connection.exec_driver_sql("set timezone to 'UTC'")
    connection.exec_driver_sql(f"set lock_timeout to {int(lock_timeout_ms)}")
    connection.commit()
    # One transaction each: a migration that gives way keeps those before it.
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


def _offline(lock_timeout_ms: int, *, only_ours: bool) -> None:
    context.configure(dialect_name="postgresql", transaction_per_migration=True, only_ours=only_ours)
    context.static_output(f"set role {OWNER};")
    context.static_output(f"set lock_timeout = '{int(lock_timeout_ms)}ms';")
    context.static_output("set statement_timeout = 0;")
    with context.begin_transaction():
        context.run_migrations()


_attributes = context.config.attributes
if context.is_offline_mode():
    _offline(_attributes["lock_timeout_ms"], only_ours=_attributes["only_ours"])
else:
    _online(_attributes["connection"], _attributes["lock_timeout_ms"])
