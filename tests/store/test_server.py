"""The embedded server: made once, joined by many, gone with the last, back after a crash."""

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from lockstep.store import server

SMALL = {
    "dynamic_shared_memory_type": "mmap",
    "shared_buffers": "16MB",
    "fsync": "off",
    "max_connections": "20",
}

JOINS = """
import sys
from pathlib import Path
from lockstep.store import server
print(server.embedded_url(Path(sys.argv[1]), settings={"shared_buffers": "16MB", "fsync": "off"}), flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that the server's user may enter (pytest's own are closed to others)."""
    place = Path("/tmp") / f"lockstep-server-{uuid.uuid4().hex[:8]}"
    place.mkdir(mode=0o755)
    yield place
    for data in place.rglob("joined.json"):
        server.stop(data.parent, mode="immediate")
    server.stop(place, mode="immediate")
    shutil.rmtree(place)


def value(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
        return None if row is None else row[0]


def joining(place: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", JOINS, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("postgresql://")
    return process


def test_first_use_makes_a_server_with_the_database_and_its_settings(place: Path) -> None:
    url = server.embedded_url(place, settings={**server.SETTINGS, **SMALL})
    assert value(url, "select current_database()::text") == "lockstep"
    for name, expected in {
        "max_wal_size": "4GB",
        "synchronous_commit": "on",
        "max_connections": "20",
    }.items():
        assert value(url, f"show {name}") == expected
    assert value(url, "show listen_addresses") == ""
    assert value(url, "select datcollate || datlocale from pg_database where datname = 'lockstep'") == "CC.UTF-8"
    assert (place / "data").stat().st_mode & 0o077 == 0


def test_joining_again_gives_the_same_server(place: Path) -> None:
    started = "select pg_postmaster_start_time()"
    first = value(server.embedded_url(place, settings=SMALL), started)
    assert value(server.embedded_url(place), started) == first


def test_settings_hold_from_the_next_start(place: Path) -> None:
    server.embedded_url(place, settings=SMALL)
    server.stop(place)
    url = server.embedded_url(place, settings={**SMALL, "max_connections": "21"})
    assert value(url, "show max_connections") == "21"


def test_it_stops_with_the_last_living_process_that_joined(place: Path) -> None:
    url = server.embedded_url(place, settings=SMALL)
    other, killed = joining(place), joining(place)
    killed.kill()
    killed.communicate()
    assert server.joined(place) == {os.getpid(), other.pid}

    server.leave(place)
    assert value(url, "select 1") == 1  # the other one still needs it

    other.communicate("end\n")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)


def test_processes_that_start_it_at_once_share_one(place: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", JOINS, str(place)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    urls = {process.stdout.readline() for process in processes if process.stdout}
    assert len(urls) == 1
    assert server.joined(place) == {process.pid for process in processes}
    for process in processes:
        process.communicate("end\n")
        assert process.returncode == 0


def test_what_was_committed_is_there_after_a_crash(place: Path) -> None:
    url = server.embedded_url(place, settings=SMALL)
    with psycopg.connect(url) as connection:
        connection.execute("create table kept as select 7 as seven")
    postmaster = int((place / "data" / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, 9)
    assert value(server.embedded_url(place, settings=SMALL), "select seven from kept") == 7


def test_a_restart_loses_connections_only(place: Path) -> None:
    url = server.embedded_url(place, settings=SMALL)
    with psycopg.connect(url) as connection:
        server.restart(place, mode="immediate")
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")
    assert value(url, "select 1") == 1


def test_a_path_too_long_for_a_socket_gets_a_private_folder(place: Path) -> None:
    deep = place / ("x" * 120) / "server"
    deep.parent.mkdir(mode=0o755)
    url = server.embedded_url(deep, settings=SMALL)
    assert value(url, "select 1") == 1
    socket_dir = Path(str(value(url, "show unix_socket_directories")))
    try:
        assert socket_dir.stat().st_mode & 0o777 == 0o700
    finally:
        server.stop(deep, mode="immediate")
        shutil.rmtree(socket_dir)


def test_a_start_that_fails_says_why(place: Path) -> None:
    with pytest.raises(server.ServerFailed, match="no_such_setting"):
        server.embedded_url(place, settings={"no_such_setting": "1"})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")
def test_root_is_told_of_a_folder_that_the_server_cannot_enter(place: Path) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(server.ServerFailed, match=f"cannot enter {closed}"):
        server.embedded_url(closed / "server", settings=SMALL)
    assert closed.stat().st_mode & 0o777 == 0o700  # and it was not opened for others
