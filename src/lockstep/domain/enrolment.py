"""One patient in one program, from enrolment to discharge."""

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class NewEnrolment:
    """An enrolment to be made; without `anchor_on` schedules count their days from the patient's local date."""

    patient_id: int
    program_id: int
    protocol_id: int
    anchor_on: date | None = None


@dataclass(frozen=True, slots=True)
class Enrolment:
    """An enrolment; `discharged_at` is None while it lasts."""

    enrolment_id: int
    patient_id: int
    program_id: int
    anchor_on: date
    enrolled_at: datetime
    discharged_at: datetime | None = None
