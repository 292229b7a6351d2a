"""Takes in what happened to a patient and may start an activity, such as a meal."""

from datetime import datetime, timedelta

from lockstep.domain.name import require_key, require_title
from lockstep.domain.refusal import AlreadyExists, NotAtThisTime, shown
from lockstep.domain.timeline import PatientEvent
from lockstep.engine.agenda import bring_in_step
from lockstep.engine.patient import lock_enrolments_of
from lockstep.store import patient_event as store
from lockstep.store.clock import now as clock_now
from lockstep.store.database import Database

OLDEST = timedelta(days=30)
"""Events are believed as long as measurements are: 30 days."""


def record_event(
    database: Database,
    *,
    organisation_id: int,
    patient_id: int,
    event: str,
    at: datetime,
    source: str,
    identifier: str,
) -> bool:
    """The event is known and starts what it starts; False when the same was recorded before, which changes nothing.

    Raises UnknownPatient, InvalidName, NotAtThisTime (in the future, or older than 30 days), AlreadyExists where the
    source told something else under the identifier. Locks: the patient, then the heads of the enrolments.
    """
    require_key(event, where="event")
    require_title(source, where="source")
    require_title(identifier, where="identifier")
    told = PatientEvent(event, at)
    with database.transaction(organisation_id) as connection:
        ids = lock_enrolments_of(connection, organisation_id=organisation_id, patient_id=patient_id)
        now = clock_now(connection)
        if not store.insert_event(
            connection,
            organisation_id=organisation_id,
            patient_id=patient_id,
            event=told,
            source=source,
            identifier=identifier,
        ):
            known = store.find_event(connection, organisation_id=organisation_id, source=source, identifier=identifier)
            if known != (patient_id, told):
                what = f"{shown(source)} told something else under {shown(identifier)}"
                raise AlreadyExists(what, where="identifier", mend="Use a new identifier for a new event.")
            return False
        if not now - OLDEST <= at <= now:
            raise NotAtThisTime("The event lies in the future or more than 30 days ago", where="at")
        # One that has ended since is asked what the event started, if that closed before the end.
        ids += store.list_ended_after(connection, organisation_id=organisation_id, patient_id=patient_id, at=at)
        bring_in_step(connection, organisation_id=organisation_id, enrolment_ids=ids, now=now, changed_at=at)
    return True
