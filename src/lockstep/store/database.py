"""The way to PostgreSQL: transactions of one organisation, or of the duties that serve them all."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Literal, Self

import psycopg
from psycopg import sql
from psycopg_pool import ConnectionPool, PoolTimeout

from lockstep.store.transient import is_taken, is_transient, run_again

__all__ = ["DUTY_ROLE", "Connection", "Database", "Isolation", "is_taken", "is_transient", "run_again"]

Connection = psycopg.Connection
Isolation = Literal["read committed", "repeatable read"]

APP_ROLE = "lockstep_app"
DUTY_ROLE = "lockstep_duty"
SEARCH_PATH = "public, procrastinate"

CONNECT_LIMIT_SECONDS = 2
CHECKOUT_ROUND_SECONDS = 1.0


class Database:
    """A pool of connections that act as the application's role and set the organisation per transaction.

    Opens no connection before the first transaction. A transaction waits at most `checkout_seconds` for one,
    then raises psycopg_pool.PoolTimeout (transient). Connections are replaced when the database was away.
    """

    def __init__(
        self,
        url: str,
        *,
        role: str = APP_ROLE,
        pool_max: int = 10,
        lock_timeout_ms: int = 200,
        checkout_seconds: float = 5.0,
        name: str = "lockstep",
    ) -> None:
        self.url = url
        self.role = role
        self._lock_timeout_ms = lock_timeout_ms
        self._checkout_seconds = checkout_seconds
        self._pool: ConnectionPool[psycopg.Connection] = ConnectionPool(
            url,
            kwargs={"autocommit": True, "application_name": name, "connect_timeout": CONNECT_LIMIT_SECONDS},
            min_size=0,
            max_size=pool_max,
            configure=self._configure,
            # Short, because the pool doubles its pauses up to this; a request that comes later starts anew.
            reconnect_timeout=CONNECT_LIMIT_SECONDS,
            open=True,
            name=name,
        )

    def close(self) -> None:
        """No connection is open."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def transaction(
        self,
        organisation_id: int | None,
        *,
        read_only: bool = False,
        isolation: Isolation = "read committed",
        lock_timeout_ms: int | None = None,
    ) -> Iterator[Connection]:
        """One transaction that sees this organisation only (None: no organisation's rows at all).

        Committed at the end of the block, rolled back when it raises. Raises psycopg.Error; `is_transient`
        tells whether to do it again. The isolation costs no round trip of its own.
        """
        # A literal: a parameterised set_config() does not reach the nodes of a distributed database.
        organisation = "" if organisation_id is None else str(int(organisation_id))
        settings = [f"set local lockstep.organisation_id = '{organisation}'"]
        if lock_timeout_ms is not None:
            settings.append(f"set local lock_timeout = {int(lock_timeout_ms)}")
        with self._transaction(_begin(isolation, read_only), settings) as connection:
            yield connection

    @contextmanager
    def duty(self, *, read_only: bool = True, isolation: Isolation = "read committed") -> Iterator[Connection]:
        """One transaction of a duty: it sees identifiers and counts of every organisation, no content."""
        settings = [f"set local role {DUTY_ROLE}"]
        with self._transaction(_begin(isolation, read_only), settings) as connection:
            yield connection

    @contextmanager
    def _transaction(self, begin: str, settings: list[str]) -> Iterator[Connection]:
        connection = self._checkout("; ".join([begin, *settings]))
        try:
            yield connection
            connection.commit()
        except BaseException:
            _roll_back(connection)
            raise
        finally:
            self._pool.putconn(connection)

    def _checkout(self, begin: str) -> Connection:
        """A connection on which the transaction has begun; BEGIN itself is the check that it still works.

        The pool's own check waits longer after each dead connection, 1, 2, 4 … s: a pool of ten that lost its
        server would take minutes.
        """
        until = time.monotonic() + self._checkout_seconds
        while True:
            connection = self._get(until)
            try:
                # Never prepared: a prepared statement holds one command only.
                connection.execute(begin.encode(), prepare=False)
            except psycopg.OperationalError:
                lost = connection.closed
                self._pool.putconn(connection)
                if not lost or time.monotonic() > until:
                    raise
            except BaseException:
                self._pool.putconn(connection)
                raise
            else:
                return connection

    def _get(self, until: float) -> Connection:
        while True:
            try:
                # In rounds: only a new request makes the pool try to connect again.
                return self._pool.getconn(timeout=max(0.01, min(CHECKOUT_ROUND_SECONDS, until - time.monotonic())))
            except PoolTimeout:
                if time.monotonic() > until:
                    raise

    def _configure(self, connection: psycopg.Connection) -> None:
        statements = sql.SQL(
            "set role {role};"
            " set search_path to {path};"
            " set timezone to 'UTC';"
            " set lock_timeout to {lock};"
            " set idle_in_transaction_session_timeout to '5s'"
        ).format(role=sql.Identifier(self.role), path=sql.SQL(SEARCH_PATH), lock=sql.Literal(self._lock_timeout_ms))
        connection.execute(statements, prepare=False)


def _begin(isolation: Isolation, read_only: bool) -> str:
    return f"begin isolation level {isolation} {'read only' if read_only else 'read write'}"


def _roll_back(connection: Connection) -> None:
    try:
        connection.rollback()
    except psycopg.Error:
        # Lost, so the server rolled back by itself; the failure that led here is the one to tell.
        connection.close()
