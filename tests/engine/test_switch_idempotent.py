"""The same request sent any number of times has one effect and one answer (S6)."""

from dataclasses import replace

import psycopg
import pytest
from tests.engine.switch_world import activity, content, found

from lockstep.domain.refusal import AlreadyAccepted, InvalidSwitch, KeyUsedOtherwise, UnknownSwitch
from lockstep.engine.switch import accept_switch
from lockstep.store.database import Database


def test_the_same_key_and_request_give_the_same_answer(database: Database, admin: psycopg.Connection) -> None:
    world = found(database)
    preview = world.preview("publish", world.protocol("p"), content=content(activity()))
    first = world.accept(preview, key="one")
    again = world.accept(preview, key="one")
    assert again == replace(first, repeated=True)
    assert not first.repeated
    assert admin.execute("select count(*) from switch_acceptance").fetchone() == (1,)
    assert admin.execute("select count(*) from operation").fetchone() == (1,)
    assert admin.execute("select count(*) from audit_entry where action = 'accept switch'").fetchone() == (1,)


def test_the_answer_is_the_same_after_the_preview_expired_and_others_were_accepted(
    database: Database, admin: psycopg.Connection
) -> None:
    world = found(database)
    protocol = world.protocol("p")
    preview = world.preview("publish", protocol, content=content(activity()))
    first = world.accept(preview, key="one")
    world.publish(protocol, activity(opens="07:00"))
    assert world.accept(preview, key="one").number == first.number


def test_the_same_key_with_another_request_is_refused(database: Database) -> None:
    world = found(database)
    protocol = world.protocol("p")
    preview = world.preview("publish", protocol, content=content(activity()))
    world.accept(preview, key="one")
    with pytest.raises(KeyUsedOtherwise):
        world.accept(preview, key="one", actor="somebody.else")
    other = world.preview("publish", protocol, content=content(activity(opens="07:00")))
    with pytest.raises(KeyUsedOtherwise):
        world.accept(other, key="one")


def test_another_key_for_an_accepted_switch_is_refused(database: Database) -> None:
    world = found(database)
    preview = world.preview("publish", world.protocol("p"), content=content(activity()))
    world.accept(preview, key="one")
    with pytest.raises(AlreadyAccepted, match=r"m\.anager accepted"):
        world.accept(preview, key="two")


def test_a_switch_of_another_organisation_does_not_exist(database: Database) -> None:
    world, other = found(database), found(database, "other")
    preview = world.preview("publish", world.protocol("p"), content=content(activity()))
    for organisation_id, switch_id in ((other.organisation_id, preview.switch_id), (world.organisation_id, 4711)):
        with pytest.raises(UnknownSwitch):
            accept_switch(database, organisation_id=organisation_id, switch_id=switch_id, client_key="k", actor="a")


def test_a_key_is_needed(database: Database) -> None:
    with pytest.raises(InvalidSwitch):
        accept_switch(database, organisation_id=1, switch_id=1, client_key="", actor="a")
