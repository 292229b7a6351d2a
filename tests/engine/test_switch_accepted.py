"""Acceptance puts a switch on its protocol's timeline in one transaction that touches nobody's rows."""

import psycopg
from tests.engine.switch_world import activity, content, found

from lockstep.domain.operation import OperationState, rebuild
from lockstep.engine.operation import list_events
from lockstep.store.database import Database


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


def test_its_operation_begins_as_any_other(database: Database, admin: psycopg.Connection) -> None:
    world = found(database)
    protocol = world.protocol("stable")
    world.publish(protocol, activity())
    world.enrol(protocol, ["anna", "bram"])
    accepted = world.publish(protocol, activity(opens="07:00"))
    row = admin.execute(
        "select kind, state, sentence, total, generation, starts_at, switch_id from operation where operation_id = %s",
        [accepted.operation_id],
    ).fetchone()
    sentence = "Publish stable version 2 for everyone on it (2), now"
    assert row == (
        "recalculation", "accepted", sentence, 2, accepted.generation, accepted.first_at, accepted.switch_id,
    )  # fmt: skip
    events = list_events(database, organisation_id=world.organisation_id, operation_id=accepted.operation_id)
    assert rebuild(events) is OperationState.ACCEPTED
    assert events[0].data["sentence"] == sentence


def test_it_is_written_down_with_who_decided_and_why(database: Database, admin: psycopg.Connection) -> None:
    world = found(database)
    accepted = world.publish(world.protocol("stable"), activity(), reason="new guideline")
    row = admin.execute("select actor, subject, at, detail from audit_entry where action = 'accept switch'").fetchone()
    assert row is not None
    assert row[:3] == ("m.anager", f"switch {accepted.switch_id}", accepted.accepted_at)
    assert (row[3]["reason"], row[3]["version_number"], row[3]["patients"]) == ("new guideline", 1, 0)


def test_a_worker_is_told_with_the_commit(database: Database, admin: psycopg.Connection) -> None:
    world = found(database)
    preview = world.preview("publish", world.protocol("stable"), content=content(activity()))
    waiting = "select count(*) from procrastinate.procrastinate_jobs where status = 'todo'"
    before = admin.execute(waiting).fetchone()
    assert before is not None
    world.accept(preview)
    assert admin.execute(waiting).fetchone() == (before[0] + 1,)
