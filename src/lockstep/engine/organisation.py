"""Creates organisations."""

from lockstep.domain.name import require_key, require_title
from lockstep.domain.organisation import Organisation
from lockstep.domain.refusal import AlreadyExists, shown
from lockstep.engine.audit import record_entry
from lockstep.store import organisation as store
from lockstep.store.database import Database


def create_organisation(database: Database, *, key: str, title: str, actor: str) -> Organisation:
    """The organisation exists. Raises InvalidName, AlreadyExists."""
    require_key(key)
    require_title(title)
    with database.transaction(None) as connection:
        organisation_id = store.draw_organisation_id(connection)
    with database.transaction(organisation_id) as connection:
        if not store.insert_organisation(connection, organisation_id=organisation_id, key=key, title=title):
            raise AlreadyExists(f"There is an organisation {shown(key)} already", where="key")
        record_entry(
            connection,
            organisation_id=organisation_id,
            actor=actor,
            action="create organisation",
            subject=f"organisation {organisation_id}",
            detail={"key": key, "title": title},
        )
    return Organisation(organisation_id, key, title)
