"""How far recalculations walked, what is behind, and the set-based steps of a chunk."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection

from lockstep.domain.agenda import Head
from lockstep.domain.cohort import Standing
from lockstep.domain.occurrence import Occurrence
from lockstep.store.queries import load

_SQL = load("recalculation.sql")


@dataclass(frozen=True, slots=True)
class Recalculation:
    """An operation that brings a protocol's enrolments (or a selection's members on it) in step.

    One that no switch asked for recomputes every head that was computed before `forced_before`.
    """

    operation_id: int
    state: str
    protocol_id: int
    switch_id: int | None
    selection_id: int | None
    generation: int | None
    starts_at: datetime
    total: int | None
    paused_until: datetime | None
    forced_before: datetime | None
    last_at: datetime
    done: int


@dataclass(frozen=True, slots=True)
class Range:
    """A part of the enrolments, in key order: (after, until], walked as far as the cursor."""

    number: int
    after_id: int
    until_id: int
    cursor_id: int


@dataclass(frozen=True, slots=True)
class StandingRows:
    """How many rows stand at the same occurrence, asked under this protocol and version, and of which cohorts."""

    standing: Standing
    closes_at: datetime
    protocol_id: int
    version_number: int
    count: int
    cohort_ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class Step:
    """From a standing to the occurrence the rows of these cohorts must hold; None: nothing is left."""

    rows: StandingRows
    occurrence: Occurrence | None
    cohort_ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class HeadGroup:
    """Held heads that are behind and share what bears on their targets; a cohort for each enrolment.

    An `assigned_at` equal to the instant asked for stands for every earlier one. `individual` ones are computed singly.
    """

    protocol_id: int
    generation: int
    next_change_at: datetime | None
    assigned_at: datetime
    assigned_protocol_id: int
    individual: bool
    enrolment_ids: Sequence[int]
    cohort_ids: Sequence[int]


class Ids:
    """Enrolments as the text of an array, made once for all statements: the driver's arrays cost ten times more."""

    def __init__(self, enrolment_ids: Sequence[int]) -> None:
        self.text = "{" + ",".join(map(str, enrolment_ids)) + "}"


def list_unfinished(connection: Connection[Any], *, organisation_id: int, now: datetime) -> list[Recalculation]:
    """Recalculations in force and not ended, the longest waiting first. Locks: none."""
    found = connection.execute(_SQL["list_unfinished"], {"organisation_id": organisation_id, "now": now})
    return [Recalculation(*row) for row in found]


def list_borders(
    connection: Connection[Any],
    *,
    organisation_id: int,
    protocol_id: int,
    selection_id: int | None,
    size: int,
) -> list[int]:
    """Where ranges of `size` enrolments end, in key order. Locks: none."""
    name = "list_borders" if selection_id is None else "list_selection_borders"
    values = {
        "organisation_id": organisation_id,
        "protocol_id": protocol_id,
        "selection_id": selection_id,
        "size": size,
    }
    return [row[0] for row in connection.execute(_SQL[name], values)]


def count_enrolments(
    connection: Connection[Any], *, organisation_id: int, protocol_id: int, selection_id: int | None
) -> int:
    """How many enrolments stand on the protocol, or are members of the selection. Locks: none."""
    name = "count_of_protocol" if selection_id is None else "count_of_selection"
    values = {"organisation_id": organisation_id, "protocol_id": protocol_id, "selection_id": selection_id}
    row = connection.execute(_SQL[name], values).fetchone()
    assert row is not None
    return int(row[0])


def list_protocols_of_selection(connection: Connection[Any], *, organisation_id: int, selection_id: int) -> list[int]:
    """The protocols on which members of the selection stand now, by number. Locks: none."""
    values = {"organisation_id": organisation_id, "selection_id": selection_id}
    return [row[0] for row in connection.execute(_SQL["list_protocols_of_selection"], values)]


