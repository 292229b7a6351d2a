"""Faults of processes: workers and clients killed, stopped, and workers replaced one by one."""

import os
import signal
import time
from pathlib import Path

import psutil

from lockstep.proof.stress.faults.fault import Lane, Result
from lockstep.store.migrate import MIGRATIONS, migrate

SETTLED_SECONDS = 2.0
"""A process that young has hardly done anything yet."""
ROLLS = '''"""A migration of the stress run: one more column."""

from alembic import op

revision = "stress{number}"
down_revision = "{before}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table worker add column stress{number} text")
'''


def kill_worker(lane: Lane) -> Result:
    """A worker is killed, and another one starts in its place."""
    index = lane.chance.randrange(lane.shared.workers)
    pid = lane.shared.crew.pid(index)
    if pid is None or _age(pid) < SETTLED_SECONDS:
        return Result(False, "no worker had been at work")
    lived = lane.shared.crew.kill(index)
    lane.shared.soon(lane.chance.uniform(0, 2), lambda: lane.shared.crew.start_again(index))
    return Result(lived, "it was alive and had worked for a while", {"pid": pid})


def stop_worker(lane: Lane) -> Result:
    """A worker stands still for a while, with whatever it holds."""
    index = lane.chance.randrange(lane.shared.workers)
    pid = lane.shared.crew.pid(index)
    if pid is None or _age(pid) < SETTLED_SECONDS:
        return Result(False, "no worker had been at work")
    stopped = _stand_still(pid, lane.chance.choice((0.3, 0.5, 1, 1, 2, 6.5)))
    return Result(stopped, "its state was 'stopped', and it went on", {"pid": pid})


def kill_client(lane: Lane) -> Result:
    """A client is killed, perhaps in the middle of a request, and another one starts in its place."""
    name = _client(lane)
    if name is None:
        return Result(False, "no client had been at work")
    lived = lane.shared.cast.kill(name)
    in_flight = _last_line(lane.shared.cast.history(name)).find('"phase":"invoke"') >= 0
    lane.shared.soon(lane.chance.uniform(0, 1), lambda: lane.shared.cast.start_again(name))
    return Result(lived, "it was alive and had been answered", {"clients": [name], "in the middle": in_flight})


def stop_client(lane: Lane) -> Result:
    """A client stands still for a while, perhaps in the middle of a transaction."""
    name = _client(lane)
    if name is None:
        return Result(False, "no client had been at work")
    stopped = _stand_still(lane.shared.cast.pid(name), lane.chance.choice((0.2, 0.3, 0.5, 1, 2, 6.5)))
    return Result(stopped, "its state was 'stopped', and it went on", {"clients": [name]})


def restart_workers(lane: Lane) -> Result:
    """A pre-migration is applied while all work, then every worker is replaced by one of the same release."""
    shared = lane.shared
    with shared.one_roll:
        shared.rolled += 1
        versions = _write_migration(shared.folder, shared.rolled)
        migrate(shared.url, "pre", migrations=versions)
        replaced = 0
        for index in range(shared.workers):
            before = shared.crew.pid(index)
            ended = before is not None and shared.crew.tell_to_end(index)
            shared.soon(0, lambda index=index: shared.crew.start_again(index))  # type: ignore[misc]
            until = time.monotonic() + 10
            while shared.crew.pid(index) in (None, before) and time.monotonic() < until:
                time.sleep(0.05)
            replaced += ended
            time.sleep(SETTLED_SECONDS)
    return Result(replaced == shared.workers, "each had worked, and ended when told to", {"migrations": shared.rolled})


def _write_migration(folder: Path, number: int) -> Path:
    place = folder / "migrations" / "versions"
    place.mkdir(parents=True, exist_ok=True)
    for file in (MIGRATIONS / "versions").glob("*.py"):
        (place / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    before = f"stress{number - 1}" if number > 1 else "0002"
    text = ROLLS.format(number=number, before=before)
    (place / f"stress{number}_pre.py").write_text(text, encoding="utf-8")
    return place.parent


def _client(lane: Lane) -> str | None:
    names = [
        name
        for name in lane.shared.cast.names("measuring", "reading", "managing", "office", "intruding")
        if '"phase":"ok"' in _end_of(lane.shared.cast.history(name))
    ]
    return lane.chance.choice(names) if names else None


def _stand_still(pid: int, seconds: float) -> bool:
    try:
        os.kill(pid, signal.SIGSTOP)
        begun = time.monotonic()
        while psutil.Process(pid).status() != psutil.STATUS_STOPPED and time.monotonic() - begun < 1:
            time.sleep(0.005)
        stopped = psutil.Process(pid).status() == psutil.STATUS_STOPPED
        time.sleep(seconds)
        os.kill(pid, signal.SIGCONT)
    except (ProcessLookupError, psutil.Error):
        return False
    return stopped


def _age(pid: int) -> float:
    try:
        return time.time() - psutil.Process(pid).create_time()
    except psutil.Error:
        return 0.0


def _end_of(file: Path, size: int = 20_000) -> str:
    if not file.exists():
        return ""
    with file.open("rb") as history:
        history.seek(0, os.SEEK_END)
        history.seek(max(0, history.tell() - size))
        return history.read().decode(errors="replace")


def _last_line(file: Path) -> str:
    lines = _end_of(file).splitlines()
    return lines[-1] if lines else ""
