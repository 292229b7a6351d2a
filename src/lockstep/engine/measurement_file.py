"""Imports measurements from a delimited file by a mapping, in batches, as often as wanted."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

from lockstep.domain.measurement import Outcome
from lockstep.domain.measurement_file import Row, rows
from lockstep.domain.measurement_mapping import FileMapping
from lockstep.domain.patient import NewPatient
from lockstep.domain.refusal import AlreadyExists, Refusal
from lockstep.engine.audit import record_entry
from lockstep.engine.measurement import record_measurements
from lockstep.engine.patient import find_patients, register_patients
from lockstep.store.database import Database

BATCH = 1000
MOST_REMARKS = 100
_MOST_REMEMBERED = 100_000


@dataclass(frozen=True, slots=True)
class Remark:
    """Why one row was set aside or refused."""

    row: int
    outcome: Outcome
    reason: str


@dataclass(slots=True)
class Totals:
    """What became of the rows so far; `last_row` is the number of the last one done, `remarks` the first hundred."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    last_row: int = 0
    remarks: list[Remark] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows done: stored, duplicate, set aside and refused together."""
        return sum(self.outcomes.values())


def import_measurements(
    database: Database,
    *,
    organisation_id: int,
    lines: Iterable[str],
    mapping: FileMapping,
    file: str,
    patient: str = "",
    zone: str | None = None,
    create_patients_in: str | None = None,
    after_row: int = 0,
    actor: str = "import",
    file_digest: str = "",
    progress: Callable[[Totals], None] = lambda _: None,
) -> Totals:
    """What became of every row of the file; importing it again stores nothing new.

    Its instants are history: believed however old, and never taken for today's. The audit says who imported which file
    (`file_digest`, its SHA-256, tells one version from another) before the first batch, and how it ended: a beginning
    without an end was cut off by force.

    Batches of a thousand are recorded one after another, so that any size needs little memory; `progress` is told
    after each. What was interrupted goes on where it stopped by importing again, faster with `after_row` (the
    `last_row` of the totals so far). Unknown patients are set aside, unless `create_patients_in` names the zone they
    live in: then they are registered. Raises InvalidMapping where header and mapping disagree.
    """
    totals = Totals(last_row=after_row)
    found = (row for row in rows(lines, mapping, file=file, patient=patient, zone=zone) if row[0] > after_row)
    batches = _batches(found)
    first = next(batches, [])  # header and mapping agree, or nothing has happened yet
    audited: dict[str, object] = {"sha256": file_digest, "source": mapping.source}
    begun = {**audited, "zone": zone or mapping.zone, "after_row": after_row, "create_patients_in": create_patients_in}
    _record(database, organisation_id, actor, "begin import", file, begun)
    ended = "interrupted"
    try:
        _import(database, organisation_id, chain([first], batches), totals, create_patients_in, actor, progress)
        ended = "complete"
    finally:
        counts = {str(outcome): totals.outcomes[outcome] for outcome in Outcome}
        told = {**audited, "ended": ended, "last_row": totals.last_row, "rows": totals.rows, **counts}
        _record(database, organisation_id, actor, "end import", file, told)
    return totals


def _record(
    database: Database, organisation_id: int, actor: str, action: str, file: str, detail: dict[str, object]
) -> None:
    with database.transaction(organisation_id) as connection:
        record_entry(
            connection,
            organisation_id=organisation_id,
            actor=actor,
            action=action,
            subject=f"file {file}",
            detail=detail,
        )


def _import(
    database: Database,
    organisation_id: int,
    batches: Iterable[Sequence[Row]],
    totals: Totals,
    create_patients_in: str | None,
    actor: str,
    progress: Callable[[Totals], None],
) -> None:
    """The batches are recorded one after another and counted in `totals`."""
    known: set[str] = set()
    for batch in batches:
        if not batch:
            continue
        if create_patients_in is not None:
            _register(database, organisation_id, batch, create_patients_in, known, actor)
        answers = record_measurements(database, organisation_id=organisation_id, items=[result for _, result in batch])
        for (number, _), answer in zip(batch, answers, strict=True):
            totals.outcomes[answer.outcome] += 1
            if answer.reason and len(totals.remarks) < MOST_REMARKS:
                totals.remarks.append(Remark(number, answer.outcome, answer.reason))
        totals.last_row = batch[-1][0]
        progress(totals)


def _batches(found: Iterable[Row]) -> Iterator[list[Row]]:
    ahead = iter(found)
    while batch := list(islice(ahead, BATCH)):
        yield batch


def _register(
    database: Database, organisation_id: int, batch: Sequence[Row], zone: str, known: set[str], actor: str
) -> None:
    """Every patient of the batch is registered."""
    named = {result.patient for _, result in batch if not isinstance(result, Refusal)} - known
    if not named:
        return
    there = find_patients(database, organisation_id=organisation_id, identifiers=sorted(named))
    new = [NewPatient(identifier, zone) for identifier in sorted(named - there.keys())]
    try:
        register_patients(database, organisation_id=organisation_id, patients=new, actor=actor)
    except AlreadyExists:
        # Another import registered one of them meanwhile; so each is registered by itself.
        for each in new:
            _register_one(database, organisation_id, each, actor)
    if len(known) > _MOST_REMEMBERED:
        known.clear()
    known |= named


def _register_one(database: Database, organisation_id: int, patient: NewPatient, actor: str) -> None:
    try:
        register_patients(database, organisation_id=organisation_id, patients=[patient], actor=actor)
    except AlreadyExists:
        return
