"""A second person approves what concerns many or loosens a limit; previews expire."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest
from tests.engine.switch_world import World, activity, content, found

from lockstep.domain.preview import SwitchSettings
from lockstep.domain.refusal import AlreadyAccepted, InvalidName, NotApproved, PreviewExpired, SamePerson, UnknownSwitch
from lockstep.engine.switch import approve_switch
from lockstep.store.database import Database

if TYPE_CHECKING:
    from tests.conftest import Clock

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LOOSER = activity(rules=[{"key": "high", "above": 120, "severity": "red"}])
MANY = SwitchSettings(approve_above_patients=1)


def world_of(database: Database) -> tuple[World, int]:
    world = found(database)
    protocol = world.protocol("p")
    world.publish(protocol, activity())
    world.enrol(protocol, ["anna", "bram"])
    return world, protocol


def approve(world: World, switch_id: int, actor: str) -> None:
    approve_switch(world.database, organisation_id=world.organisation_id, switch_id=switch_id, actor=actor)


def test_many_patients_need_a_second_person(database: Database, admin: psycopg.Connection) -> None:
    world, protocol = world_of(database)
    preview = world.preview("publish", protocol, content=content(activity(opens="07:00")), settings=MANY)
    assert preview.needs_approval
    with pytest.raises(NotApproved):
        world.accept(preview)
    with pytest.raises(SamePerson):
        approve(world, preview.switch_id, "m.anager")
    approve(world, preview.switch_id, "s.econd")
    approve(world, preview.switch_id, "s.econd")
    assert world.accept(preview).version_number == 2
    assert admin.execute("select count(*) from audit_entry where action = 'approve switch'").fetchone() == (1,)
    with pytest.raises(AlreadyAccepted):
        approve(world, preview.switch_id, "t.hird")


def test_few_patients_and_no_looser_limit_need_none(database: Database) -> None:
    world, protocol = world_of(database)
    tighter = activity(rules=[{"key": "high", "above": 90, "severity": "red"}])
    assert not world.preview("publish", protocol, content=content(tighter)).needs_approval


@pytest.mark.parametrize("rules", [LOOSER["rules"], []])
def test_a_looser_or_removed_limit_needs_a_second_person(database: Database, rules: list[object]) -> None:
    world, protocol = world_of(database)
    preview = world.preview("publish", protocol, content=content(activity(rules=rules)))
    assert preview.needs_approval
    assert [(caution.code, caution.patients) for caution in preview.cautions] == [("looser", 2)]
    lenient = SwitchSettings(approve_loosening=False)
    assert not world.preview("publish", protocol, content=content(LOOSER), settings=lenient).needs_approval


def test_a_preview_expires_after_an_hour(database: Database, clock: "Clock") -> None:
    clock.set(NOON)
    world, protocol = world_of(database)
    preview = world.preview("publish", protocol, content=content(activity(opens="07:00")), settings=MANY)
    clock.set(NOON + timedelta(hours=1))
    with pytest.raises(PreviewExpired):
        approve(world, preview.switch_id, "s.econd")
    with pytest.raises(PreviewExpired):
        world.accept(preview)


@pytest.mark.parametrize("again", ["M.Anager", "m.anager ", "\u00a0m.anager", "M\uff0eANAGER"])
def test_the_first_person_written_otherwise_is_no_second(database: Database, again: str) -> None:
    world, protocol = world_of(database)
    preview = world.preview("publish", protocol, content=content(LOOSER))
    with pytest.raises((SamePerson, InvalidName)):  # with blanks around it, it is no name
        approve(world, preview.switch_id, again)
    with pytest.raises(NotApproved) as refused:
        world.accept(preview)
    assert refused.value.mend


@pytest.mark.parametrize("nobody", ["", " "])
def test_nobody_decides_nothing(database: Database, nobody: str) -> None:
    world, protocol = world_of(database)
    preview = world.preview("publish", protocol, content=content(LOOSER))
    with pytest.raises(InvalidName):
        approve(world, preview.switch_id, nobody)
    with pytest.raises(InvalidName):
        world.preview("publish", protocol, content=content(LOOSER), actor=nobody)
    approve(world, preview.switch_id, "s.econd")
    with pytest.raises(InvalidName):
        world.accept(preview, actor=nobody)


def test_refusals_say_where_and_how_to_mend(database: Database) -> None:
    world, protocol = world_of(database)
    preview = world.preview("publish", protocol, content=content(activity(opens="07:00")))
    world.accept(preview)
    for refusal, switch_id in ((AlreadyAccepted, preview.switch_id), (UnknownSwitch, 4711)):
        with pytest.raises(refusal) as refused:
            approve(world, switch_id, "s.econd")
        assert refused.value.where == "switch_id"
        assert refused.value.mend
