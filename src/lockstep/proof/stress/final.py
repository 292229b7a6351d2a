"""Reads the database at the end of a run, in one snapshot, as a superuser: for checkers, and for nobody else."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lockstep.domain.audit import Entry, Link, Seal
from lockstep.proof.stress.evidence import (
    AssignmentRow,
    EnrolmentRow,
    EntryRow,
    Final,
    HeadRow,
    MeasurementRow,
    OccurrenceRow,
    OperationRow,
    PauseRow,
    RowGroup,
    SampleRow,
    SwitchRow,
    TableRow,
    ZoneRow,
)
from lockstep.store import trial
from lockstep.store.database import Connection
from lockstep.store.queries import load

_SQL = load("final.sql", package="lockstep.proof.stress")


@dataclass(frozen=True, slots=True)
class Unfinished:
    """What still has to happen."""

    recalculations: int
    unsealed: int
    undecided: int
    aside: int

    def anything(self) -> bool:
        """Whether there is anything."""
        return any((self.recalculations, self.unsealed, self.undecided, self.aside))


def count_unfinished(url: str) -> Unfinished:
    """What still has to happen before the end can be looked at."""
    with trial.looking(url) as connection:
        return Unfinished(*_rows(connection, "count_unfinished")[0])


def read_final(url: str, *, judged_at: datetime | None = None) -> Final:
    """All rows that checkers look at. Workers judged until `judged_at` (by default until now)."""
    with trial.looking(url) as connection:
        at = _rows(connection, "get_instant")[0][0]
        judged_at = judged_at or at
        return Final(
            at=judged_at,
            switches=[SwitchRow(*_utc(row)) for row in _rows(connection, "list_switches")],
            members={row[0]: frozenset(row[1]) for row in _rows(connection, "list_members")},
            contents={(row[0], row[1]): row[2] for row in _rows(connection, "list_contents")},
            enrolments=[EnrolmentRow(*row) for row in _rows(connection, "list_enrolments")],
            assignments=[AssignmentRow(*row) for row in _rows(connection, "list_assignments")],
            pauses=[PauseRow(*row) for row in _rows(connection, "list_pauses")],
            zones=[ZoneRow(*row) for row in _rows(connection, "list_zones")],
            outages=[(row[0], row[1], row[2]) for row in _rows(connection, "list_outages")],
            heads=[HeadRow(*row) for row in _rows(connection, "list_heads")],
            rows=[RowGroup(*row) for row in _rows(connection, "list_row_groups")],
            occurrences=[OccurrenceRow(*row) for row in _rows(connection, "list_occurrences")],
            measurements=[MeasurementRow(*row) for row in _rows(connection, "list_measurements")],
            aside=frozenset((row[0], row[1], row[2]) for row in _rows(connection, "list_aside")),
            samples=[SampleRow(*row) for row in _rows(connection, "list_samples")],
            operations=[OperationRow(*row) for row in _rows(connection, "list_operations")],
            entries=[EntryRow(*row) for row in _rows(connection, "list_entries")],
            chains=_chains(_rows(connection, "list_links")),
            tables=[TableRow(*row) for row in _rows(connection, "list_tables")],
            left={row[0]: row[1] for row in _rows(connection, "list_left", judged_at=judged_at)},
        )


def _rows(connection: Connection, name: str, **values: Any) -> list[tuple[Any, ...]]:
    return connection.execute(_SQL[name], values or None).fetchall()


def _utc(row: Sequence[Any]) -> list[Any]:
    return [each.astimezone(UTC) if isinstance(each, datetime) else each for each in row]


def _chains(rows: Sequence[Sequence[Any]]) -> dict[int, list[Link]]:
    found: dict[int, list[Link]] = {}
    for organisation_id, position, sealed_id, entry_hash, chain_hash, sealed_at, *entry in rows:
        seal = None if position is None else Seal(position, sealed_id, entry_hash, chain_hash, sealed_at)
        found.setdefault(organisation_id, []).append(Link(seal, None if entry[0] is None else Entry(*entry)))
    return found
