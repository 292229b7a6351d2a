"""A database that counts how its transactions failed, also those that were tried again and went well then."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lockstep.store.database import Connection, Database, Isolation

LOCK_TIME_OUT = "55P03"


class WatchedDatabase(Database):
    """As Database; `failures` counts by SQLSTATE, `timed_out` says when (monotonic) a lock was not had. One thread."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(url, **options)
        self.failures: Counter[str] = Counter()
        self.timed_out: list[float] = []

    @contextmanager
    def transaction(
        self,
        organisation_id: int | None,
        *,
        read_only: bool = False,
        isolation: Isolation = "read committed",
        lock_timeout_ms: int | None = None,
    ) -> Iterator[Connection]:
        """As Database.transaction; a failure of the database is counted and goes on."""
        try:
            with super().transaction(
                organisation_id, read_only=read_only, isolation=isolation, lock_timeout_ms=lock_timeout_ms
            ) as connection:
                yield connection
        except Exception as error:
            state = getattr(error, "sqlstate", None)
            if state is not None:
                self.failures[state] += 1
            if state == LOCK_TIME_OUT:
                self.timed_out.append(time.monotonic())
            raise

    def lock_time_outs(self) -> int:
        """How often a lock was not had in time."""
        return self.failures[LOCK_TIME_OUT]
