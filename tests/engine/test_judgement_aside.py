"""An enrolment that cannot be judged is set aside with the kind of failure, and the others are judged."""

from typing import TYPE_CHECKING

import psycopg
import pytest

from lockstep.store import judgement
from lockstep.store.database import Database

from .judged_world import JUDGED_AT, Judging

if TYPE_CHECKING:
    from tests.conftest import Clock


@pytest.fixture
def world(database: Database, clock: "Clock", admin: psycopg.Connection) -> Judging:
    return Judging(database, admin, clock.set, patients=tuple(f"p{n}" for n in range(9)))


def break_one(admin: psycopg.Connection, enrolment_id: int) -> None:
    admin.execute(f"alter table occurrence add constraint broken check (enrolment_id <> {enrolment_id}) not valid")


def test_the_others_are_judged(world: Judging, admin: psycopg.Connection) -> None:
    bad = world.world.enrolment_of["p4"]
    break_one(admin, bad)
    assert world.judge(JUDGED_AT).missed == 8
    assert world.ask("select enrolment_id, reason, sqlstate, attempts from recalculation_exception") == [
        (bad, "CheckViolation", "23514", 1)
    ]
    # It is not tried again until it is no longer aside.
    assert world.judge(JUDGED_AT).count == 0
    admin.execute("alter table occurrence drop constraint broken")
    admin.execute("delete from recalculation_exception")
    assert world.judge(JUDGED_AT).missed == 1


def test_what_passes_by_itself_is_left_to_the_caller(world: Judging, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise psycopg.errors.LockNotAvailable

    monkeypatch.setattr(judgement, "save_missed", fail)
    with pytest.raises(psycopg.errors.LockNotAvailable):
        world.judge(JUDGED_AT)
    assert world.ask("select count(*) from recalculation_exception") == [(0,)]
