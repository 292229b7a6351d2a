"""Acceptance locks the protocol's control row, and neither locks nor writes a row of any patient."""

import psycopg
from tests.engine.switch_world import activity, content, found

from lockstep.domain.switch import Effective
from lockstep.engine import acceptance
from lockstep.store import switch as store
from lockstep.store.database import Database

OF_PATIENTS = {
    "patient", "patient_zone", "enrolment", "assignment", "discharge", "personal_change", "pause", "agenda_head",
    "agenda", "occurrence", "measurement", "alert", "selection_member", "cohort",
}  # fmt: skip
WRITING = {"RowShareLock", "RowExclusiveLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"}


def test_no_table_of_patients_is_locked_for_writing(database: Database, admin: psycopg.Connection) -> None:
    world = found(database)
    protocol = world.protocol("p")
    world.publish(protocol, activity())
    world.enrol(protocol, ["anna", "bram"])
    written_by = admin.execute("select enrolment_id, xmin from agenda_head order by 1").fetchall()
    preview = world.preview("publish", protocol, content=content(activity(opens="07:00")))
    with database.transaction(world.organisation_id) as connection:
        claim = store.claim_acceptance(
            connection, organisation_id=world.organisation_id, switch_id=preview.switch_id, client_key="k"
        )
        assert claim is not None
        acceptance._save(connection, world.organisation_id, claim, "k", "h", "m", None)
        locks = admin.execute(
            "select c.relname, l.mode from pg_locks l join pg_class c on c.oid = l.relation"
            " where l.pid = %s and c.relkind in ('r', 'p')",
            [connection.info.backend_pid],
        ).fetchall()
    locked = {name for name, mode in locks if mode in WRITING}
    assert {"protocol_control", "switch_acceptance", "operation", "audit_entry"} <= locked
    assert not locked & OF_PATIENTS
    assert admin.execute("select enrolment_id, xmin from agenda_head order by 1").fetchall() == written_by


def test_it_does_not_wait_for_patients_rows_that_others_hold(database: Database, admin: psycopg.Connection) -> None:
    world = found(database)
    protocol = world.protocol("p")
    world.publish(protocol, activity())
    world.enrol(protocol, ["anna"])
    preview = world.preview("publish", protocol, content=content(activity(opens="07:00")))
    with admin.transaction():
        for table in ("patient", "enrolment", "assignment", "agenda_head", "agenda"):
            admin.execute(f"select 1 from {table} for update")
        accepted = world.accept(preview)
    assert accepted.version_number == 2


def test_moves_queue_and_publications_do_not(database: Database, admin: psycopg.Connection) -> None:
    world = found(database)
    one, other = world.protocol("one"), world.protocol("other")
    for protocol in (one, other):
        world.publish(protocol, activity())
    world.enrol(one, ["anna"])
    move = world.preview("move", one, target_protocol_id=other, effective=Effective.NEXT_DAY)
    publication = world.preview("publish", other, content=content(activity(opens="07:00")))
    with database.transaction(world.organisation_id) as connection:
        store.queue_for_move(connection, organisation_id=world.organisation_id, switch_id=move.switch_id)
        store.claim_acceptance(
            connection, organisation_id=world.organisation_id, switch_id=move.switch_id, client_key="k"
        )
        assert world.accept(publication).version_number == 2
        held = admin.execute(
            "select count(*) from pg_locks where locktype = 'advisory' and pid = %s", [connection.info.backend_pid]
        ).fetchone()
    assert held == (1,)
