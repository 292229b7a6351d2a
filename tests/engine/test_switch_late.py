"""An instant of acceptance older than 250 ms is never published: the commit is refused and all is done again."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest
from tests.engine.switch_world import activity, content, found

from lockstep.engine.switch import withdraw_switch
from lockstep.store.database import Database

if TYPE_CHECKING:
    from tests.conftest import Clock

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def slow_down(admin: psycopg.Connection, table: str, milliseconds: int, times: int) -> None:
    """While a row of the table is written for the first so many times, the clock goes on by so much."""
    admin.execute("create sequence slowed")
    admin.execute(
        f"""
        create function slow() returns trigger language plpgsql security definer as $$
        begin
            if nextval('public.slowed') <= {times} then
                update public.test_clock set instant = instant + interval '{milliseconds} milliseconds';
            end if;
            return null;
        end $$"""
    )
    admin.execute(f"create trigger slow after insert on {table} for each row execute function slow()")


@pytest.mark.parametrize("table", ["audit_entry", "switch_acceptance"])
def test_a_late_acceptance_is_done_again_with_a_new_instant(
    database: Database, admin: psycopg.Connection, clock: "Clock", table: str
) -> None:
    clock.set(NOON)
    world = found(database)
    preview = world.preview("publish", world.protocol("p"), content=content(activity()))
    slow_down(admin, table, 251, times=2)
    accepted = world.accept(preview)
    assert admin.execute("select last_value from slowed").fetchone() == (3,), "refused twice, then accepted"
    assert (accepted.number, accepted.version_number) == (1, 1)
    assert admin.execute("select count(*) from switch_acceptance").fetchone() == (1,)


def test_up_to_250_ms_are_accepted(database: Database, admin: psycopg.Connection, clock: "Clock") -> None:
    clock.set(NOON)
    world = found(database)
    preview = world.preview("publish", world.protocol("p"), content=content(activity()))
    slow_down(admin, "audit_entry", 250, times=9)
    assert world.accept(preview).accepted_at == NOON
    assert admin.execute("select last_value from slowed").fetchone() == (1,)


def test_a_late_withdrawal_is_done_again(database: Database, admin: psycopg.Connection, clock: "Clock") -> None:
    clock.set(NOON)
    world = found(database)
    protocol = world.protocol("p")
    preview = world.preview(
        "publish", protocol, content=content(activity()), effective="instant", effective_at=NOON + timedelta(hours=1)
    )
    world.accept(preview)
    slow_down(admin, "switch_withdrawal", 300, times=1)
    withdraw_switch(
        database, organisation_id=world.organisation_id, switch_id=preview.switch_id, reason="no", actor="m"
    )
    assert admin.execute("select last_value from slowed").fetchone() == (2,)
    assert admin.execute("select count(*) from switch_withdrawal").fetchone() == (1,)
