"""A customer: owns programs, protocols and patients, and is seen by nobody else."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Organisation:
    """An organisation by number, key and title."""

    organisation_id: int
    key: str
    title: str
