"""Notes signs of life of ingestion; a gap between two of them is an outage, known before judging resumes."""

from datetime import datetime, timedelta

from lockstep.domain.outage import LONGEST_SILENCE, find_outage
from lockstep.domain.timeline import Span
from lockstep.engine.audit import record_entry
from lockstep.store import outage as store
from lockstep.store import timeline as facts_store
from lockstep.store.clock import now as clock_now
from lockstep.store.database import Database


def beat(
    database: Database,
    *,
    organisation_id: int,
    source: str,
    longest_silence: timedelta = LONGEST_SILENCE,
) -> Span | None:
    """Ingestion was seen alive now; returns the outage that this ends, which is a fact from now on, or None.

    The outage commits with the very sign of life that lets judging resume, so nothing is judged without it. Whoever
    can take measurements calls this several times per silence, also while none come: quiet is not an outage.
    Locks: the source's row; over a gap the organisation's outages.
    """
    with database.transaction(organisation_id) as connection:
        at = clock_now(connection)
        last = store.find_last_sign_of_life(connection, organisation_id=organisation_id)
        found = find_outage(last, at, longest_silence=longest_silence)
        if found is not None:
            store.lock_outages(connection, organisation_id=organisation_id)
            # Asked again: another process may have ended the same gap while we waited.
            last = store.find_last_sign_of_life(connection, organisation_id=organisation_id)
            found = find_outage(last, at, longest_silence=longest_silence)
        if found is not None:
            store.insert_outage(connection, organisation_id=organisation_id, span=found)
            record_entry(
                connection,
                organisation_id=organisation_id,
                actor="ingestion",
                action="find outage",
                subject=f"organisation {organisation_id}",
                detail={"from_at": found.from_at.isoformat(), "until_at": at.isoformat(), "source": source},
            )
        store.save_heartbeat(connection, organisation_id=organisation_id, source=source, seen_at=at)
    return found


def find_silence(
    database: Database, *, organisation_id: int, longest_silence: timedelta = LONGEST_SILENCE
) -> Span | None:
    """The outage that goes on now, without an end yet; None while ingestion shows signs of life or never did."""
    with database.transaction(organisation_id, read_only=True) as connection:
        at = clock_now(connection)
        last = store.find_last_sign_of_life(connection, organisation_id=organisation_id)
    found = find_outage(last, at, longest_silence=longest_silence)
    return None if found is None else Span(found.from_at, None)


def list_outages(database: Database, *, organisation_id: int, since_at: datetime) -> tuple[Span, ...]:
    """The outages that ended after the instant, in order."""
    with database.transaction(organisation_id, read_only=True) as connection:
        return facts_store.load_outages(connection, organisation_id=organisation_id, since_at=since_at)
