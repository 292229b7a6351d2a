"""Wake-ups: jobs enqueued by deciding transactions that spare a worker the wait until it looks by itself."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress

import procrastinate
import structlog

from lockstep.store import job
from lockstep.worker.duty import back_off_seconds, signature

POLL_SECONDS = 1.0
OPEN_SECONDS = 3.0
STEADY_SECONDS = 10.0
"""An engine that ran so long before it ended is brought back at once."""

_log = structlog.get_logger("lockstep.worker")


class WakeUps:
    """Runs the job library's worker in a thread of its own, and brings it back whenever it ends.

    Nothing depends on it: when it is dead, work begins a little later.
    """

    def __init__(self, url: str, *, name: str, wake: Callable[[int], None]) -> None:
        """`wake` is told the organisation, from the library's thread."""
        self._url, self._name, self._wake = url, name, wake
        self._stop = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._serving: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="wake-ups", daemon=True)
        self.starts = 0

    def start(self) -> None:
        """Jobs are taken from now on."""
        self._thread.start()

    def stop(self, *, patience_seconds: float = 1.0) -> None:
        """No job is taken any more; what hangs longer than the patience is left to the end of the process."""
        self._stop.set()
        loop, serving = self._loop, self._serving
        if loop is not None and serving is not None:
            with suppress(RuntimeError):  # the loop has ended by itself
                loop.call_soon_threadsafe(serving.cancel)
        self._thread.join(patience_seconds)

    def is_alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            self.starts += 1
            loop = asyncio.new_event_loop()
            begun = loop.time()
            try:
                self._loop = loop
                self._serving = loop.create_task(self._serve())
                loop.run_until_complete(self._serving)
                failure = "ended"
            except asyncio.CancelledError:
                failure = "cancelled"
            except Exception as error:
                failure = signature(error)
            failures = 1 if loop.time() - begun > STEADY_SECONDS else failures + 1
            self._loop = self._serving = None
            loop.close()
            if not self._stop.is_set():
                # When its connection is lost the library's worker just returns, as if all were well.
                _log.warning("wake-ups ended, brought back", failure=failure, starts=self.starts)
                self._stop.wait(back_off_seconds(failures))

    async def _serve(self) -> None:
        app = self._app()
        async with asyncio.timeout(OPEN_SECONDS):
            await app.open_async()
        try:
            await app.run_worker_async(
                queues=[job.QUEUE],
                name=self._name,
                fetch_job_polling_interval=POLL_SECONDS,
                shutdown_graceful_timeout=1.0,
                delete_jobs="always",
                install_signal_handlers=False,
                update_heartbeat_interval=5.0,
            )
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(OPEN_SECONDS):
                    await app.close_async()

    def _app(self) -> procrastinate.App:
        connector = procrastinate.PsycopgConnector(
            conninfo=self._url,
            configure=job.act_as_app,
            min_size=1,
            max_size=2,
            # Short, because it is brought back as a whole.
            timeout=2.0,
            reconnect_timeout=2.0,
            kwargs={"application_name": f"{self._name} wake-ups", "connect_timeout": 2},
        )
        app = procrastinate.App(connector=connector)

        @app.task(name=job.TASK, queue=job.QUEUE)
        async def recalculate(organisation_id: int) -> None:
            self._wake(organisation_id)

        del recalculate
        return app
