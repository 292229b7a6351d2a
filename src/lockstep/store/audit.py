"""Audit entries and the seals of their chain."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection

from lockstep.domain.audit import Entry, Link, Seal, detail_text
from lockstep.store.queries import load

_SQL = load("audit.sql")
_LINKS_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Newest:
    """The greatest number of an entry and of a sealed entry; 0 where there is none."""

    entry: int
    sealed: int


def insert_entry(
    connection: Connection[Any],
    *,
    organisation_id: int,
    actor: str,
    action: str,
    subject: str,
    detail: Mapping[str, object],
) -> None:
    """The entry exists when the transaction commits. Locks: the new row."""
    values = {
        "organisation_id": organisation_id,
        "actor": actor,
        "action": action,
        "subject": subject,
        "detail": detail_text(detail),
    }
    connection.execute(_SQL["insert_entry"], values)


def get_newest(connection: Connection[Any], *, organisation_id: int) -> Newest:
    """How far entries and seals go. Locks: none."""
    row = connection.execute(_SQL["get_newest"], {"organisation_id": organisation_id}).fetchone()
    assert row is not None
    return Newest(row[0] or 0, row[1] or 0)


def list_writers(connection: Connection[Any]) -> frozenset[str]:
    """The running transactions that have begun to write an entry, of whichever organisation. Locks: none.

    A transaction holds its lock on the table from before it draws a number until what it wrote can be seen, so a
    number drawn before this call belongs to an entry that can be seen now or to one of these transactions.
    """
    return frozenset(row[0] for row in connection.execute(_SQL["list_writers"]))


def claim_chain(connection: Connection[Any], *, organisation_id: int) -> bool:
    """Whether the chain is ours until the transaction ends. Locks: an advisory one, never waited for."""
    row = connection.execute(_SQL["claim_chain"], {"organisation_id": organisation_id}).fetchone()
    return row is not None and bool(row[0])


def find_last_seal(connection: Connection[Any], *, organisation_id: int) -> Seal | None:
    """The end of the chain. Locks: none."""
    row = connection.execute(_SQL["get_last_seal"], {"organisation_id": organisation_id}).fetchone()
    return None if row is None else Seal(*row)


def list_entries_to_seal(
    connection: Connection[Any], *, organisation_id: int, after: int, until: int, size: int
) -> list[Entry]:
    """The entries with numbers in (after, until], at most `size`, by number. Locks: none."""
    values = {"organisation_id": organisation_id, "after": after, "until": until, "size": size}
    return [Entry(*row) for row in connection.execute(_SQL["list_entries_to_seal"], values)]


def insert_seals(
    connection: Connection[Any], *, organisation_id: int, seals: Sequence[Seal], sealed_at: datetime
) -> None:
    """The chain is longer by the seals, which were made for this instant. Locks: the new rows."""
    values = {
        "organisation_id": organisation_id,
        "sealed_at": sealed_at,
        "positions": [seal.position for seal in seals],
        "audit_entry_ids": [seal.audit_entry_id for seal in seals],
        "entry_hashes": [seal.entry_hash for seal in seals],
        "chain_hashes": [seal.chain_hash for seal in seals],
    }
    connection.execute(_SQL["insert_seals"], values)


def list_links(connection: Connection[Any], *, organisation_id: int) -> Iterator[Link]:
    """Seals with their entries by position, then unsealed entries by number, read bit by bit. Locks: none."""
    with connection.cursor("audit_links") as cursor:
        cursor.itersize = _LINKS_AT_ONCE
        cursor.execute(_SQL["list_links"], {"organisation_id": organisation_id})
        for row in cursor:
            yield Link(
                None if row[0] is None else Seal(*row[:5]),
                None if row[5] is None else Entry(*row[5:]),
            )


def list_chains(connection: Connection[Any]) -> list[tuple[int, int]]:
    """Every organisation that has a chain, with its length; for the duty's role. Locks: none."""
    return [(row[0], row[1]) for row in connection.execute(_SQL["list_chains"])]
