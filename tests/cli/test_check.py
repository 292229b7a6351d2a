"""`lockstep check` recomputes from facts, says what differs, and mends it where asked."""

from collections.abc import Callable
from pathlib import Path

import psycopg
from tests.cli.conftest import Lockstep, answer

Settle = Callable[[], None]


def test_a_clean_organisation_gets_its_certificate(lockstep: Lockstep, clinic: Path, settle: Settle) -> None:
    settle()
    told = answer(lockstep("check", "run", "--json"))
    assert (told["checked"], told["drifted"]) == (1, 0)
    assert len(told["certificate"]) == 64
    assert "1 recomputed, 0 differ" in lockstep("check", "show", told["check_id"]).stdout


def test_drift_ends_with_5_and_is_mended_where_asked(
    lockstep: Lockstep, clinic: Path, settle: Settle, admin: psycopg.Connection
) -> None:
    settle()
    admin.execute("update agenda set slot = 'forged'")
    told = answer(lockstep("check", "run", "--repair", "--json", code=5))
    assert (told["drifted"], told["repaired"]) == (1, 1)
    shown = answer(lockstep("check", "show", told["check_id"], "--json"))
    assert shown["drifts"][0]["kind"] == "stale agenda"
    assert answer(lockstep("check", "run", "--json"))["drifted"] == 0


def test_an_unknown_check_and_an_unknown_scope_are_refused(lockstep: Lockstep, clinic: Path) -> None:
    assert "no check" in lockstep("check", "show", 999, code=4).stderr
    assert "scope" in lockstep("check", "run", "--scope", "planet", code=4).stderr
