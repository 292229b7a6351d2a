"""Importing files of measurements: what is wrong is said with file, row and mend, before anything is imported."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import Lockstep, answer

MAPPING: dict[str, Any] = {
    "source": "diary",
    "header": True,
    "taken": {"date": "at", "date_format": "iso"},
    "patient": "{given}",
    "identifier": "{patient} {at}",
    "value": "weight",
    "codes": {"*": {"code": "29463-7", "unit": "kg"}},
}
GOOD = "at,weight\n1991-04-01T08:00:00Z,80\n1991-04-02T08:00:00Z,81\n"


@pytest.fixture
def mapping(clinic: Path) -> Path:
    path = clinic / "diary.yaml"
    path.write_text(yaml.safe_dump(MAPPING))
    return path


def file_of(clinic: Path, text: str | bytes, name: str = "diary.csv") -> Path:
    path = clinic / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "\ufeff" + GOOD,
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\r"),
        "\n \n" + GOOD.replace("\n", "\n\n"),
        GOOD.rstrip("\n"),
    ],
    ids=["plain", "byte order mark", "CRLF", "CR", "empty lines", "no line break at the end"],
)
def test_however_the_lines_end(lockstep: Lockstep, clinic: Path, mapping: Path, text: str) -> None:
    words = ("measurement", "import", file_of(clinic, text), "--mapping", mapping, "--patient", "p1", "--json")
    told = answer(lockstep(*words))
    assert (told["rows"], told["stored"], told["refused"]) == (2, 2, 0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD.replace("at,", "when,"), "no column 'at' (at bad.csv, header). The columns are when, weight;"),
        (GOOD.replace(",", ";"), "say delimiter: semicolon in the mapping."),
        ("at,weight\n1991-04-01T08:00:00Z,\xe9\n".encode("latin-1"), "not text in UTF-8 (at bad.csv, row 2). Save it"),
        (GOOD.encode("utf-16"), "not text in UTF-8 (at bad.csv, row 1)"),
        (GOOD + "1" * 200_000, "100,000 characters or more (at bad.csv, row 4)"),
    ],
    ids=["missing column", "other delimiter", "other encoding", "UTF-16", "no lines"],
)
def test_of_several_files_one_that_cannot_be_read_refuses_all(
    lockstep: Lockstep, clinic: Path, mapping: Path, text: str | bytes, said: str
) -> None:
    good, bad = file_of(clinic, GOOD), file_of(clinic, text, "bad.csv")
    refused = lockstep("measurement", "import", good, bad, "--mapping", mapping, "--patient", "p1", code=4)
    assert said in refused.stderr
    told = answer(lockstep("measurement", "import", good, "--mapping", mapping, "--patient", "p1", "--json"))
    assert told["stored"] == 2


def test_a_file_that_is_not_there(lockstep: Lockstep, clinic: Path, mapping: Path) -> None:
    for words in ((clinic / "no.csv", "--mapping", mapping), (mapping, "--mapping", clinic / "no.csv")):
        failed = lockstep("measurement", "import", *words, "--patient", "p1", code=2)
        assert "no.csv cannot be read: No such file" in failed.stderr
        assert "Interrupted" not in failed.stderr


def test_a_mapping_that_is_no_text(lockstep: Lockstep, clinic: Path) -> None:
    mapping = file_of(clinic, b"\xff\xfe", "diary.yaml")
    refused = lockstep("measurement", "import", file_of(clinic, GOOD), "--mapping", mapping, code=4)
    assert "not text in UTF-8 (at diary.yaml)" in refused.stderr


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((), "say --patient"),
        (("--patient", "nobody"), "There is no patient 'nobody' (at --patient). Register them: lockstep patient add"),
    ],
)
def test_a_patient_who_is_not_named_or_not_there(
    lockstep: Lockstep, clinic: Path, mapping: Path, more: tuple[str, ...], said: str
) -> None:
    words = ("measurement", "import", file_of(clinic, GOOD), "--mapping", mapping)
    assert said in lockstep(*words, *more, code=4 if more else 2).stderr
    created = answer(lockstep(*words, "--patient", "nobody", "--create-patients-in", "UTC", "--json"))
    assert created["stored"] == 2


def test_a_unit_that_measures_something_else(lockstep: Lockstep, clinic: Path) -> None:
    codes = {"*": {"code": "29463-7", "unit": "mm[Hg]"}}
    mapping = file_of(clinic, yaml.safe_dump({**MAPPING, "codes": codes}), "diary.yaml")
    words = ("measurement", "import", file_of(clinic, GOOD), "--mapping", mapping, "--patient", "p1")
    assert "diary.csv row 2: A value in 'mm[Hg]' cannot be expressed in 'kg'" in lockstep(*words, code=4).stdout


def test_an_import_that_is_interrupted_says_how_far_it_came_and_goes_on(
    lockstep: Lockstep, clinic: Path, mapping: Path, database_url: str
) -> None:
    lines = [f"{1950 + n // 365}-01-01T00:{n // 60 % 60:02}:{n % 60:02}Z,80\n" for n in range(20_000)]
    file = file_of(clinic, "at,weight\n" + "".join(lines))
    words = ["measurement", "import", str(file), "--mapping", str(mapping), "--patient", "p1", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, *words],
        env={**os.environ, "LOCKSTEP_DATABASE_URL": database_url},
        stdout=subprocess.PIPE,
        text=True,
    )
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Interrupted: 2,000 rows of diary.csv are done, up to row 2,001, and stay. Import again" in said
    again = answer(lockstep(*words))
    assert (again["duplicate"], again["stored"]) == (2_000, 18_000)


# Ctrl-C while the third batch is on its way.
INTERRUPTED = f"""
import os
from lockstep.cli.main import app
from lockstep.engine import measurement_file
batches = []
whole = measurement_file.record_measurements
def record(*given, **named):
    batches.append(1)
    if len(batches) == 3:
        os.kill(os.getpid(), {int(signal.SIGINT)})
    return whole(*given, **named)
measurement_file.record_measurements = record
app()
"""
