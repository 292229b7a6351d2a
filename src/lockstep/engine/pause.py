"""Pauses an enrolment, also afterwards, and resumes it."""

from datetime import date, datetime

from lockstep.domain.name import require_reason
from lockstep.domain.pause import Pause, pause_to_end, require_pause
from lockstep.engine.agenda import bring_in_step
from lockstep.engine.audit import record_entry
from lockstep.engine.enrolment import hold_enrolment
from lockstep.engine.pause_missed import waive_missed
from lockstep.store import pause as store
from lockstep.store.database import Database


def pause(
    database: Database,
    *,
    organisation_id: int,
    enrolment_id: int,
    from_at: datetime | None = None,
    until_at: datetime | None = None,
    review_on: date | None = None,
    reason: str,
    actor: str,
) -> Pause:
    """Nothing is asked from the instant on (default: now) until the end or a resumption.

    It may lie in the past, and what was missed in it is waived, in runs and alerts too, or in the future. Raises
    UnknownEnrolment, Discharged, MissingReason, NotAtThisTime (outside the enrolment, or with neither end nor review
    date), AlreadyPaused. Locks: the enrolment's head, then its rows and alerts.
    """
    reason = require_reason(reason)
    with database.transaction(organisation_id) as connection:
        enrolment, at = hold_enrolment(connection, organisation_id=organisation_id, enrolment_id=enrolment_id)
        known = store.list_pauses(connection, organisation_id=organisation_id, enrolment_id=enrolment_id)
        made = require_pause(
            Pause(len(known) + 1, at if from_at is None else from_at, until_at, review_on, reason),
            known,
            enrolled_at=enrolment.enrolled_at,
        )
        store.insert_pause(
            connection, organisation_id=organisation_id, enrolment_id=enrolment_id, pause=made, actor=actor
        )
        bring_in_step(
            connection,
            organisation_id=organisation_id,
            enrolment_ids=[enrolment_id],
            now=at,
            changed_at=min(at, made.from_at),
        )
        waived = 0
        if made.from_at < at:
            waived = waive_missed(
                connection,
                organisation_id=organisation_id,
                enrolment_id=enrolment_id,
                since_at=made.from_at,
                now=at,
            )
        record_entry(
            connection,
            organisation_id=organisation_id,
            actor=actor,
            action="pause",
            subject=f"enrolment {enrolment_id}",
            detail={
                "number": made.number,
                "from_at": made.from_at.isoformat(),
                "until_at": made.until_at.isoformat() if made.until_at else None,
                "review_on": made.review_on.isoformat() if made.review_on else None,
                "reason": reason,
                "waived": waived,
            },
        )
    return made


def resume(
    database: Database, *, organisation_id: int, enrolment_id: int, number: int | None = None, actor: str
) -> datetime:
    """The pause has ended now, or the planned one with that number is taken back; returns the instant at which it ends.

    Raises UnknownEnrolment, Discharged, NoSuchPause. Locks: the enrolment's head.
    """
    with database.transaction(organisation_id) as connection:
        _, at = hold_enrolment(connection, organisation_id=organisation_id, enrolment_id=enrolment_id)
        known = store.list_pauses(connection, organisation_id=organisation_id, enrolment_id=enrolment_id)
        ending, until_at = pause_to_end(known, at, number)
        store.insert_resumption(
            connection,
            organisation_id=organisation_id,
            enrolment_id=enrolment_id,
            number=ending.number,
            until_at=until_at,
            actor=actor,
        )
        bring_in_step(connection, organisation_id=organisation_id, enrolment_ids=[enrolment_id], now=at, changed_at=at)
        record_entry(
            connection,
            organisation_id=organisation_id,
            actor=actor,
            action="resume",
            subject=f"enrolment {enrolment_id}",
            detail={"number": ending.number, "until_at": until_at.isoformat()},
        )
    return until_at
