"""Finds what is wrong by itself: operations that do not move, workers that are silent, patients who are not watched."""

from collections.abc import Iterable, Iterator

from lockstep.domain.watch import WHY_NOT_WATCHED, Wrong, WrongKind
from lockstep.store import watch as store
from lockstep.store.database import Database

SILENT_SECONDS = 30.0
"""Workers sign every few seconds; one that has not for so long is dead, frozen or cut off."""
MOST_TOLD = 100
SHOWN = 10


def find_wrong(database: Database) -> list[Wrong]:
    """What is wrong in any organisation now, in one snapshot, with the duties' rights: identifiers and counts.

    Shares nothing with the workers but the database. Locks: none.
    """
    with database.duty(isolation="repeatable read") as connection:
        stuck = store.list_stuck(connection, most=MOST_TOLD)
        signs = store.list_signs(connection, silent_seconds=SILENT_SECONDS)
        not_watched = store.list_not_watched(connection, shown=SHOWN)
    return [*_of_workers(signs), *map(_of_operation, stuck), *map(_of_patients, not_watched)]


def _of_workers(signs: Iterable[store.Sign]) -> Iterator[Wrong]:
    signs = list(signs)
    if all(sign.silent for sign in signs):
        mend = "Start one: lockstep worker."
        yield Wrong(WrongKind.NO_WORKER, "No worker runs, so nobody's misses are found", "workers", None, mend)
    for sign in signs:
        if sign.silent:
            what = "A worker gives no sign of life"
            mend = "End its process if it still runs, and start another: lockstep worker."
            yield Wrong(WrongKind.SILENT_WORKER, what, f"worker {sign.worker_id}", sign.seen_at, mend)


def _of_operation(stuck: store.Stuck) -> Wrong:
    where = f"organisation {stuck.organisation_id}, operation {stuck.operation_id}"
    if stuck.overdue:
        mend = f"Read why: lockstep operation show {stuck.operation_id} -o {stuck.organisation_id}."
        return Wrong(WrongKind.OVERDUE, "An operation is overdue: nothing of it moves", where, stuck.moved_at, mend)
    mend = f"Take it up: lockstep operation resume {stuck.operation_id} -o {stuck.organisation_id}."
    what = "An operation is paused beyond its time, and no worker took it up"
    return Wrong(WrongKind.RESTED_TOO_LONG, what, where, stuck.moved_at, mend)


def _of_patients(found: store.NotWatched) -> Wrong:
    why, mend = WHY_NOT_WATCHED[found.why]
    numbers = ", ".join(f"#{number}" for number in found.enrolment_ids)
    more = " …" if found.enrolments > len(found.enrolment_ids) else ""
    who = "1 patient is" if found.enrolments == 1 else f"{found.enrolments:,} patients are"
    where = f"organisation {found.organisation_id}, enrolments {numbers}{more}"
    return Wrong(WrongKind.NOT_WATCHED, f"{who} not watched: {why}", where, found.since_at, mend)
