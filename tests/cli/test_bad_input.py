"""Whatever stands on the command line, no command shows a traceback: it works, or says what, where and how to mend."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from tests.cli.conftest import Lockstep
from typer.testing import CliRunner

from lockstep.cli.main import app

HUGE = ["99999999999999999999", "9223372036854775808", "2147483648", "-1", "0", "", "²", "nan", "١"]
TEXTS = ["", " ", "a\0b", "\udcff", "𝔭 ⁂ ‮", "x" * 5000, "#99999999999999999999", "#²", "'; --", "9" * 400]
TIMES = [
    "9999-12-31T23:59", "0001-01-01T00:00+14:00", "9999-12-31T00:00Z", "0001-01-01T00:00Z", "0001-01-01", "9999-12-31",
    "2026-02-30", "24:00", "", "2026-W01-1", "-1", "now\0", "2026-12-01T08:00+23:59",
]  # fmt: skip
PLACES = ["", "/", "/no/such", "x" * 5000, "a\0b", "/dev/null"]
TIMED = {"at", "known_at", "anchor_on", "born_on"}
LONG = {"demo", "budget", "bench", "stress", "worker", "migrate", "watch"}
"""These begin work that lasts or concerns the installation; their arguments are read the same way."""
CODES = {0, 2, 3, 4, 5, 6}

GIVEN: dict[str, str] = {
    "identifier": "p1", "patient": "p1", "protocol": "heart/stable", "named": "heart/stable", "program": "heart",
    "reason": "why", "zone": "UTC", "key": "k", "number": "1", "before": "stable", "after": "stable",
}  # fmt: skip


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command with its words."""
    if hasattr(command, "commands"):
        for name, each in command.commands.items():
            yield from commands(each, (*words, name))
    else:
        yield words, command


EVERY = {" ".join(words): each for words, each in commands(typer.main.get_command(app)) if words[0] not in LONG}


def weird(parameter: Any) -> list[str]:
    """Values that nobody should type there."""
    if parameter.name in TIMED:
        return TIMES
    kind = str(parameter.type_descriptor.annotation)
    if "Path" in kind:
        return PLACES
    return HUGE if "int" in kind or "float" in kind else TEXTS


def line(command: Any, chosen: str, value: str, folder: Path) -> list[str]:
    """The command with what it needs, and the value in the chosen place."""
    arguments, options = [], []
    for each in command.params:
        usual = str(folder / "longer.yaml") if each.name in ("file", "files", "mapping", "publish") else None
        usual = usual or GIVEN.get(each.name)
        given = value if each.name == chosen else usual if each.required or each.name == "publish" else None
        if given is None:
            continue
        if each.param_type_name == "argument":
            arguments.append(given)
        else:
            options.append(f"{each.opts[0]}={given}" if each.opts[0].startswith("--") else f"{each.opts[0]}{given}")
    return ["--json", *options, "--", *arguments]


@pytest.mark.parametrize("named", EVERY)
def test_no_argument_makes_a_traceback(named: str, lockstep: Lockstep, clinic: Path) -> None:
    command = EVERY[named]
    for parameter in command.params:
        if getattr(parameter, "is_flag", False):
            continue
        for value in weird(parameter):
            words = [*named.split(), *line(command, parameter.name, value, clinic)]
            if parameter.name != "seconds" and any(each.name == "seconds" for each in command.params):
                words.insert(2, "--seconds=0")
            result = CliRunner().invoke(app, words)
            said = f"{words}: {result.exit_code} {result.output[-300:]}"
            assert result.exception is None or isinstance(result.exception, SystemExit), said + repr(result.exception)
            assert result.exit_code in CODES, said
            if result.exit_code in (2, 4) and not result.stdout.startswith(('{"files"', '{"rows"')):
                refusal = json.loads(result.stdout)["refusal"]
                assert refusal["what"], said
                assert refusal["where"] or refusal["mend"], said
