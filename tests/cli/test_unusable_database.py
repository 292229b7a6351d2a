"""A database that cannot be used says why, at once, in a sentence of its own and in JSON; each ends with its number."""

import time
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from psycopg import conninfo
from tests.cli.conftest import Lockstep, answer


def refusal_of(lockstep: Lockstep, code: int) -> tuple[str, str, str]:
    """The refusal's code, where and mend; said without a long wait and without anybody else's noise."""
    begun = time.monotonic()
    said = lockstep("organisation", "list", "--json", code=code)
    assert time.monotonic() - begun < 4
    assert said.stderr == ""
    told = answer(said)["refusal"]
    assert (told["what"], told["where"], told["mend"]) > ("", "", "")
    return told["code"], told["where"], told["mend"]


def test_not_migrated(server_url: str, lockstep: Lockstep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCKSTEP_DATABASE_URL", server_url)
    code, _, mend = refusal_of(lockstep, 4)
    assert (code, mend) == ("not-migrated", "Run: lockstep migrate")
    assert "lockstep migrate" in lockstep("organisation", "list", code=4).stderr


@pytest.mark.parametrize("url", ["garbage", "postgresql://[::1", "host=a port", "postgresql://h:port/x", "a\udcff=b"])
def test_an_address_that_is_none(url: str, lockstep: Lockstep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCKSTEP_DATABASE_URL", url)
    code, where, _ = refusal_of(lockstep, 4)
    assert (code, where) == ("invalid-address", "LOCKSTEP_DATABASE_URL")
    assert url not in lockstep("organisation", "list", code=4).stderr, "it may hold a password"


def test_a_server_that_is_down(lockstep: Lockstep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCKSTEP_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    code, where, _ = refusal_of(lockstep, 7)
    assert (code, where) == ("unreachable", "127.0.0.1, port 1")


@pytest.mark.parametrize("part", [{"dbname": "no_such_database"}, {"user": "no_such_user"}])
def test_an_unknown_database_or_user(
    part: dict[str, str], server_url: str, lockstep: Lockstep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCKSTEP_DATABASE_URL", conninfo.make_conninfo(server_url, **part))
    code, where, _ = refusal_of(lockstep, 4)
    assert (code, where) == ("database-refuses", "LOCKSTEP_DATABASE_URL")


def test_a_setting_that_is_none(lockstep: Lockstep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCKSTEP_POOL_MAX", "many")
    assert refusal_of(lockstep, 4)[1] == "LOCKSTEP_POOL_MAX"


@pytest.mark.parametrize(("needs", "used", "said"), [(False, True, "this password"), (True, False, "wants a password")])
def test_a_wrong_password_and_none_at_all(
    needs: bool, used: bool, said: str, lockstep: Lockstep, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The server of the tests trusts everybody on this machine, so what the driver tells is put in its place.
    failure = psycopg.OperationalError("connection failed: FATAL:  not with us" if used else "fe_sendauth: none")
    state = SimpleNamespace(needs_password=needs, used_password=used)
    monkeypatch.setattr(psycopg.OperationalError, "pgconn", property(lambda _: state))

    def refuse(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(psycopg, "connect", refuse)
    assert refusal_of(lockstep, 4)[0] == "database-refuses"
    assert said in lockstep("organisation", "list", code=4).stderr


@pytest.mark.parametrize("command", ["migrate", "worker"])
def test_workers_and_migrations_say_it_too(command: str, lockstep: Lockstep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCKSTEP_DATABASE_URL", "garbage")
    assert "no address" in lockstep(command, code=4).stderr


def test_every_exit_code_is_documented() -> None:
    from lockstep.cli.face import Exit

    text = (Path(__file__).parents[2] / "docs/reference/exit-codes.md").read_text()
    assert [f"| {code.value} |" in text for code in Exit] == [True] * len(Exit)
