"""Bringing a database's schema to this release, before (pre) and after (post) its code takes over."""

import io
import sys
import threading
from pathlib import Path
from typing import Literal

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import NullPool, create_engine
from sqlalchemy.exc import DBAPIError

from lockstep.store.roles import ensure_roles
from lockstep.store.transient import run_again

Phase = Literal["pre", "post", "all"]

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK_KEY = 5_625_783_667_816  # any number; the same in every release
_one_at_a_time = threading.Lock()  # Alembic keeps what it is doing in globals of the process
_TARGETS: dict[Phase, str] = {"pre": "pre@head", "post": "heads", "all": "heads"}


def migrate(
    url: str,
    phase: Phase = "all",
    *,
    lock_timeout_ms: int = 1_000,
    attempts: int = 60,
    migrations: Path = MIGRATIONS,
) -> None:
    """The schema is that of this release: with `pre` what its code needs, else also without what it left.

    Doing it twice changes nothing, and several processes at once take turns. A migration that waits longer
    than `lock_timeout_ms` for a lock gives way and is tried again, at most `attempts` times, then psycopg's
    error is raised.
    """
    with psycopg.connect(url, autocommit=True) as turn:
        turn.execute("select pg_advisory_lock(%s)", [LOCK_KEY])
        ensure_roles(url)
        run_again(
            lambda: _upgrade(url, _TARGETS[phase], lock_timeout_ms, migrations),
            attempts=attempts,
            first_ms=100,
        )


def migration_sql(
    phase: Phase = "all",
    *,
    lock_timeout_ms: int = 1_000,
    only_ours: bool = False,
    migrations: Path = MIGRATIONS,
) -> str:
    """Every statement that `migrate` would carry out on an empty database, after the roles exist.

    With `only_ours` those of libraries are left out, as for a linter.
    """
    text = io.StringIO()
    config = _config(migrations, lock_timeout_ms)
    config.attributes["only_ours"] = only_ours
    config.output_buffer = text
    command.upgrade(config, _TARGETS[phase], sql=True)
    return text.getvalue()


def pending(url: str, phase: Phase = "all", *, migrations: Path = MIGRATIONS) -> tuple[str, ...]:
    """The numbers of the migrations that the database has not had, oldest first."""
    scripts = ScriptDirectory.from_config(_config(migrations, 0))
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=NullPool)
    with engine.connect() as connection:
        applied = MigrationContext.configure(connection).get_current_heads()
    had = {script.revision for head in applied for script in scripts.iterate_revisions(head, "base")}
    wanted = scripts.iterate_revisions(_TARGETS[phase], "base")
    return tuple(reversed([script.revision for script in wanted if script.revision not in had]))


def _upgrade(url: str, target: str, lock_timeout_ms: int, migrations: Path) -> None:
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=NullPool)
    config = _config(migrations, lock_timeout_ms)
    try:
        with _one_at_a_time, engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, target)
    except DBAPIError as error:
        raise (error.orig or error) from error  # the driver's own, which tells whether to do it again


def _config(migrations: Path, lock_timeout_ms: int) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("version_locations", str(migrations / "versions").replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes["lock_timeout_ms"] = lock_timeout_ms
    return config


if __name__ == "__main__":
    sys.stdout.write(migration_sql(only_ours="--ours" in sys.argv))