def add_ranges(
    connection: Connection[Any], *, organisation_id: int, operation_id: int, ranges: Sequence[Range]
) -> None:
    """The ranges exist. Locks: the new rows."""
    connection.execute(
        _SQL["add_ranges"],
        {
            "organisation_id": organisation_id,
            "operation_id": operation_id,
            "numbers": [part.number for part in ranges],
            "after_ids": [part.after_id for part in ranges],
            "until_ids": [part.until_id for part in ranges],
        },
    )


def claim_range(connection: Connection[Any], *, organisation_id: int, operation_id: int) -> Range | None:
    """An unfinished range that nobody works on, held until the transaction ends; None if there is none."""
    row = connection.execute(
        _SQL["claim_range"], {"organisation_id": organisation_id, "operation_id": operation_id}
    ).fetchone()
    return Range(*row) if row else None


def claim_heads(
    connection: Connection[Any],
    *,
    organisation_id: int,
    protocol_id: int,
    selection_id: int | None,
    generation: int,
    now: datetime,
    forced_before: datetime | None,
    part: Range,
    size: int,
    begins: datetime,
) -> list[HeadGroup]:
    """The next heads behind `generation` in the range, held, in groups; locked ones are skipped.

    The fence: heads that somebody brought further meanwhile are not among them. Assignments before `begins` are alike.
    """
    found = connection.execute(
        _SQL["claim_heads" if selection_id is None else "claim_member_heads"],
        {
            "organisation_id": organisation_id,
            "protocol_id": protocol_id,
            "selection_id": selection_id,
            "generation": generation,
            "now": now,
            "forced_before": forced_before,
            "cursor": part.cursor_id,
            "until": part.until_id,
            "size": size,
            "begins": begins,
        },
    )
    return [HeadGroup(*row) for row in found]


def is_range_behind(
    connection: Connection[Any],
    *,
    organisation_id: int,
    protocol_id: int,
    selection_id: int | None,
    generation: int,
    now: datetime,
    forced_before: datetime | None,
    part: Range,
) -> bool:
    """Whether an enrolment of the range is behind and not set aside. Locks: none."""
    row = connection.execute(
        _SQL["is_range_behind"],
        {
            "organisation_id": organisation_id,
            "protocol_id": protocol_id,
            "selection_id": selection_id,
            "generation": generation,
            "now": now,
            "forced_before": forced_before,
            "after": part.after_id,
            "until": part.until_id,
        },
    ).fetchone()
    assert row is not None
    return bool(row[0])


def list_standings(
    connection: Connection[Any], *, organisation_id: int, ids: Ids, activity_keys: Sequence[str]
) -> list[StandingRows]:
    """The distinct places where the enrolments' rows of these activities stand. Locks: none."""
    values = {"organisation_id": organisation_id, "enrolment_ids": ids.text, "activity_keys": list(activity_keys)}
    return [
        StandingRows(Standing(row[0], row[1], row[2], row[3], row[5]), row[4], row[6], row[7], row[8], row[9])
        for row in connection.execute(_SQL["list_standings"], values)
    ]


def list_waiting_since(connection: Connection[Any], *, organisation_id: int, ids: Ids, before_at: datetime) -> set[int]:
    """The enrolments with a row that opened before the instant and is not judged yet. Locks: none."""
    values = {"organisation_id": organisation_id, "enrolment_ids": ids.text, "before_at": before_at}
    return {row[0] for row in connection.execute(_SQL["list_waiting_since"], values)}


def list_without_row(
    connection: Connection[Any], *, organisation_id: int, ids: Ids, keys: Sequence[tuple[int, str]]
) -> list[tuple[int, int, str]]:
    """(enrolment, cohort, activity) of enrolments whose cohort is named with an activity for which they have no row."""
    if not keys:
        return []
    values = {
        "organisation_id": organisation_id,
        "enrolment_ids": ids.text,
        "cohort_ids": [cohort_id for cohort_id, _ in keys],
        "activity_keys": [activity_key for _, activity_key in keys],
    }
    return [(row[0], row[1], row[2]) for row in connection.execute(_SQL["list_without_row"], values, prepare=False)]


