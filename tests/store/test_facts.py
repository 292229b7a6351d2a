"""Facts are appended: not even a superuser changes one without taking the guard away first."""

import psycopg
import pytest
from psycopg import sql
from tests.store.isolated_world import contents, fill, tables

from lockstep.store.database import Database

CHANGING = {
    "agenda", "agenda_head", "alert", "check_run", "drift", "ingestion_heartbeat", "operation", "patient",
    "protocol_control", "recalculation_exception", "recalculation_range",
}  # fmt: skip
"""Projections and states; of a patient only the right to lock, by naming a column that nothing writes."""

NAMES = {"alert_sample", "cohort", "organisation", "program", "protocol"}
"""Neither a fact with a guard nor changed by the application: it has no right to."""


def guarded(admin: psycopg.Connection) -> set[str]:
    """Tables whose rows refuse to change."""
    return {
        name
        for (name,) in admin.execute(
            "select t.tgrelid::regclass::text from pg_trigger t join pg_proc p on p.oid = t.tgfoid"
            " where p.proname = 'refuse_change' and t.tgparentid = 0 and t.tgenabled = 'O'"
        )
    }


def test_every_table_is_a_fact_a_name_or_known_to_change(admin: psycopg.Connection) -> None:
    changing = {
        table
        for table in tables(admin)
        for (may,) in [
            admin.execute("select has_any_column_privilege('lockstep_app', %s, 'update')", [table]).fetchone() or ()
        ]
        if may
    }
    assert changing == CHANGING
    assert guarded(admin) | changing | NAMES == set(tables(admin))
    assert not guarded(admin) & (changing | NAMES)


def test_no_fact_can_be_changed_or_removed(database: Database, admin: psycopg.Connection) -> None:
    del database
    fill(admin)
    for table in sorted(guarded(admin)):
        before = contents(admin, table, 901)
        assert before, table
        for statement in ("update {} set organisation_id = organisation_id", "delete from {}"):
            with pytest.raises(psycopg.Error, match="appended, never changed"):
                admin.execute(sql.SQL(statement).format(sql.Identifier(table)))
        assert contents(admin, table, 901) == before
