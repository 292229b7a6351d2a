"""The proxy as the run has it: a process that is started, told what to do, and ended."""

import multiprocessing
import threading
from types import TracebackType
from typing import Any, Self

from lockstep.proof.stress.proxy.forwarding import forward
from lockstep.store import trial


class Proxy:
    """Connections to `url` lead through a process of ours to the database; any thread may give orders."""

    def __init__(self, database_url: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._lock = threading.Lock()
        self._process = context.Process(target=forward, args=(trial.socket_of(database_url), theirs), daemon=True)
        self._process.start()
        theirs.close()
        self.url = trial.through_port(database_url, self._pipe.recv()["port"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def tell(self, do: str, **order: Any) -> dict[str, Any]:
        """The order was carried out; what came of it. See `Forwarding`."""
        with self._lock:
            self._pipe.send({"do": do, **order})
            answer: dict[str, Any] = self._pipe.recv()
            return answer

    def close(self) -> None:
        """Nobody is connected through it any more."""
        self._pipe.close()
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