def advance_rows(connection: Connection[Any], *, organisation_id: int, ids: Ids, steps: Sequence[Step]) -> int:
    """The rows hold the occurrences of their steps, or are gone; returns how many changed. Locks: the rows."""
    # Never prepared: a generic plan takes each array for ten elements and joins them by loops (90 ms, not 6).
    moved = [(step, step.occurrence) for step in steps if step.occurrence is not None]
    ended = [step for step in steps if step.occurrence is None]
    changed = 0
    base: dict[str, Any] = {"organisation_id": organisation_id, "enrolment_ids": ids.text}
    if moved:
        values = {
            **base,
            **_step_arrays([step for step, _ in moved]),
            "protocol_ids": [occurrence.protocol_id for _, occurrence in moved],
            "version_numbers": [occurrence.version_number for _, occurrence in moved],
            "on_dates": [occurrence.on for _, occurrence in moved],
            "slots": [occurrence.slot for _, occurrence in moved],
            "opens_ats": [occurrence.opens_at for _, occurrence in moved],
            "closes_ats": [occurrence.closes_at for _, occurrence in moved],
            "judge_ats": [occurrence.judge_at for _, occurrence in moved],
        }
        changed += connection.execute(_SQL["advance_rows"], values, prepare=False).rowcount
    if ended:
        changed += connection.execute(
            _SQL["delete_standing_rows"], {**base, **_step_arrays(ended)}, prepare=False
        ).rowcount
    return changed


def advance_heads(
    connection: Connection[Any],
    *,
    organisation_id: int,
    groups: Sequence[tuple[Sequence[int], int, int, int, datetime | None]],
    computed_at: datetime,
) -> None:
    """The heads of each group (enrolments, protocol, version, generation, next change) are computed. Locks: they."""
    for enrolment_ids, protocol_id, version_number, generation, next_change_at in groups:
        connection.execute(
            _SQL["advance_heads_alike"],
            {
                "organisation_id": organisation_id,
                "computed_at": computed_at,
                "enrolment_ids": Ids(enrolment_ids).text,
                "protocol_id": protocol_id,
                "version_number": version_number,
                "generation": generation,
                "next_change_at": next_change_at,
            },
        )


def note_progress(
    connection: Connection[Any],
    *,
    organisation_id: int,
    operation_id: int,
    number: int,
    cursor_id: int,
    done: int,
    finished: bool,
) -> None:
    """The claimed range was walked as far as the cursor. Locks: the claimed range."""
    connection.execute(
        _SQL["note_progress"],
        {
            "organisation_id": organisation_id,
            "operation_id": operation_id,
            "number": number,
            "cursor": cursor_id,
            "done": done,
            "finished": finished,
        },
    )


