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
    """A named way of monitoring inside a program; `last_version_number` is 0 before the first is published."""

    protocol_id: int
    program_id: int
    key: str
    title: str
    last_version_number: int = 0
