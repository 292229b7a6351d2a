"""Runs commands as a person types them, in this process, on the test's database."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.engine.switch_world import activity
from typer.testing import CliRunner, Result

from lockstep.cli.main import app
from lockstep.store.database import Database
from lockstep.worker.recalculation import Recalculating
from lockstep.worker.verification import Verifying

Lockstep = Callable[..., Result]


@pytest.fixture
def lockstep(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Lockstep:
    """Runs `lockstep` with these words; fails when it ends otherwise than with `code` or shows a traceback."""
    monkeypatch.setenv("LOCKSTEP_DATABASE_URL", database_url)
    monkeypatch.setenv("LOCKSTEP_ACTOR", "o.perator")

    def run(*words: object, code: int = 0) -> Result:
        result = CliRunner().invoke(app, [str(word) for word in words])
        assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
        assert result.exit_code == code, f"{words} ended with {result.exit_code}: {result.output}"
        return result

    return run


def answer(result: Result) -> Any:
    """What a command with --json answered."""
    return json.loads(result.stdout)


@pytest.fixture
def clinic(lockstep: Lockstep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An organisation with a program, a protocol with a version, a patient on it; returns a folder of documents."""
    monkeypatch.setenv("LOCKSTEP_ORGANISATION", "clinic")
    lockstep("organisation", "add", "clinic", "--title", "Clinic")
    lockstep("program", "add", "heart", "--title", "Heart failure")
    for name, closes in (("stable", "10:00"), ("longer", "11:00")):
        document = {"key": "stable", "title": "Stable", "activities": [activity(closes=closes)]}
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(document))
    lockstep("protocol", "add", "stable", "--program", "heart", "--title", "Stable")
    lockstep("protocol", "publish", "heart/stable", tmp_path / "stable.yaml", "-r", "first")
    lockstep("patient", "add", "p1", "--zone", "Europe/Amsterdam")
    lockstep("enrol", "p1", "--protocol", "heart/stable")
    return tmp_path


@pytest.fixture
def settle(database: Database) -> Callable[[], None]:
    """Does what a worker would do about recalculations, until nothing is left."""

    def until_done() -> None:
        recalculating, verifying = Recalculating(database), Verifying(database)
        while recalculating.run() or verifying.run():
            pass

    return until_done