def count_ranges(connection: Connection[Any], *, organisation_id: int, operation_id: int) -> tuple[int, int]:
    """How many ranges the operation has, and how many of them are not finished. Locks: none."""
    row = connection.execute(
        _SQL["count_open_ranges"], {"organisation_id": organisation_id, "operation_id": operation_id}
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def reopen_ranges(connection: Connection[Any], *, organisation_id: int, operation_id: int) -> None:
    """Every range of the operation is to be walked again. Locks: its ranges."""
    connection.execute(_SQL["reopen_ranges"], {"organisation_id": organisation_id, "operation_id": operation_id})


def claim_changing_heads(connection: Connection[Any], *, organisation_id: int, now: datetime, size: int) -> list[Head]:
    """Heads whose known next change has come, held; locked ones are skipped."""
    values = {"organisation_id": organisation_id, "now": now, "size": size}
    return [Head(*row) for row in connection.execute(_SQL["claim_changing_heads"], values)]


def claim_heads_of(connection: Connection[Any], *, organisation_id: int, enrolment_ids: Sequence[int]) -> list[Head]:
    """The heads of these enrolments, held in key order; locked ones are skipped."""
    values = {"organisation_id": organisation_id, "enrolment_ids": list(enrolment_ids)}
    return [Head(*row) for row in connection.execute(_SQL["claim_heads_of"], values)]


def count_exceptions(connection: Connection[Any], *, organisation_id: int, operation_id: int) -> int:
    """How many enrolments the operation has set aside. Locks: none."""
    row = connection.execute(
        _SQL["count_exceptions"], {"organisation_id": organisation_id, "operation_id": operation_id}
    ).fetchone()
    assert row is not None
    return int(row[0])


def note_begun(connection: Connection[Any], *, organisation_id: int, operation_id: int) -> None:
    """The operation knows the transaction in which it began, which is this one unless it knew. Locks: its row."""
    connection.execute(_SQL["note_begun"], {"organisation_id": organisation_id, "operation_id": operation_id})


def has_barrier_passed(connection: Connection[Any], *, organisation_id: int, operation_id: int) -> bool:
    """Whether every transaction of this database that ran when the operation began has ended. Locks: none."""
    row = connection.execute(
        _SQL["has_barrier_passed"], {"organisation_id": organisation_id, "operation_id": operation_id}
    ).fetchone()
    return bool(row and row[0])


def list_behind(
    connection: Connection[Any],
    *,
    organisation_id: int,
    now: datetime,
    cursor_id: int = 0,
    size: int,
    enrolment_ids: Sequence[int] | None = None,
) -> tuple[list[int], int | None]:
    """The enrolments behind among the next `size` heads in key order, and where the slice ended (None: at the end)."""
    values = {
        "organisation_id": organisation_id,
        "now": now,
        "cursor": cursor_id,
        "size": size,
        "enrolment_ids": None if enrolment_ids is None else list(enrolment_ids),
    }
    slice_ = connection.execute(_SQL["list_behind"], values).fetchall()
    behind = [enrolment_id for enrolment_id, is_behind in slice_ if is_behind]
    return behind, slice_[-1][0] if len(slice_) == size else None


def set_aside(
    connection: Connection[Any],
    *,
    organisation_id: int,
    enrolment_id: int,
    operation_id: int | None,
    reason: str,
    sqlstate: str | None,
    now: datetime,
) -> None:
    """The enrolment stands aside with its reason and is tried again later. Locks: its row."""
    connection.execute(
        _SQL["set_aside"],
        {
            "organisation_id": organisation_id,
            "enrolment_id": enrolment_id,
            "operation_id": operation_id,
            "reason": reason,
            "sqlstate": sqlstate,
            "now": now,
        },
    )


def list_exceptions_to_retry(connection: Connection[Any], *, organisation_id: int, now: datetime) -> list[int]:
    """Enrolments set aside whose next try has come, at most 100. Locks: none."""
    found = connection.execute(_SQL["list_exceptions_to_retry"], {"organisation_id": organisation_id, "now": now})
    return [row[0] for row in found]


def clear_exception(connection: Connection[Any], *, organisation_id: int, enrolment_id: int) -> None:
    """The enrolment no longer stands aside. Locks: its row."""
    connection.execute(_SQL["clear_exception"], {"organisation_id": organisation_id, "enrolment_id": enrolment_id})


def _step_arrays(steps: Sequence[Step]) -> dict[str, Any]:
    return {
        "cohorts": [Ids(step.cohort_ids).text for step in steps],
        "activity_keys": [step.rows.standing.activity_key for step in steps],
        "old_on_dates": [step.rows.standing.on for step in steps],
        "old_slots": [step.rows.standing.slot for step in steps],
        "old_opens_ats": [step.rows.standing.opens_at for step in steps],
        "old_judge_ats": [step.rows.standing.judge_at for step in steps],
    }
