"""Rivals of a trial run do what they say, to databases made for it."""

import threading

import psycopg
import pytest
from tests.worker.processes import until

from lockstep.store import rival


def test_whoever_waits_for_a_lock_is_seen(database_url: str) -> None:
    failed: list[BaseException] = []

    def want() -> None:
        try:
            with psycopg.connect(database_url) as connection:
                connection.execute("set lock_timeout to '300ms'")
                connection.execute("select from agenda")
        except psycopg.errors.LockNotAvailable as error:
            failed.append(error)

    with rival.rival(database_url) as connection:
        rival.lock_table(connection, "agenda", "exclusive")
        assert not rival.somebody_waits(database_url, connection.info.backend_pid, 0.05)
        thread = threading.Thread(target=want)
        thread.start()
        assert rival.somebody_waits(database_url, connection.info.backend_pid, 0.6)
        thread.join()
    assert failed


def test_a_session_is_cut_in_the_middle_of_something_only(database_url: str) -> None:
    with (
        psycopg.connect(database_url, application_name="victim one", autocommit=True) as victim,
        rival.rival(database_url, autocommit=True) as cutting,
    ):
        victim.execute("select 1")
        assert rival.cut_one(cutting, ["victim"]) is None
        victim.execute("begin")
        assert rival.cut_one(cutting, ["other"]) is None
        assert rival.cut_one(cutting, ["victim"]) == "victim one"
        with pytest.raises(psycopg.OperationalError):
            victim.execute("select 1")


def test_a_lit_fuse_lets_so_many_statements_fail(database_url: str) -> None:
    rival.lay_fuses(database_url)
    rival.lay_fuses(database_url)
    insert = "update agenda_head set generation = 1"
    with (
        psycopg.connect(database_url, autocommit=True) as writer,
        rival.rival(database_url, autocommit=True) as lighting,
    ):
        writer.execute(insert)
        rival.light_fuse(lighting, state="40001", times=2)
        for count in (1, 2):
            with pytest.raises(psycopg.errors.SerializationFailure):
                writer.execute(insert)
            assert rival.burnt(lighting) == count
        writer.execute(insert)
        assert rival.burnt(lighting) == 2
        rival.light_fuse(lighting, state="40001", times=0)
        assert rival.burnt(lighting) == 0
        writer.execute(insert)


def test_sessions_are_counted(database_url: str) -> None:
    with rival.rival(database_url, autocommit=True) as connection:
        before = rival.count_sessions(connection)
        with psycopg.connect(database_url):
            assert rival.count_sessions(connection) == before + 1
        until(lambda: rival.count_sessions(connection) == before, what="the session is gone")
