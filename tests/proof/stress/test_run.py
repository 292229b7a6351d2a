"""A short run with real processes and real faults, from the command to the report."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lockstep.cli.main import app
from lockstep.proof.stress.finding import HELD


@pytest.mark.timeout(400)
@pytest.mark.skipif("LOCKSTEP_DATABASE_URL" in os.environ, reason="a stress run stops and starts a server of its own")
def test_a_short_run_finds_no_violation_and_looks_at_most_invariants(tmp_path: Path) -> None:
    folder, report = tmp_path / "run", tmp_path / "report"
    arguments = ["--faults", "30", "--patients", "300", "--minutes", "0.4", "--seed", "5"]
    told = CliRunner().invoke(app, ["stress", *arguments, "--folder", str(folder), "--report", str(report), "--json"])
    assert told.exit_code == 0, told.output[-6000:]
    outcome = json.loads((folder / "outcome.json").read_text())
    assert outcome["holds"]
    assert sum(outcome["hits"].values()) > 10
    verdicts = {each["checker"]: each["verdict"] for each in outcome["findings"]}
    always = {
        "reads",
        "agendas",
        "measurements",
        "past",
        "requests",
        "civil time",
        "isolation",
        "audit",
        "conserved",
        "ended",
    }
    assert {name for name, verdict in verdicts.items() if verdict == HELD} >= always, verdicts
    assert not outcome["broken"]
    text = (report / "stress.md").read_text()
    assert "| S1 | reads, agendas | held |" in text
    assert (report / "stress-latencies.svg").exists()
    assert (report / "stress-recoveries.svg").exists()
