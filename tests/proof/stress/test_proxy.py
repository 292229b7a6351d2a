"""The fault proxy: forwards what it is given, and does to connections what it is told, to live ones only."""

import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
from tests.worker.processes import until

from lockstep.proof.stress.proxy import wire
from lockstep.proof.stress.proxy.proxy import Proxy
from lockstep.store.transient import is_transient


@pytest.fixture
def proxy(server_url: str, database_url: str) -> Iterator[Proxy]:
    if "host=127" in server_url or "@127" in server_url:
        pytest.skip("the server listens on no socket of this machine")
    with Proxy(database_url) as started:
        yield started


def connect(proxy: Proxy, name: str = "victim", **more: bool) -> psycopg.Connection:
    return psycopg.connect(proxy.url, application_name=name, connect_timeout=5, **more)  # type: ignore[arg-type]


def test_it_forwards_what_it_is_given(proxy: Proxy) -> None:
    with connect(proxy, autocommit=True) as connection:
        row = connection.execute("select string_agg(repeat('x', n), '') from generate_series(1, 1000) n").fetchone()
        assert row is not None
        assert len(row[0]) == 500_500
        big = connection.execute("select length(%s::text)", ["y" * 300_000]).fetchone()
        assert big == (300_000,)
        assert proxy.tell("list")["names"] == ["victim"]
    until(lambda: proxy.tell("list")["names"] == [], what="the closed connection is forgotten")


def test_only_a_busy_connection_is_reset(proxy: Proxy) -> None:
    with connect(proxy, autocommit=True) as connection:
        connection.execute("select 1")
        assert proxy.tell("reset", name="victim")["names"] == [], "nothing was under way"
        connection.execute("begin")
        assert proxy.tell("reset", name="other")["names"] == []
        assert proxy.tell("reset", name="victim")["names"] == ["victim"]
        with pytest.raises(psycopg.OperationalError) as failed:
            connection.execute("select 1")
        assert is_transient(failed.value)


def test_the_reply_to_a_commit_is_lost_and_the_commit_holds(proxy: Proxy, admin: psycopg.Connection) -> None:
    admin.execute("create table kept (number integer)")
    with connect(proxy) as connection:
        before = proxy.tell("lose", name="victim")["lost"]
        connection.execute("select 1")
        connection.commit()
        assert proxy.tell("lost")["lost"] == before, "a commit that wrote nothing is let through"
        connection.execute("insert into kept values (1)")
        with pytest.raises(psycopg.OperationalError) as failed:
            connection.commit()
        assert is_transient(failed.value)
    assert proxy.tell("lost") == {"lost": before + 1, "last": "victim"}
    assert admin.execute("select count(*) from kept").fetchone() == (1,)
    with connect(proxy) as connection:
        connection.execute("insert into kept values (2)")
        connection.commit()  # only one was to be lost


def test_messages_are_delayed_in_their_order(proxy: Proxy) -> None:
    with connect(proxy, autocommit=True) as connection:
        links = proxy.tell("delay", name="victim", busy=False, seconds=0.2)["links"]
        began = time.monotonic()
        assert connection.execute("select 1").fetchone() == (1,)
        assert time.monotonic() - began >= 0.4
        assert proxy.tell("heal", links=links)["held"] > 0
        began = time.monotonic()
        assert connection.execute("select 2").fetchone() == (2,)
        assert time.monotonic() - began < 0.2


def test_nothing_passes_a_black_hole(proxy: Proxy) -> None:
    failed: list[BaseException] = []

    def ask(connection: psycopg.Connection) -> None:
        try:
            connection.execute("select 1")
        except psycopg.OperationalError as error:
            failed.append(error)

    with connect(proxy, autocommit=True) as connection:
        links = proxy.tell("hole", name="victim", busy=False)["links"]
        thread = threading.Thread(target=ask, args=(connection,))
        thread.start()
        thread.join(0.3)
        assert thread.is_alive(), "nobody answers, and nobody says so"
        assert proxy.tell("heal", links=links, reset=True)["held"] > 0
        thread.join(5)
        assert is_transient(failed[0])
    assert proxy.tell("list")["names"] == []


def test_errors_of_the_database_are_counted(proxy: Proxy) -> None:
    with connect(proxy, autocommit=True) as connection, pytest.raises(psycopg.errors.DivisionByZero):
        connection.execute("select 1 / 0")
    assert proxy.tell("errors")["errors"] == {"22012": 1}


def test_messages_are_cut_wherever_the_bytes_are() -> None:
    stream = b"Q\0\0\0\x0bcommit\0" + b"X\0\0\0\x04" + b"Q\0\0\0\x0dselect 1\0"
    for size in range(1, len(stream) + 1):
        cut = wire.Messages(b"Q")
        found = [m.body for begin in range(0, len(stream), size) for m in cut.feed(stream[begin : begin + size])]
        assert found == [b"commit\0", b"select 1\0"], size


def test_tags_tell_whether_rows_were_written() -> None:
    assert wire.rows_written(b"INSERT 0 3\0")
    assert wire.rows_written(b"UPDATE 1\0")
    assert not wire.rows_written(b"INSERT 0 0\0")
    assert not wire.rows_written(b"SELECT 5\0")
    assert not wire.rows_written(b"COMMIT\0")
