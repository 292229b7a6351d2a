"""What members of cohorts measured before it was asked for (rule 4): counted for a whole chunk at once."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from datetime import datetime

from lockstep.domain.agenda import Row
from lockstep.domain.occurrence import Occurrence, OccurrenceState
from lockstep.engine.cohort import CohortKey, KindTargets
from lockstep.engine.earlier import code_of
from lockstep.store import agenda as agenda_store
from lockstep.store import earlier as store
from lockstep.store.database import Connection
from lockstep.store.recalculation import Ids


def list_fulfilled_on_the_way(
    connection: Connection,
    *,
    organisation_id: int,
    ids: Ids,
    activity_keys: Iterable[str],
    targets: KindTargets,
    cohorts: Mapping[int, CohortKey],
    present: Set[int],
) -> set[int]:
    """Members who had measured enough for what a change asked before the last one: to be computed change by change.

    A single change leaves no such member: what it asks is the target. Locks: none (the heads are held).
    """
    asked: dict[tuple[Occurrence, str], list[int]] = defaultdict(list)
    for cohort_id in present:
        cohort = cohorts[cohort_id]
        for key in activity_keys:
            for occurrence in targets.asked_on_the_way(cohort, key):
                asked[occurrence, code_of(targets.course(cohort).course, occurrence)].append(cohort_id)
    return store.list_measured_enough(
        connection,
        organisation_id=organisation_id,
        ids=ids,
        asked=[(occurrence, code, members) for (occurrence, code), members in asked.items()],
    )


def asked_in_mid_window(
    candidates: Iterable[tuple[Occurrence | None, int]], targets: KindTargets, cohorts: Mapping[int, CohortKey]
) -> dict[Occurrence, str]:
    """The occurrences that were asked in the middle of their window, with the code of what they measure."""
    return {
        occurrence: code_of(targets.course(cohorts[cohort_id]).course, occurrence)
        for occurrence, cohort_id in candidates
        if occurrence is not None and occurrence.nominal_at < occurrence.opens_at
    }


def count_earlier(
    connection: Connection,
    organisation_id: int,
    ids: Ids,
    asked: dict[Occurrence, str],
    targets: KindTargets,
    now: datetime,
    cohorts: Mapping[int, CohortKey],
) -> None:
    """Measurements taken inside the nominal window before it was asked count for it (rule 4) and may fulfil it."""
    found = store.list_taken_before(connection, organisation_id=organisation_id, ids=ids, asked=list(asked.items()))
    if not found:
        return
    occurrences = {(each.activity_key, each.key, each.opens_at, each.closes_at): each for each in asked}
    rows = agenda_store.list_rows(
        connection,
        organisation_id=organisation_id,
        enrolment_ids=[enrolment_id for enrolment_id, _, _ in found],
    )
    by_key = {(row.enrolment_id, row.activity_key): row for of in rows.values() for row in of}
    changed: list[Row] = []
    gone: list[tuple[int, str]] = []
    decisions: list[agenda_store.Decision] = []
    for enrolment_id, activity_key, taken in found:
        row = by_key[enrolment_id, activity_key]
        occurrence = occurrences[activity_key, row.key, row.opens_at, row.closes_at]
        if len(taken) < occurrence.quantity:
            changed.append(replace(row, taken=len(taken)))
            continue
        last = taken[occurrence.quantity - 1]
        decisions.append(agenda_store.Decision(enrolment_id, occurrence, OccurrenceState.FULFILLED, last))
        # Nothing else of the new course is decided yet, so what follows is the same for all who fulfilled it.
        following = targets.targets(activity_key, None, frozenset({row.key}))(cohorts[row.cohort_id])
        if following is None:
            gone.append((enrolment_id, activity_key))
        else:
            changed.append(row_of(enrolment_id, row.cohort_id, following))
    agenda_store.save_decisions(connection, organisation_id=organisation_id, decisions=decisions, decided_at=now)
    agenda_store.save_rows(connection, organisation_id=organisation_id, rows=changed)
    agenda_store.delete_rows(connection, organisation_id=organisation_id, keys=gone)


def row_of(enrolment_id: int, cohort_id: int, occurrence: Occurrence, *, missed_in_a_row: int = 0) -> Row:
    """A fresh row that holds the occurrence, nothing taken yet."""
    return Row(
        enrolment_id=enrolment_id,
        activity_key=occurrence.activity_key,
        cohort_id=cohort_id,
        protocol_id=occurrence.protocol_id,
        version_number=occurrence.version_number,
        on=occurrence.on,
        slot=occurrence.slot,
        opens_at=occurrence.opens_at,
        closes_at=occurrence.closes_at,
        judge_at=occurrence.judge_at,
        taken=0,
        missed_in_a_row=missed_in_a_row,
    )
