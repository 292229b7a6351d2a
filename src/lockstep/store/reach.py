"""Whether the database can be used at all, found out before any work; each reason has a sentence of its own."""

from collections.abc import Mapping

import psycopg
from psycopg import conninfo

from lockstep.domain.refusal import DatabaseRefuses, InvalidAddress, NotMigrated, Unreachable

_WHERE = "LOCKSTEP_DATABASE_URL"
_MIGRATED = """
select
    to_regrole('lockstep_app') is not null
    and to_regrole('lockstep_duty') is not null
    and to_regclass('public.alembic_version') is not null
    and to_regclass('public.operation') is not null
"""


def require_address(url: str) -> None:
    """The text is an address of a PostgreSQL; raises InvalidAddress, which does not repeat it (it may hold secrets)."""
    try:
        ports = str(conninfo.conninfo_to_dict(url).get("port") or "")
        if any(not port.isdecimal() for port in ports.split(",") if port):
            raise ValueError(ports)
    except (psycopg.Error, UnicodeError, ValueError):
        mend = "Write it as postgresql://USER:PASSWORD@HOST:PORT/DATABASE, or leave it out for the embedded server."
        raise InvalidAddress(where=_WHERE, mend=mend) from None


def require_usable(url: str, *, timeout_seconds: int = 2) -> None:
    """The database answers, lets this user in, and has the schema of this release.

    Raises InvalidAddress, Unreachable, DatabaseRefuses, NotMigrated. Locks: none.
    """
    with _connected(url, timeout_seconds) as connection:
        row = connection.execute(_MIGRATED).fetchone()
    if row is None or not row[0]:
        raise NotMigrated(where="database", mend="Run: lockstep migrate")


def require_reachable(url: str, *, timeout_seconds: int = 2) -> None:
    """As `require_usable`, whatever schema there is."""
    _connected(url, timeout_seconds).close()


def _connected(url: str, timeout_seconds: int) -> psycopg.Connection:
    require_address(url)
    given = conninfo.conninfo_to_dict(url)
    try:
        # Never longer than a person waits; shorter where the address says so.
        timeout = min(int(given.get("connect_timeout") or timeout_seconds), timeout_seconds)
        return psycopg.connect(url, autocommit=True, connect_timeout=timeout)
    except psycopg.OperationalError as failure:
        raise _refusal(failure, given) from None
    except (psycopg.Error, UnicodeError, ValueError):
        mend = "Compare each part of it with what PostgreSQL's manual says about connection strings."
        raise InvalidAddress(where=_WHERE, mend=mend) from None


def _refusal(failure: psycopg.OperationalError, given: Mapping[str, object]) -> Unreachable | DatabaseRefuses:
    # The server's own words are in its language; that it spoke at all is told by its severity or by the password asked.
    said = next((line for line in str(failure).splitlines() if line.strip()), type(failure).__name__)
    asked = failure.pgconn is not None and (failure.pgconn.needs_password or failure.pgconn.used_password)
    if asked and "FATAL" in str(failure):
        return DatabaseRefuses(
            "The server does not accept this user with this password",
            where=_WHERE,
            mend="Correct the user or the password.",
        )
    if asked:
        return DatabaseRefuses("The server wants a password", where=_WHERE, mend="Write it into the address.")
    if "FATAL" in str(failure) and "starting up" not in said and "shutting down" not in said:
        return DatabaseRefuses(said.rpartition("FATAL:")[2].strip(), where=_WHERE, mend="Correct the address.")
    host = given.get("host") or given.get("hostaddr") or "this machine"
    where = f"{host}, port {given.get('port') or 5432}"
    return Unreachable(where=where, mend="Start it, or correct LOCKSTEP_DATABASE_URL; then do it again.")
