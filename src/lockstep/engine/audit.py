"""Writes down every decision, seals what was written into a chain, and finds tampering."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lockstep.domain.audit import Checkpoint, Verification, epoch_text, genesis, sealed
from lockstep.domain.audit import verify as verify_links
from lockstep.domain.name import require_actor
from lockstep.store import audit as store
from lockstep.store import checkpoint as checkpoint_store
from lockstep.store.clock import now as clock_now
from lockstep.store.database import Connection, Database

SEALED_AT_ONCE = 5_000
_LONGEST_WAIT_SECONDS = 0.02


def record_entry(
    connection: Connection[Any],
    *,
    organisation_id: int,
    actor: str,
    action: str,
    subject: str,
    detail: Mapping[str, object],
) -> None:
    """The decision of this transaction is written down, if it commits.

    `action` is a verb with its noun ('accept switch'), `subject` a noun with its number ('switch 12'). The detail is
    JSON; instants, dates and decimals are written as text. Nobody waits for the chain: a duty seals the entry later.
    Raises InvalidName for a blank actor. Call it near the end of a long transaction: from here to its commit nothing
    newer is sealed.
    """
    require_actor(actor)
    store.insert_entry(
        connection,
        organisation_id=organisation_id,
        actor=actor,
        action=action,
        subject=subject,
        detail=detail,
    )


def seal(database: Database, organisation_id: int, *, patience_ms: int = 300) -> int:
    """The next unsealed entries are sealed in order of their numbers, at most SEALED_AT_ONCE; returns how many.

    Only numbers below which none can come any more are sealed: transactions that were writing entries when the call
    began are waited for. 0 when one of them outlasts the patience, when somebody else seals this organisation now,
    or when there is nothing to do; the next call goes on. Locks: an advisory one of the organisation, not waited for.
    """
    with database.transaction(organisation_id, read_only=True) as connection:
        newest = store.get_newest(connection, organisation_id=organisation_id)
        # Asked after the newest number was read: whoever may still commit a smaller one is among these.
        writers = store.list_writers(connection) if newest.entry > newest.sealed else frozenset()
    if newest.entry <= newest.sealed or not _have_ended(database, writers, patience_ms=patience_ms):
        return 0
    return _lengthen(database, organisation_id, until=newest.entry)


def _have_ended(database: Database, writers: frozenset[str], *, patience_ms: int) -> bool:
    until = time.monotonic() + patience_ms / 1000
    wait_seconds = 0.001
    while writers:
        if time.monotonic() >= until:
            return False
        time.sleep(wait_seconds)
        wait_seconds = min(2 * wait_seconds, _LONGEST_WAIT_SECONDS)
        with database.transaction(None, read_only=True) as connection:
            writers &= store.list_writers(connection)
    return True


def _lengthen(database: Database, organisation_id: int, *, until: int) -> int:
    with database.transaction(organisation_id) as connection:
        if not store.claim_chain(connection, organisation_id=organisation_id):
            return 0
        # Read after the claim: a rival that sealed the same entries has committed by now.
        last = store.find_last_seal(connection, organisation_id=organisation_id)
        newest = store.get_newest(connection, organisation_id=organisation_id)
        entries = store.list_entries_to_seal(
            connection,
            organisation_id=organisation_id,
            after=newest.sealed,
            until=until,
            size=SEALED_AT_ONCE,
        )
        if not entries:
            return 0
        now = clock_now(connection)
        seals = sealed(
            organisation_id,
            entries,
            position=last.position if last else 0,
            previous=last.chain_hash if last else genesis(organisation_id),
            sealed_at=epoch_text(now),
        )
        store.insert_seals(connection, organisation_id=organisation_id, seals=seals, sealed_at=now)
    return len(seals)


def checkpoint(database: Database, path: Path) -> int:
    """The end of every organisation's chain stands in the file, on disk; returns how many lines were added.

    A chain that is not longer than its last line gets none. The file belongs where whoever can change the database
    cannot change it. Raises InvalidCheckpoint when the file cannot be read.
    """
    known: dict[int, int] = {}
    for line in checkpoint_store.read_checkpoints(path):
        known[line.organisation_id] = max(line.position, known.get(line.organisation_id, 0))
    with database.duty() as connection:
        chains = store.list_chains(connection)
    grown = [organisation_id for organisation_id, position in chains if position > known.get(organisation_id, 0)]
    lines = [_end_of_chain(database, organisation_id) for organisation_id in grown]
    return checkpoint_store.append_checkpoints(path, [line for line in lines if line is not None])


def _end_of_chain(database: Database, organisation_id: int) -> Checkpoint | None:
    with database.transaction(organisation_id, read_only=True) as connection:
        last = store.find_last_seal(connection, organisation_id=organisation_id)
        now = clock_now(connection)
    return None if last is None else Checkpoint(organisation_id, last.position, last.chain_hash, now.isoformat())


def verify(database: Database, organisation_id: int, checkpoint_path: Path | None = None) -> Verification:
    """What one snapshot of the organisation's chain shows, compared with every checkpoint in the file.

    Without checkpoints neither a cut-off tail nor a chain built anew can be seen. Raises InvalidCheckpoint when the
    file is missing or cannot be read.
    """
    checkpoints = [] if checkpoint_path is None else checkpoint_store.read_checkpoints(checkpoint_path, must_exist=True)
    with database.transaction(organisation_id, read_only=True, isolation="repeatable read") as connection:
        links = store.list_links(connection, organisation_id=organisation_id)
        return verify_links(organisation_id, links, checkpoints)
