"""A care pathway that patients join, and the protocols it contains."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Program:
    """A program by number, key and title."""

    program_id: int
    key: str
    title: str


@dataclass(frozen=True, slots=True)
class Protocol:
    """A named way of monitoring inside a program.

    `version_number` is that in force for everyone, wherever they live; None before the first. `besides` names, in
    words, versions that are scheduled, in force in some zones only, or for a selection.
    """

    protocol_id: int
    program_id: int
    key: str
    title: str
    version_number: int | None = None
    besides: str | None = None
