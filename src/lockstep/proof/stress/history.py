"""Histories: what each client process asked and was answered, a line of JSON each, written at once.

The format is described in docs/reference/history.md.
"""

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

OK, FAIL, UNKNOWN = "ok", "fail", "unknown"
INVOKE = "invoke"


@dataclass(frozen=True, slots=True)
class Operation:
    """One request and what came of it.

    `outcome` is `ok` (it has happened, `answer` says what), `fail` (it was refused and has not happened) or `unknown`
    (no answer, or the client was killed: it may have happened, and may still). Instants are the machine's monotonic
    clock; `_at` are the database's clock as the client knew it. What is unknown was told at the end of all times.
    """

    client: str
    number: int
    do: str
    organisation_id: int | None
    sent: Mapping[str, Any]
    asked: float
    asked_at: datetime
    outcome: str = UNKNOWN
    answer: Mapping[str, Any] = field(default_factory=dict)
    told: float = float("inf")
    told_at: datetime | None = None

    @property
    def ok(self) -> bool:
        """Whether it was acknowledged."""
        return self.outcome == OK


class DatabaseClock:
    """The database's instant, told from the monotonic clock after it was asked once."""

    def __init__(self, ask: Callable[[], datetime]) -> None:
        before = time.monotonic()
        at = ask()
        after = time.monotonic()
        self._at, self._mono = at.astimezone(UTC), (before + after) / 2

    def at(self, mono: float) -> datetime:
        """The database's instant at an instant of the monotonic clock."""
        return self._at + timedelta(seconds=mono - self._mono)


class Recorder:
    """Writes one client's history; every line is in the file before the method returns, also if we are killed then."""

    def __init__(self, folder: Path, client: str, clock: DatabaseClock) -> None:
        self.client = client
        self._clock = clock
        self._number = 0
        self._file = os.open(folder / f"{client}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def invoke(self, do: str, organisation_id: int | None, /, **sent: Any) -> int:
        """The request is about to be sent; returns its number."""
        self._number += 1
        self._write(INVOKE, self._number, {"do": do, "organisation": organisation_id, "sent": sent})
        return self._number

    def ok(self, number: int, /, **answer: Any) -> None:
        """The request was answered: it has happened."""
        self._write(OK, number, {"answer": answer})

    def fail(self, number: int, /, **answer: Any) -> None:
        """The request was refused: it has not happened."""
        self._write(FAIL, number, {"answer": answer})

    def unknown(self, number: int, /, **answer: Any) -> None:
        """Nobody knows whether the request has happened."""
        self._write(UNKNOWN, number, {"answer": answer})

    def _write(self, phase: str, number: int, body: Mapping[str, Any]) -> None:
        mono = time.monotonic()
        line = {"op": number, "phase": phase, "mono": round(mono, 6), "at": self._clock.at(mono).isoformat(), **body}
        # One call to the kernel, so that a killed client leaves whole lines.
        os.write(self._file, json.dumps(line, default=_plain, separators=(",", ":")).encode() + b"\n")

    def close(self) -> None:
        """The file is closed, if it was not."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


@dataclass(frozen=True, slots=True)
class History:
    """The operations of all clients, in the order in which they were asked."""

    operations: tuple[Operation, ...] = ()

    def of(self, *names: str) -> list[Operation]:
        """The operations that do one of these."""
        return [each for each in self.operations if each.do in names]

    def clients(self) -> dict[str, list[Operation]]:
        """The operations of each client, in order."""
        found: dict[str, list[Operation]] = {}
        for each in self.operations:
            found.setdefault(each.client, []).append(each)
        return found


def read_histories(folder: Path) -> History:
    """Every history of the folder; a line that a killed client did not finish is left out."""
    operations: list[Operation] = []
    for file in sorted(folder.glob("*.jsonl")):
        operations += operations_of(file.stem, file.read_text(encoding="utf-8").splitlines())
    return History(tuple(sorted(operations, key=lambda each: each.asked)))


def operations_of(client: str, lines: Iterable[str]) -> list[Operation]:
    """One client's lines as operations; those that were never answered are unknown."""
    asked: dict[int, dict[str, Any]] = {}
    ended: dict[int, dict[str, Any]] = {}
    for line in lines:
        try:
            read = json.loads(line)
        except ValueError:
            continue
        (asked if read["phase"] == INVOKE else ended)[read["op"]] = read
    return [_operation(client, begun, ended.get(number)) for number, begun in asked.items()]


def _operation(client: str, begun: Mapping[str, Any], ended: Mapping[str, Any] | None) -> Operation:
    known = {} if ended is None else _end(ended)
    return Operation(
        client=client,
        number=begun["op"],
        do=begun["do"],
        organisation_id=begun["organisation"],
        sent=begun["sent"],
        asked=begun["mono"],
        asked_at=datetime.fromisoformat(begun["at"]),
        **known,
    )


def _end(ended: Mapping[str, Any]) -> dict[str, Any]:
    phase = ended["phase"]
    return {
        "outcome": phase,
        "answer": ended["answer"],
        "told": ended["mono"] if phase != UNKNOWN else float("inf"),
        "told_at": datetime.fromisoformat(ended["at"]),
    }


def instant(text: Any) -> datetime:
    """An instant as histories write it."""
    return text if isinstance(text, datetime) else datetime.fromisoformat(text)
