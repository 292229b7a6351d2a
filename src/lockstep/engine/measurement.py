"""Takes measurements in: each once, believed or set aside, matched to what was asked, judged by the limits in force."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from weakref import WeakKeyDictionary

from lockstep.domain.agenda import Row
from lockstep.domain.alert import merged
from lockstep.domain.measurement import (
    Measurement,
    Outcome,
)
from lockstep.domain.measurement_document import digest, to_text
from lockstep.domain.measurement_file import SetAside
from lockstep.domain.missed import run_length
from lockstep.domain.refusal import InvalidMeasurement, Refusal
from lockstep.engine import outage
from lockstep.engine.alert import limit_alerts, take_back_missed
from lockstep.engine.course import Memory, memory_of
from lockstep.engine.matching import match_measurements
from lockstep.engine.matching_agenda import Agendas
from lockstep.engine.matching_taking import Found, Stored
from lockstep.engine.measurement_sent import Sent, judge, oldest_of, place
from lockstep.store import agenda as agenda_store
from lockstep.store import alert as alert_store
from lockstep.store import measurement as store
from lockstep.store.database import Connection, Database
from lockstep.store.transient import is_about_data, is_transient, run_again

ATTEMPTS = 12
"""How often a batch is tried while the database fails transiently: some 15 s. Then the sender must send again."""
_MOST_RUN = 100
_LOCK_TIMEOUT_MS = 2_000
"""A measurement waits for a chunk that holds its patient rather than fail: a chunk ends within milliseconds."""
BEAT_SECONDS = 1.0
_SOURCE = "recording"
_shown_alive: "WeakKeyDictionary[Database, dict[int, float]]" = WeakKeyDictionary()
_NOT_ALONE = "Nothing of the transaction was recorded, because of another measurement in it"

Item = Measurement | SetAside | Refusal


@dataclass(frozen=True, slots=True)
class ItemOutcome:
    """What became of one item sent; `code` and `reason` (a sentence) are there unless it was stored or a duplicate."""

    outcome: Outcome
    measurement_id: int | None = None
    code: str = ""
    reason: str = ""


class _NotAll(Exception):
    def __init__(self, outcomes: list[ItemOutcome]) -> None:
        self.outcomes = outcomes
        super().__init__()


def record_measurement(database: Database, *, organisation_id: int, measurement: Item) -> ItemOutcome:
    """The measurement is stored once, matched and judged, or set aside; the answer says which, and why.

    Sending it again changes nothing. Locks: as record_measurements.
    """
    return record_measurements(database, organisation_id=organisation_id, items=[measurement])[0]


def record_measurements(
    database: Database, *, organisation_id: int, items: Sequence[Item], all_or_nothing: bool = False
) -> list[ItemOutcome]:
    """What became of each item, in order; stored + duplicate + set aside + refused = sent.

    One transaction, unless the database refuses one of the items: then that one is found by halving and refused, and
    the others are recorded. With `all_or_nothing` a single refusal refuses all. Raises psycopg.Error when the database
    fails for longer; sending everything again is then safe. Locks: heads of the concerned enrolments in key order for
    no key update, then their rows, then inserts.
    """
    if not items:
        return []
    if any(isinstance(item, Measurement) and not item.history for item in items):
        # That a person can import a file does not tell whether patients' devices get through.
        show_alive(database, organisation_id)
    try:
        return run_again(lambda: _record(database, organisation_id, items, all_or_nothing), attempts=ATTEMPTS)
    except _NotAll as refused:
        return refused.outcomes
    except Exception as fault:
        if not is_about_data(fault):
            raise
        refusal = InvalidMeasurement(f"The database refuses it: {_first_line(fault)}", mend="Correct it.")
    if len(items) == 1:
        return [_refused(refusal)]
    if all_or_nothing:
        return [_refused(refusal)] * len(items)
    half = len(items) // 2
    return [
        *record_measurements(database, organisation_id=organisation_id, items=items[:half]),
        *record_measurements(database, organisation_id=organisation_id, items=items[half:]),
    ]


def show_alive(database: Database, organisation_id: int) -> None:
    """Ingestion was seen alive within the last second, in its own transaction; a failure is left to the recording."""
    last = _shown_alive.setdefault(database, {})
    at = time.monotonic()
    if at - last.get(organisation_id, -BEAT_SECONDS) < BEAT_SECONDS:
        return
    last[organisation_id] = at
    try:
        outage.beat(database, organisation_id=organisation_id, source=_SOURCE)
    except Exception as error:
        if not is_transient(error):
            raise
        last.pop(organisation_id, None)


def _record(database: Database, organisation_id: int, items: Sequence[Item], all_or_nothing: bool) -> list[ItemOutcome]:
    outcomes: list[ItemOutcome | None] = [None] * len(items)
    sent: dict[store.SourceKey, Sent] = {}
    again: list[tuple[Sent, Sent]] = []
    for index, item in enumerate(items):
        if isinstance(item, Refusal):
            outcomes[index] = _refused(item)
            continue
        each = Sent(index, item, digest(item))
        first = sent.setdefault(each.key, each)
        if first is not each:
            again.append((each, first))
    with database.transaction(organisation_id, lock_timeout_ms=_LOCK_TIMEOUT_MS) as connection:
        _take_in(connection, memory_of(database), organisation_id, sent, outcomes)
        for each, first in again:
            outcomes[each.index] = _sent_again(each, first, outcomes[first.index])
        done = [outcome for outcome in outcomes if outcome is not None]
        assert len(done) == len(items), "every item has an outcome"
        if all_or_nothing and any(outcome.outcome is Outcome.REFUSED for outcome in done):
            raise _NotAll([_with_the_others(outcome) for outcome in done])
    return done


def _take_in(
    connection: Connection,
    memory: Memory,
    organisation_id: int,
    sent: dict[store.SourceKey, Sent],
    outcomes: list[ItemOutcome | None],
) -> None:
    codes: dict[str, set[str]] = {each.item.patient: set() for each in sent.values()}
    for each in sent.values():
        if isinstance(each.item, Measurement):
            codes[each.item.patient].add(each.item.code)
    people = store.list_concerned(connection, organisation_id=organisation_id, identifiers=codes)
    agendas = Agendas(connection, memory, organisation_id=organisation_id, people=people, codes=codes)
    for each in sent.values():
        place(each, people.get(each.item.patient), agendas.now)
    agendas.reach_back(oldest_of(sent.values()))
    for each in sent.values():
        judge(each, agendas)
    wanted = [each for each in sent.values() if each.refused is None]
    new = store.take_keys(
        connection,
        organisation_id=organisation_id,
        keys=[
            store.NewKey(each.item.source, each.item.identifier, each.content_hash, each.aside is not None)
            for each in wanted
        ],
    )
    old = [each for each in sent.values() if each.key not in new]
    known = store.list_keys(connection, organisation_id=organisation_id, keys=[each.key for each in old])
    for each in old:
        outcomes[each.index] = _known_before(each, known.get(each.key))
    taken = [each for each in wanted if each.key in new]
    for each in taken:
        outcomes[each.index] = _taken(each, new[each.key])
    _save(connection, organisation_id, agendas, taken, new)


def _save(
    connection: Connection,
    organisation_id: int,
    agendas: Agendas,
    taken: Sequence[Sent],
    new: dict[store.SourceKey, int],
) -> None:
    kept: list[store.Kept] = []
    aside: list[store.KeptAside] = []
    stored: list[Stored] = []
    for each in taken:
        number = new[each.key]
        if each.aside is not None:
            aside.append(
                store.KeptAside(number, each.item.source, each.item.identifier, *each.aside, to_text(each.item))
            )
            continue
        item = each.item
        assert isinstance(item, Measurement)
        assert each.patient_id is not None
        assert each.at is not None
        kept.append(
            store.Kept(
                number,
                each.patient_id,
                item.code,
                item.value,
                item.unit,
                item.finding,
                item.taken_at,
                each.placed_by,
                item.source,
                item.identifier,
            )
        )
        stored.append(Stored(number, each.patient_id, item.code, each.at, item.value, item.unit, item.finding))
    store.save_set_aside(connection, organisation_id=organisation_id, kept=aside, received_at=agendas.now)
    store.save_measurements(connection, organisation_id=organisation_id, kept=kept, received_at=agendas.now)
    found = match_measurements(agendas, stored)
    _save_found(connection, organisation_id, found, agendas.now)
    alerts = merged(limit_alerts(stored, agendas.of_patient, agendas.now))
    alert_store.raise_alerts(connection, organisation_id=organisation_id, alerts=alerts, raised_at=agendas.now)


def _save_found(connection: Connection, organisation_id: int, found: Found, now: datetime) -> None:
    agenda_store.save_decisions(connection, organisation_id=organisation_id, decisions=found.decisions, decided_at=now)
    if found.corrections:
        store.save_corrections(
            connection, organisation_id=organisation_id, corrections=found.corrections, recorded_at=now
        )
        take_back_missed(
            connection,
            organisation_id=organisation_id,
            corrected=[
                (agenda, (occurrence.activity_key, occurrence.on, occurrence.slot))
                for agenda, occurrence in found.corrected
            ],
            now=now,
        )
        _count_misses_again(connection, organisation_id, found)
    rows: list[Row] = []
    gone: list[tuple[int, str]] = []
    for enrolment_id, agenda in found.changed.items():
        for key in agenda.changed:
            row = agenda.rows.get(key)
            if row is None:
                gone.append((enrolment_id, key))
            else:
                rows.append(row)
    agenda_store.save_rows(connection, organisation_id=organisation_id, rows=rows)
    agenda_store.delete_rows(connection, organisation_id=organisation_id, keys=gone)
    ended = [each for each, agenda in found.changed.items() if agenda.head is not None and agenda.head.ended_at]
    agenda_store.delete_finished(connection, organisation_id=organisation_id, enrolment_ids=ended)


def _count_misses_again(connection: Connection, organisation_id: int, found: Found) -> None:
    """The rows of corrected activities know how many occurrences before them were missed in a row."""
    for enrolment_id, key in {(agenda.enrolment_id, each.activity_key) for agenda, each in found.corrected}:
        agenda = next(each for each, _ in found.corrected if each.enrolment_id == enrolment_id)
        row = agenda.rows.get(key)
        if row is None:
            continue
        states = store.list_last_states(
            connection,
            organisation_id=organisation_id,
            enrolment_id=enrolment_id,
            activity_key=key,
            before_at=row.judge_at,
            most=_MOST_RUN,
        )
        missed = run_length(states)
        if missed != row.missed_in_a_row:
            agenda.count_missed(key, missed)
            found.changed[enrolment_id] = agenda


# -- answers


def _refused(refusal: Refusal) -> ItemOutcome:
    return ItemOutcome(Outcome.REFUSED, None, refusal.code, str(refusal))


def _with_the_others(outcome: ItemOutcome) -> ItemOutcome:
    if outcome.outcome in (Outcome.REFUSED, Outcome.DUPLICATE):
        return outcome
    return _refused(InvalidMeasurement(_NOT_ALONE, mend="Correct that one and send all of them again."))


def _taken(each: Sent, measurement_id: int) -> ItemOutcome:
    if each.aside is not None:
        return ItemOutcome(Outcome.SET_ASIDE, measurement_id, *each.aside)
    return ItemOutcome(Outcome.STORED, measurement_id)


def _known_before(each: Sent, known: store.KnownKey | None) -> ItemOutcome:
    """The answer to an identifier that was taken before: the same one as then, unless it says something else now."""
    if known is None:
        assert each.refused is not None, "an identifier that is neither new nor known was refused"
        return _refused(each.refused)
    if known.content_hash != each.content_hash:
        return _refused(_another(each))
    if known.reason_code is not None:
        return ItemOutcome(Outcome.SET_ASIDE, known.measurement_id, known.reason_code, known.reason or "")
    return ItemOutcome(Outcome.DUPLICATE, known.measurement_id)


def _sent_again(each: Sent, first: Sent, outcome: ItemOutcome | None) -> ItemOutcome:
    """The answer to an identifier that the same batch held before."""
    assert outcome is not None
    if each.content_hash != first.content_hash:
        return _refused(_another(each))
    if outcome.outcome is Outcome.STORED:
        return ItemOutcome(Outcome.DUPLICATE, outcome.measurement_id)
    return outcome


def _another(each: Sent) -> InvalidMeasurement:
    what = f"The identifier {each.item.identifier!r} of {each.item.source!r} already stands for another measurement"
    return InvalidMeasurement(what, where="identifier", mend="Send a new measurement under a new identifier.")


def _first_line(fault: Exception) -> str:
    return str(fault).splitlines()[0][:200] if str(fault) else type(fault).__name__
