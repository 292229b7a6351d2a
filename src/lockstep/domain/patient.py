"""A person with a dated civil time zone; the identifier is what other systems call them."""

from dataclasses import dataclass
from datetime import date

from lockstep.domain.civil import require_zone
from lockstep.domain.name import require_title


@dataclass(frozen=True, slots=True)
class NewPatient:
    """A patient to be registered; lives in `zone` (IANA name) until told otherwise."""

    identifier: str
    zone: str
    born_on: date | None = None


@dataclass(frozen=True, slots=True)
class Patient:
    """A registered patient; `zone` is the one in force when read."""

    patient_id: int
    identifier: str
    born_on: date | None
    zone: str


def require_patient(patient: NewPatient, *, where: str = "") -> NewPatient:
    """The patient, whose identifier and zone can be stored; raises InvalidName, UnknownZone."""
    prefix = f"{where}." if where else ""
    require_title(patient.identifier, where=f"{prefix}identifier")
    require_zone(patient.zone)
    return patient
