"""Acceptance puts a switch on its protocol's timeline in one transaction that touches nobody's rows."""

import psycopg

from lockstep.store.database import Database
from tests.engine.switch_world import activity, found


def test_a_publication_is_a_version_in_force_from_the_instant_of_acceptance(
    database: Database, admin: psycopg.Connection
) -> None:
    world = found(database)
    protocol = world.protocol("stable")
    first = world.publish(protocol, activity())
    world.enrol(protocol, ["anna", "bram"])
    second = world.publish(protocol, activity(opens="07:00"))
    assert (first.number, first.version_number) == (1, 1)
    assert (second.number, second.version_number) == (2, 2)
    assert second.first_at == second.last_at == second.accepted_at
    assert first.generation is not None
    assert second.generation is not None
    assert second.generation > first.generation
    told = admin.execute(
        "select o.state, o.total, o.generation, e.type, e.state from operation o join operation_event e using (operation_id)"
        " where operation_id = %s",
        [second.operation_id],
    ).fetchall()
    assert told == [("accepted", 2, second.generation, "started", "accepted")]
