"""Creates protocols and lists them; what they say is published by a switch."""

from lockstep.domain.name import require_key, require_title
from lockstep.domain.program import Protocol
from lockstep.domain.refusal import AlreadyExists, UnknownProgram, UnknownProtocol, shown
from lockstep.engine.audit import record_entry
from lockstep.store import program as program_store
from lockstep.store import protocol as store
from lockstep.store.database import Database


def create_protocol(
    database: Database, *, organisation_id: int, program_id: int, key: str, title: str, actor: str
) -> Protocol:
    """The protocol exists, without a version yet. Raises InvalidName, UnknownProgram, AlreadyExists."""
    require_key(key)
    require_title(title)
    with database.transaction(organisation_id) as connection:
        if not program_store.list_programs(connection, organisation_id=organisation_id, program_id=program_id):
            raise UnknownProgram(f"There is no program {program_id}", where="program_id")
        protocol_id = store.insert_protocol(
            connection, organisation_id=organisation_id, program_id=program_id, key=key, title=title
        )
        if protocol_id is None:
            raise AlreadyExists(f"The program has a protocol {shown(key)} already", where="key")
        record_entry(
            connection,
            organisation_id=organisation_id,
            actor=actor,
            action="create protocol",
            subject=f"protocol {protocol_id}",
            detail={"program_id": program_id, "key": key, "title": title},
        )
    return Protocol(protocol_id, program_id, key, title)


def get_protocol(database: Database, *, organisation_id: int, protocol_id: int) -> Protocol:
    """The protocol. Raises UnknownProtocol."""
    with database.transaction(organisation_id, read_only=True) as connection:
        found = store.list_protocols(connection, organisation_id=organisation_id, protocol_ids=[protocol_id])
    if not found:
        raise UnknownProtocol(f"There is no protocol {protocol_id}", where="protocol_id")
    return found[0]


def list_protocols(database: Database, *, organisation_id: int, program_id: int | None = None) -> list[Protocol]:
    """The organisation's protocols, or a program's, by program and key."""
    with database.transaction(organisation_id, read_only=True) as connection:
        return store.list_protocols(connection, organisation_id=organisation_id, program_id=program_id)
