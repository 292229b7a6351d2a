"""Creates organisations, lists them and finds them by what people call them."""

from lockstep.domain.name import require_key, require_title
from lockstep.domain.organisation import Organisation
from lockstep.domain.refusal import AlreadyExists, UnknownOrganisation, shown
from lockstep.engine.audit import record_entry
from lockstep.store import organisation as store
from lockstep.store.database import Database
from lockstep.store.duty import Waiting
from lockstep.store.duty import list_organisations as list_numbers


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


def list_organisations(database: Database) -> list[Organisation]:
    """Every organisation, by number. For operators: a transaction each, since no transaction sees two."""
    with database.duty() as connection:
        numbers = list_numbers(connection, Waiting.ANYTHING)
    found = [_find(database, number) for number in numbers]
    return [organisation for organisation in found if organisation is not None]


def resolve_organisation(database: Database, named: str) -> Organisation:
    """The organisation with this key, else with this number. Raises UnknownOrganisation."""
    known = list_organisations(database)
    for organisation in known:
        if organisation.key == named:
            return organisation
    for organisation in known:
        if str(organisation.organisation_id) == named:
            return organisation
    keys = ", ".join(organisation.key for organisation in known[:10])
    mend = f"There are: {keys}." if known else "Create it: lockstep organisation add."
    raise UnknownOrganisation(f"There is no organisation {shown(named)}", where="organisation", mend=mend)


def _find(database: Database, organisation_id: int) -> Organisation | None:
    with database.transaction(organisation_id, read_only=True) as connection:
        return store.find_organisation(connection, organisation_id=organisation_id)
