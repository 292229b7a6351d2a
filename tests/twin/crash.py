"""A process that dies in the middle of what it does."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest


class Crash(BaseException):
    """Not an Exception: nothing may catch it, as nothing catches a kill."""


@contextmanager
def crash_after(statements: int) -> Iterator[list[bool]]:
    """The statement after that many raises Crash, which ends the block; the list holds whether it came so far."""
    crashed = [False]
    execute = psycopg.Connection.execute
    left = statements

    def counted(self: psycopg.Connection, *args: Any, **more: Any) -> Any:
        nonlocal left
        if left <= 0:
            raise Crash
        left -= 1
        return execute(self, *args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg.Connection, "execute", counted)
        try:
            yield crashed
        except Crash:
            crashed[0] = True
