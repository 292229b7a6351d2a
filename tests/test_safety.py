"""The page on safety names places and tests that exist."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "safety.md").read_text()
PLACES = sorted(set(re.findall(r"`([\w/.]+\.(?:py|sql)): (\w+)`", PAGE)))
TESTS = sorted(set(re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE)))


@cache
def names_in(path: Path) -> frozenset[str]:
    """Functions and classes of a module, at any depth; queries and database functions of an SQL file."""
    text = path.read_text()
    if path.suffix == ".sql":
        return frozenset(re.findall(r"^(?:-- name: |create function )(\w+)", text, re.MULTILINE))
    defined = (ast.FunctionDef, ast.ClassDef)
    return frozenset(node.name for node in ast.walk(ast.parse(text)) if isinstance(node, defined))


@pytest.mark.parametrize(("file", "name"), PLACES)
def test_a_place_that_is_named_exists(file: str, name: str) -> None:
    assert name in names_in(ROOT / "src" / "lockstep" / file)


@pytest.mark.parametrize(("file", "name"), TESTS)
def test_a_test_that_is_named_exists(file: str, name: str) -> None:
    assert name in names_in(ROOT / "tests" / file)


def test_every_invariant_has_a_place_and_a_test() -> None:
    rows = {cells[1].strip(): cells for line in PAGE.splitlines() if len(cells := line.split("|")) == 6}
    wanted = [*(f"S{number}" for number in range(1, 15)), *(f"L{number}" for number in range(1, 8))]
    for invariant in wanted:
        _, _, _, held, shown, _ = rows[invariant]
        assert "not yet" in held or (re.search(r"`.+`", held) and re.search(r"::\w+", shown)), invariant


def test_every_hazard_has_a_place_and_a_test() -> None:
    section = PAGE.split("## Hazards")[1].split("## Invariants")[0]
    rows = [line.split("|") for line in section.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 20
    for _, hazard, _, held, shown, _ in rows:
        assert re.search(r": \w+`", held), hazard
        assert "::" in shown, hazard
