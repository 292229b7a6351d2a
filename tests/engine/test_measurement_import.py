"""Importing a file is a decision: the audit says who imported which file, and what became of its rows."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from lockstep.domain.measurement_mapping import FileMapping, parse_mapping
from lockstep.domain.refusal import InvalidMapping
from lockstep.engine import measurement_file
from lockstep.engine.measurement_file import Totals, import_measurements
from lockstep.store.database import Database

from .measured_world import MORNING, Measured

if TYPE_CHECKING:
    from tests.conftest import Clock

DIGEST = "a3" * 32


@pytest.fixture
def mapping() -> FileMapping:
    return parse_mapping(
        {
            "source": "diary",
            "columns": ["at", "weight"],
            "header": "yes",
            "taken": {"date": "at", "date_format": "iso"},
            "patient": "{given}",
            "identifier": "{patient} {at}",
            "value": "weight",
            "codes": {"*": {"code": "29463-7", "unit": "kg"}},
        }
    )


def lines(days: int = 3) -> Iterator[str]:
    yield "at,weight\n"
    for day in range(1, days + 1):
        yield f"1991-04-{day:02}T08:00:00Z,80\n"


def bring_in(world: Measured, given: Iterator[str], mapping: FileMapping, **more: Any) -> Totals:
    return import_measurements(
        world.database,
        organisation_id=world.organisation_id,
        lines=given,
        mapping=mapping,
        file="anna-1991",
        patient="anna",
        actor="n.urse",
        file_digest=DIGEST,
        **more,
    )


def entries(world: Measured) -> list[tuple[Any, ...]]:
    return world.ask(
        "select actor, action, subject, detail from audit_entry where action like '%import' order by audit_entry_id"
    )


def test_who_imported_which_file_and_what_became_of_it(
    database: Database, clock: "Clock", admin: psycopg.Connection, mapping: FileMapping
) -> None:
    world = Measured(database, admin, clock.set)
    clock.set(MORNING)
    bring_in(world, lines(), mapping)
    bring_in(world, lines(), mapping)
    assert [entry[:3] for entry in entries(world)] == [
        ("n.urse", "begin import", "file anna-1991"),
        ("n.urse", "end import", "file anna-1991"),
    ] * 2
    begun, ended, _, repeated = (entry[3] for entry in entries(world))
    assert begun == {
        "sha256": DIGEST, "source": "diary", "zone": None, "after_row": 0, "create_patients_in": None,
    }  # fmt: skip
    sums = {"rows": 3, "stored": 3, "duplicate": 0, "set aside": 0, "refused": 0}
    assert ended == {"sha256": DIGEST, "source": "diary", "ended": "complete", "last_row": 4, **sums}
    assert (repeated["stored"], repeated["duplicate"]) == (0, 3)


def test_what_was_interrupted_says_how_far_it_came(
    database: Database,
    clock: "Clock",
    admin: psycopg.Connection,
    mapping: FileMapping,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = Measured(database, admin, clock.set)
    clock.set(MORNING)
    monkeypatch.setattr(measurement_file, "BATCH", 2)

    def interrupt(totals: Totals) -> None:
        if totals.rows == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bring_in(world, lines(7), mapping, progress=interrupt)
    ended = entries(world)[-1][3]
    assert (ended["ended"], ended["last_row"], ended["stored"]) == ("interrupted", 5, 4)
    assert world.ask("select count(*) from measurement") == [(4,)]
    again = bring_in(world, lines(7), mapping)
    assert {str(outcome): count for outcome, count in again.outcomes.items()} == {"duplicate": 4, "stored": 3}


def test_a_file_that_cannot_be_read_is_no_import(
    database: Database, clock: "Clock", admin: psycopg.Connection, mapping: FileMapping
) -> None:
    world = Measured(database, admin, clock.set)
    without_columns = FileMapping(**{**{f: getattr(mapping, f) for f in mapping.__slots__}, "columns": ()})
    with pytest.raises(InvalidMapping):
        bring_in(world, iter(["when,weight\n", "1991-04-01T08:00:00Z,80\n"]), without_columns)
    assert entries(world) == []
