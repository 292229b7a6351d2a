"""Shows what was published."""

from lockstep.domain.content import Content
from lockstep.domain.refusal import UnknownVersion
from lockstep.domain.version import Version
from lockstep.store import version as store
from lockstep.store.database import Database


def list_versions(database: Database, *, organisation_id: int, protocol_id: int) -> list[Version]:
    """The versions of the protocol, the newest first, without their content."""
    with database.transaction(organisation_id, read_only=True) as connection:
        return store.list_versions(connection, organisation_id=organisation_id, protocol_id=protocol_id)


def get_content(database: Database, *, organisation_id: int, protocol_id: int, number: int | None = None) -> Content:
    """The content of the version; without a number that of the newest. Raises UnknownVersion."""
    with database.transaction(organisation_id, read_only=True) as connection:
        found = store.find_version(connection, organisation_id=organisation_id, protocol_id=protocol_id, number=number)
    if found is None or found.content is None:
        named = "The protocol has no version yet" if number is None else f"The protocol has no version {number}"
        raise UnknownVersion(named, where="version")
    return found.content
