"""The report says what was looked at, what was not, and what was violated; the plots are drawings."""

from pathlib import Path
from xml.etree import ElementTree

from tests.proof.stress.made import accept, evidence, item, measure, measurement, read
from tests.proof.stress.test_checkers_patient import fault

from lockstep.proof.stress import report
from lockstep.proof.stress.checkers import check_all
from lockstep.proof.stress.evidence import Evidence
from lockstep.proof.stress.run import Outcome
from lockstep.proof.stress.stage import Options


def outcome(evidence: Evidence, folder: Path) -> Outcome:
    return Outcome(
        options=Options(faults=2, patients=100, minutes=1, seed=4),
        findings=tuple(check_all(evidence)),
        hits={"lock rows": 1, "restart the database": 1},
        missed={"lock rows": 1},
        broken=(),
        errors={"55P03": 3},
        operations={"measure": {"ok": 2, "unknown": 1}},
        seconds={"setting up": 1.0, "faults": 60.0, "settling": 5.0, "checking": 1.0},
        history=evidence.history,
        folder=folder,
    )


def test_it_tells_what_held_and_what_nobody_looked_at(tmp_path: Path) -> None:
    faults = [fault("lock rows", 10, 11), fault("restart the database", 20, 24, back=23.5)]
    asked = [measure(9000, item()), measure(23, item("2"), client="m"), measure(24, item("3"), client="m")]
    rows = [measurement(each, seconds=9000) for each in ("1", "2", "3")]
    shown = outcome(evidence(accept(), read(200, 2), *faults, *asked, measurements=rows, occurrences=[]), tmp_path)
    text = report.write(shown, tmp_path, command="lockstep stress --seed 4").read_text()
    assert "| S3 | reads | held | 1 | 0 | 3 |" in text
    assert "| S4 | past | **not looked at** | 0 | 0 |  |" in text
    assert "| lock rows | 1 | 1 | 12.01 s | 12.01 s |" in text
    assert "55P03 × 3" in text
    for name in ("stress-latencies.svg", "stress-recoveries.svg"):
        assert ElementTree.parse(tmp_path / name).getroot().tag.endswith("svg")


def test_violations_are_told_with_examples_and_no_bound(tmp_path: Path) -> None:
    shown = outcome(evidence(accept(), read(200, 1)), tmp_path)
    assert not shown.holds()
    text = report.write(shown, tmp_path, command="lockstep stress").read_text()
    assert "| S3 | reads | **violated** | 1 | 1 |  |" in text
    assert "version 1" in text
    assert "at 95 %. " not in report.sentence(shown)
