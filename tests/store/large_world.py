"""A world of twenty thousand patients with a past, which the planner takes for a million."""

from typing import Any

import psycopg
from tests.store.plans import PATIENTS, TIMES

from lockstep.proof.budget.stage import ZONES, protocol
from lockstep.proof.bulk_world import found
from lockstep.store.database import Database

# What the engine would have written over some weeks; a few statements instead of many calls.
PAST = """
insert into occurrence (organisation_id, enrolment_id, activity_key, on_date, slot, protocol_id, version_number,
    opens_at, closes_at, judge_at, state, measurement_id, decided_at)
select %(org)s, h.enrolment_id, 'weight', (now() - d * interval '1 day')::date, 'morning', h.protocol_id, 1,
    now() - d * interval '1 day', now() - d * interval '1 day' + interval '2 hours',
    now() - d * interval '1 day' + interval '3 hours', 'fulfilled', null, now() - d * interval '1 day'
from agenda_head h, generate_series(1, 3) d;
insert into occurrence_correction (organisation_id, enrolment_id, activity_key, on_date, slot, number, state)
select %(org)s, h.enrolment_id, 'weight', (now() - interval '1 day')::date, 'morning', 1, 'fulfilled late'
from agenda_head h where h.enrolment_id %% 3 = 0;
insert into measurement_key (organisation_id, source, identifier, measurement_id, content_hash)
select %(org)s, 'scale', p.patient_id::text || ' ' || d, p.patient_id * 10 + d, ''
from patient p, generate_series(1, 3) d;
insert into measurement (organisation_id, measurement_id, patient_id, code, value, unit, taken_at, judged_for_at,
    placed_by, received_at, source, identifier)
select %(org)s, p.patient_id * 10 + d, p.patient_id, '29463-7', 80, 'kg', now() - d * interval '1 day',
    now() - d * interval '1 day', 'device', now() - d * interval '1 hour', 'scale', p.patient_id::text || ' ' || d
from patient p, generate_series(1, 3) d;
insert into alert (organisation_id, enrolment_id, activity_key, rule_key, kind, severity, protocol_id, version_number,
    state, about_at, raised_at, updated_at)
select %(org)s, h.enrolment_id, 'weight', 'heavy', 'limit', 'red', h.protocol_id, 1,
    case when h.enrolment_id %% 10 = 0 then 'open' else 'resolved' end, now(), now(), now()
from agenda_head h;
insert into alert_sample (organisation_id, alert_id, at, measurement_id, severity, protocol_id,
    version_number, recorded_at)
select a.organisation_id, a.alert_id, now(), 1, a.severity, a.protocol_id, a.version_number, now()
from alert a, generate_series(1, 2);
insert into patient_event (organisation_id, patient_id, event, at, source, identifier)
select %(org)s, p.patient_id, 'meal', now() - d * interval '1 day', 'diary', p.patient_id::text || ' ' || d
from patient p, generate_series(1, 2) d;
insert into personal_change (organisation_id, enrolment_id, number, activity_key, field, value, reason, from_at,
    recorded_by)
select %(org)s, h.enrolment_id, 1, 'weight', 'rules.heavy', '{}', 'r', now(), 't'
from agenda_head h where h.enrolment_id %% 3 = 0;
insert into pause (organisation_id, enrolment_id, number, from_at, until_at, reason, recorded_by)
select %(org)s, h.enrolment_id, 1, now() - interval '9 days', now() - interval '8 days', 'r', 't'
from agenda_head h where h.enrolment_id %% 3 = 0;
insert into resumption (organisation_id, enrolment_id, number, until_at, recorded_by)
select organisation_id, enrolment_id, 1, now(), 't' from pause;
insert into discharge (organisation_id, enrolment_id, discharged_at, reason, recorded_by)
select %(org)s, h.enrolment_id, now(), 'r', 't' from agenda_head h where h.enrolment_id %% 3 = 1;
insert into selection (organisation_id, protocol_id, description, member_count, created_by)
select %(org)s, 1, 's', 1000, 't' from generate_series(1, 20);
insert into selection_member (organisation_id, selection_id, enrolment_id)
select %(org)s, s.selection_id, h.enrolment_id from selection s, agenda_head h
where h.enrolment_id %% 20 = s.selection_id %% 20;
insert into audit_entry (organisation_id, actor, action, subject, detail)
select %(org)s, 't', 'enrol', 'enrolment ' || e.enrolment_id, '{}' from enrolment e;
insert into audit_seal (organisation_id, position, audit_entry_id, entry_hash, chain_hash, sealed_at)
select %(org)s, row_number() over (order by audit_entry_id), audit_entry_id, 'h', 'h', now() from audit_entry;
insert into drift (organisation_id, check_id, enrolment_id, kind, found_at)
select %(org)s, h.enrolment_id %% 500, h.enrolment_id, 'stale agenda', now() from agenda_head h;
insert into operation_event (organisation_id, operation_id, at, type, state, actor, data)
select %(org)s, n, now(), 'operation.attempted', 'running', 't', '{}' from generate_series(1, 20000) n;
update agenda_head set next_change_at = now() + interval '1 hour' where enrolment_id %% 100 = 0;
"""


def make(url: str, admin: psycopg.Connection[Any]) -> int:
    """The world exists, and the planner takes it for TIMES as many patients; returns its organisation."""
    tables = "select oid::regclass::text from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
    for (table,) in admin.execute(tables).fetchall():
        # An analysis in the middle of the test would tell the planner the truth.
        admin.execute(f"alter table {table} set (autovacuum_enabled = false)".encode())
    # As after a year, with a hundred and fifty of each for everybody.
    for table, column in (("measurement", "patient_id"), ("occurrence", "enrolment_id")):
        for (partition,) in admin.execute("select relid::text from pg_partition_tree(%s) where isleaf", [table]):
            admin.execute(f"alter table {partition} alter {column} set (n_distinct = {PATIENTS})".encode())
    with Database(url) as database:
        world = found(database, "large")
        world.add(protocol("large"), count=PATIENTS, zones=ZONES)
    psycopg.ClientCursor(admin).execute(PAST, {"org": world.organisation_id})
    admin.execute("vacuum analyze")
    # The planner multiplies the rows of a page, which this tells, with the pages that it finds.
    admin.execute(
        "update pg_class set reltuples = reltuples * %s where relkind in ('r', 'i', 'p') and reltuples > 1000"
        " and relnamespace = 'public'::regnamespace",
        [TIMES],
    )
    return world.organisation_id
