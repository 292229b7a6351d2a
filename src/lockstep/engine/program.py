"""Opens programs and lists them."""

from lockstep.domain.name import require_key, require_title
from lockstep.domain.program import Program
from lockstep.domain.refusal import AlreadyExists, UnknownProgram, shown
from lockstep.engine.audit import record_entry
from lockstep.store import program as store
from lockstep.store.database import Database


def open_program(database: Database, *, organisation_id: int, key: str, title: str, actor: str) -> Program:
    """Patients can join the program. Raises InvalidName, AlreadyExists."""
    require_key(key)
    require_title(title)
    with database.transaction(organisation_id) as connection:
        program_id = store.insert_program(connection, organisation_id=organisation_id, key=key, title=title)
        if program_id is None:
            raise AlreadyExists(f"There is a program {shown(key)} already", where="key")
        record_entry(
            connection,
            organisation_id=organisation_id,
            actor=actor,
            action="open program",
            subject=f"program {program_id}",
            detail={"key": key, "title": title},
        )
    return Program(program_id, key, title)


def get_program(database: Database, *, organisation_id: int, program_id: int) -> Program:
    """The program. Raises UnknownProgram."""
    with database.transaction(organisation_id, read_only=True) as connection:
        found = store.list_programs(connection, organisation_id=organisation_id, program_id=program_id)
    if not found:
        raise UnknownProgram(f"There is no program {program_id}", where="program_id")
    return found[0]


def list_programs(database: Database, *, organisation_id: int) -> list[Program]:
    """The programs of the organisation, by key."""
    with database.transaction(organisation_id, read_only=True) as connection:
        return store.list_programs(connection, organisation_id=organisation_id)
