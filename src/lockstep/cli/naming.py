"""Finds what people name on the command line: by key or identifier first, then by number."""

from collections.abc import Sequence
from typing import Protocol as Shape
from typing import TypeVar

from lockstep.cli.face import MOST_ID
from lockstep.domain.enrolment import Enrolment
from lockstep.domain.patient import Patient
from lockstep.domain.program import Program, Protocol
from lockstep.domain.refusal import (
    InvalidChoice,
    Refusal,
    UnknownEnrolment,
    UnknownPatient,
    UnknownProgram,
    UnknownProtocol,
    shown,
)
from lockstep.engine.enrolment import get_enrolment, list_enrolments
from lockstep.engine.patient import find_patients
from lockstep.engine.program import list_programs
from lockstep.engine.protocol import list_protocols
from lockstep.store.database import Database


class _Keyed(Shape):
    @property
    def key(self) -> str: ...


K = TypeVar("K", bound=_Keyed)


def program_named(database: Database, organisation_id: int, named: str) -> Program:
    """The program with this key or number. Raises UnknownProgram."""
    found = list_programs(database, organisation_id=organisation_id)
    numbered = [program for program in found if str(program.program_id) == named]
    return _one([program for program in found if program.key == named] or numbered, found, named, UnknownProgram)


def protocol_named(database: Database, organisation_id: int, named: str) -> Protocol:
    """The protocol named 'program/protocol', or by its key where only one has it, or its number.

    Raises UnknownProgram, UnknownProtocol, InvalidChoice where several programs have the key.
    """
    if "/" in named:
        program_key, _, key = named.partition("/")
        program = program_named(database, organisation_id, program_key)
        found = list_protocols(database, organisation_id=organisation_id, program_id=program.program_id)
        return _one([protocol for protocol in found if protocol.key == key], found, key, UnknownProtocol)
    found = list_protocols(database, organisation_id=organisation_id)
    keyed = [protocol for protocol in found if protocol.key == named]
    if len(keyed) > 1:
        what = f"{len(keyed)} programs have a protocol {shown(named)}"
        raise InvalidChoice(what, where="protocol", mend="Name it program/protocol.")
    numbered = [protocol for protocol in found if str(protocol.protocol_id) == named]
    return _one(keyed or numbered, found, named, UnknownProtocol)


def patient_named(database: Database, organisation_id: int, identifier: str) -> Patient:
    """The patient with this identifier. Raises UnknownPatient."""
    found = find_patients(database, organisation_id=organisation_id, identifiers=[identifier])
    if identifier not in found:
        raise UnknownPatient(f"There is no patient {shown(identifier)}", where="patient")
    return found[identifier]


def enrolment_named(database: Database, organisation_id: int, identifier: str, program: str | None) -> Enrolment:
    """The patient's enrolment that has not ended, in the program if one is named; or that with the number, as '#12'.

    Raises UnknownPatient, UnknownProgram, UnknownEnrolment, InvalidChoice.
    """
    number = number_of(identifier[1:], MOST_ID) if identifier.startswith("#") else None
    if number is not None:
        return get_enrolment(database, organisation_id=organisation_id, enrolment_id=number)
    patient = patient_named(database, organisation_id, identifier)
    program_id = None if program is None else program_named(database, organisation_id, program).program_id
    found = list_enrolments(
        database, organisation_id=organisation_id, patient_id=patient.patient_id, program_id=program_id
    )
    lasting = [enrolment for enrolment in found if enrolment.discharged_at is None] or found[-1:]
    if not lasting:
        raise UnknownEnrolment(f"Patient {shown(identifier)} is not enrolled", where="patient")
    if len(lasting) > 1:
        what = f"Patient {shown(identifier)} is enrolled in {len(lasting)} programs"
        raise InvalidChoice(what, where="patient", mend="Name the program: --program.")
    return lasting[0]


def number_of(given: str, most: int) -> int | None:
    """The whole number from 0 to `most` written so; None for anything else."""
    if not given.isascii() or not given.isdigit() or len(given) > len(str(most)):
        return None
    return int(given) if int(given) <= most else None


def _one(found: Sequence[K], known: Sequence[_Keyed], named: str, unknown: type[Refusal]) -> K:
    if found:
        return found[0]
    what = (
        (unknown.__doc__ or "")
        .strip()
        .split(".")[0]
        .replace("There is no such", "There is no")
        .removesuffix(" in the program")
    )
    keys = ", ".join(each.key for each in known[:10])
    raise unknown(f"{what} {shown(named)}", where=what.rpartition(" ")[2], mend=f"There are: {keys}." if keys else "")
