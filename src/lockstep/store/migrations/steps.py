"""Carrying out the SQL file of a migration, on a database or as text for a reader."""

from importlib.resources import files

from alembic import op
from alembic.runtime.migration import MigrationContext
from psycopg import Connection


def run(file: str, *, schema: str = "public", ours: bool = True) -> None:
    """The statements of `file` are carried out in this migration's transaction, with `schema` searched first.

    The text goes to the driver as it is: SQLAlchemy would take `:name` and `%` in it for parameters. What is
    not ours (a library's schema) is left out of the text for the linter.
    """
    text = (files("lockstep.store.migrations") / file).read_text(encoding="utf-8")
    statements = f"set local search_path to {schema};\n\n{text}\n\nset local search_path to public;\n"
    context: MigrationContext = op.get_context()
    if context.as_sql:
        only_ours = context.opts.get("only_ours", False)
        context.impl.static_output(f"-- {file} is left out" if only_ours and not ours else statements)
        return
    bound = context.connection
    assert bound is not None
    driver: Connection = bound.connection.driver_connection  # type: ignore[assignment]
    driver.execute(statements.encode(), prepare=False)
