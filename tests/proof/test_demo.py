"""The demonstration proves what it says, and says NOT PROVEN when somebody tampered."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from tests.conftest import place_of_servers

from lockstep.proof.claim import Claim, is_proven, verdict
from lockstep.store import server
from lockstep.store.trial import PREFIX

pytestmark = pytest.mark.timeout(400)
COMMAND = [sys.executable, "-m", "lockstep.cli.main", "demo", "--patients", "300", "--rate", "60", "--json"]


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A home of its own, so that the server's log is of nobody else."""
    place = place_of_servers() / f"lockstep-tests-demo-{os.getpid()}"
    place.mkdir(mode=0o755)
    yield place
    server.stop(place / "server", mode="immediate")
    subprocess.run(["rm", "-rf", str(place)], check=True)


def environment(home: Path) -> dict[str, str]:
    """Without an address of another server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LOCKSTEP_")}
    return {**kept, "LOCKSTEP_HOME": str(home)}


def show(home: Path, *options: str) -> tuple[int, dict[str, Any], str]:
    """The exit code, the answer in JSON, and what was told."""
    done = subprocess.run(
        [*COMMAND, "--exit", *options], env=environment(home), capture_output=True, text=True, timeout=380, check=False
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout), done.stderr


def test_every_claim_is_proven_and_the_figures_add_up(home: Path, tmp_path: Path) -> None:
    code, answer, told = show(home, "--picture", str(tmp_path / "demo.svg"))
    assert (code, answer["verdict"]) == (0, "PROVEN"), told
    figures = answer["figures"]
    measured = figures["measurements"]
    outcomes = [measured[name] for name in ("stored", "duplicate", "set aside", "refused")]
    assert measured["sent"] == sum(outcomes) > 0
    assert measured["stored_rows"] == measured["stored"]
    assert figures["check"]["checked"] == 300
    assert figures["check"]["drifted"] == 0
    assert len(figures["check"]["certificates"]) == 3
    assert figures["switch"]["recalculated"] == figures["preview"]["patients"] == 180
    assert figures["switch"]["answers"]["before"] > 0
    assert figures["switch"]["answers"]["after"] > 0
    assert figures["missed"]["found"] == figures["missed"]["silent"] > 0
    assert "PROVEN" in (tmp_path / "demo.svg").read_text()
    assert not left_behind(home)


def test_a_wrong_row_is_found_and_nothing_is_proven(home: Path) -> None:
    code, answer, told = show(home, "--tamper")
    assert code == 1, told
    assert answer["verdict"] == "NOT PROVEN"
    assert not answer["claims"]["drift"]["holds"]
    assert answer["figures"]["check"]["drifted"] == 1
    others = {name for name, claim in answer["claims"].items() if not claim["holds"]} - {"drift"}
    assert not others, told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_when_it_is_ended_in_the_middle(home: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        COMMAND, env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if "senders" in line:
                break
        children = psutil.Process(running.pid).children(recursive=True)
        family = [process for process in children if "python" in process.name()]
        assert len(family) >= 6  # two workers, two senders, two readers
        running.send_signal(number)
        _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    # The server's processes stay no longer than ours; multiprocessing's own helper notices a moment later.
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive
    assert not left_behind(home)


def left_behind(home: Path) -> list[str]:
    """Databases of demonstrations that are still there."""
    url = server.embedded_url(home / "server", database="postgres")
    try:
        with psycopg.connect(url) as connection:
            found = connection.execute("select datname from pg_database").fetchall()
    finally:
        server.leave(home / "server")
    return [row[0] for row in found if row[0].startswith(PREFIX)]


def test_one_claim_that_does_not_hold_disproves_all() -> None:
    holds = Claim("a", "A", "0", "0", True)
    assert is_proven([holds])
    assert not is_proven([holds, Claim("b", "B", "1", "0", False)])
    assert not is_proven([Claim("c", "C", "5 ms")])
    assert verdict([holds]) == "PROVEN"
