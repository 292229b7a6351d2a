"""A connection that is lost at a chosen point: before a statement is sent, or after it with the reply lost."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import get_ident
from typing import Any, Literal

import psycopg
import pytest
from tests.worker.processes import until

Side = Literal["before", "after"]


def _nothing() -> None:
    pass


@dataclass
class Cut:
    """One loss: `number` counts the calling thread's statements and commits from 1; beyond the last nothing is cut.

    Before: another session terminates the backend. After: the server has done it, and the socket closes before anybody
    heard so. `hit` says that it came so far.
    """

    admin: psycopg.Connection
    number: int = 0
    side: Side = "before"
    on_cut: Callable[[int], None] = lambda _: None
    on_commit: Callable[[], None] = _nothing
    hit: bool = False
    events: int = 0
    commits: int = 0
    what: str = ""
    _thread: int = field(default_factory=get_ident)

    def step(self, connection: psycopg.Connection[Any], do: Callable[[], Any], *, what: str, commits: bool) -> Any:
        """Does one statement or commit, unless the connection is lost here."""
        # The pool's own thread makes connections; the test's own session is never cut.
        if get_ident() != self._thread or connection is self.admin:
            return do()
        self.events += 1
        here = self.events == self.number
        if here and self.side == "before":
            self._lost(connection, what, self._terminate)
        answer = do()
        if commits:
            self.commits += 1
            self.on_commit()
        if here and self.side == "after":
            self._lost(connection, what, _close_socket)
            raise psycopg.OperationalError("the reply was lost")
        return answer

    def _lost(self, connection: psycopg.Connection[Any], what: str, lose: Callable[[Any], None]) -> None:
        self.hit, self.what = True, what
        pid = connection.info.backend_pid
        lose(connection)
        gone = "select not exists (select from pg_stat_activity where pid = %s)"
        until(lambda: self.admin.execute(gone, [pid]).fetchone() == (True,), what="the backend is gone", pause=0.0005)
        self.on_cut(self.commits)

    def _terminate(self, connection: psycopg.Connection[Any]) -> None:
        self.admin.execute("select pg_terminate_backend(%s)", [connection.info.backend_pid])


def _close_socket(connection: psycopg.Connection[Any]) -> None:
    with socket.socket(fileno=os.dup(connection.pgconn.socket)) as theirs:
        theirs.shutdown(socket.SHUT_RDWR)
    # libpq notices, as it would at the read of the reply.
    with suppress(psycopg.OperationalError):
        connection.pgconn.consume_input()


@contextmanager
def cutting(cut: Cut) -> Iterator[Cut]:
    """In the block every statement and commit goes by the cut."""

    def counted(execute: Callable[..., Any]) -> Callable[..., Any]:
        def step(cursor: Any, query: Any, *args: Any, **more: Any) -> Any:
            what = query.decode() if isinstance(query, bytes) else str(query)
            return cut.step(cursor.connection, lambda: execute(cursor, query, *args, **more), what=what, commits=False)

        return step

    commit = psycopg.Connection.commit

    def committed(connection: psycopg.Connection[Any]) -> None:
        cut.step(connection, lambda: commit(connection), what="commit", commits=True)

    with pytest.MonkeyPatch.context() as patch:
        for kind in (psycopg.Cursor, psycopg.ServerCursor):
            patch.setattr(kind, "execute", counted(kind.execute))
        patch.setattr(psycopg.Connection, "commit", committed)
        yield cut
