-- name: list_switches
-- Every accepted switch.
-- Locks: none.
select
    a.organisation_id,
    a.switch_id,
    a.protocol_id,
    a.number,
    a.kind,
    a.version_number,
    a.target_protocol_id,
    a.selection_id,
    a.first_at,
    a.last_at,
    a.generation,
    a.operation_id,
    a.client_key,
    a.accepted_at,
    w.withdrawn_at
from switch_acceptance a
left join switch_withdrawal w
    on w.organisation_id = a.organisation_id
    and w.switch_id = a.switch_id;

-- name: list_members
-- The enrolments of every selection of an accepted switch.
-- Locks: none.
select
    m.selection_id,
    array_agg(m.enrolment_id)
from selection_member m
where m.selection_id in (
    select a.selection_id
    from switch_acceptance a
)
group by m.selection_id;

-- name: list_contents
-- The content of every version.
-- Locks: none.
select
    v.protocol_id,
    v.number,
    v.content
from version v;

-- name: list_enrolments
-- Every enrolment with the name of its patient and its end.
-- Locks: none.
select
    e.organisation_id,
    e.enrolment_id,
    e.patient_id,
    p.identifier,
    e.anchor_on,
    e.enrolled_at,
    d.discharged_at
from enrolment e
join patient p
    on p.organisation_id = e.organisation_id
    and p.patient_id = e.patient_id
left join discharge d
    on d.organisation_id = e.organisation_id
    and d.enrolment_id = e.enrolment_id;

-- name: list_assignments
-- Every assignment.
-- Locks: none.
select
    a.enrolment_id,
    a.number,
    a.protocol_id,
    a.from_at
from assignment a;

-- name: list_pauses
-- Every pause with its end.
-- Locks: none.
select
    p.enrolment_id,
    p.from_at,
    coalesce(r.until_at, p.until_at)
from pause p
left join resumption r
    on r.organisation_id = p.organisation_id
    and r.enrolment_id = p.enrolment_id
    and r.number = p.number;

-- name: list_zones
-- Where patients live.
-- Locks: none.
select
    z.patient_id,
    z.number,
    z.zone,
    z.from_at
from patient_zone z;

-- name: list_outages
-- Every outage.
-- Locks: none.
select
    o.organisation_id,
    o.from_at,
    o.until_at
from outage o;

-- name: list_heads
-- Every head.
-- Locks: none.
select
    h.organisation_id,
    h.enrolment_id,
    h.protocol_id,
    h.version_number,
    h.generation,
    h.next_change_at
from agenda_head h;

-- name: list_row_groups
-- Agenda rows that are the same, counted, with one enrolment of each.
-- Locks: none.
select
    a.organisation_id,
    h.protocol_id,
    k.zone,
    k.anchor_on,
    a.activity_key,
    a.on_date,
    a.slot,
    a.opens_at,
    a.closes_at,
    a.judge_at,
    count(*),
    min(a.enrolment_id)
from agenda a
join agenda_head h
    on h.organisation_id = a.organisation_id
    and h.enrolment_id = a.enrolment_id
join cohort k
    on k.organisation_id = h.organisation_id
    and k.cohort_id = h.cohort_id
group by
    a.organisation_id,
    h.protocol_id,
    k.zone,
    k.anchor_on,
    a.activity_key,
    a.on_date,
    a.slot,
    a.opens_at,
    a.closes_at,
    a.judge_at;

-- name: list_occurrences
-- Every decided occurrence, with its state after the last correction, and whether it is asked all the same.
-- Locks: none.
select
    o.organisation_id,
    o.enrolment_id,
    o.activity_key,
    o.on_date,
    o.slot,
    o.protocol_id,
    o.version_number,
    o.opens_at,
    o.closes_at,
    o.judge_at,
    o.state,
    coalesce(c.state, o.state),
    coalesce(c.measurement_id, o.measurement_id),
    o.decided_at,
    a.enrolment_id is not null
from occurrence o
left join lateral (
    select
        c.state,
        c.measurement_id
    from occurrence_correction c
    where c.organisation_id = o.organisation_id
        and c.enrolment_id = o.enrolment_id
        and c.activity_key = o.activity_key
        and c.on_date = o.on_date
        and c.slot = o.slot
    order by c.number desc
    limit 1
) c on true
left join agenda a
    on a.organisation_id = o.organisation_id
    and a.enrolment_id = o.enrolment_id
    and a.activity_key = o.activity_key
    and a.on_date = o.on_date
    and a.slot = o.slot;

-- name: list_measurements
-- Every stored measurement with the name of its patient.
-- Locks: none.
select
    m.organisation_id,
    m.measurement_id,
    p.identifier,
    m.code,
    m.value,
    m.unit,
    m.taken_at,
    m.judged_for_at,
    m.received_at,
    m.source,
    m.identifier
from measurement m
join patient p
    on p.organisation_id = m.organisation_id
    and p.patient_id = m.patient_id;

-- name: list_aside
-- What was set aside.
-- Locks: none.
select
    s.organisation_id,
    s.source,
    s.identifier
from measurement_set_aside s;

-- name: list_samples
-- What every alert is about.
-- Locks: none.
select
    a.organisation_id,
    a.alert_id,
    a.enrolment_id,
    a.activity_key,
    a.rule_key,
    a.kind,
    a.state,
    s.on_date,
    s.slot,
    s.measurement_id
from alert a
join alert_sample s
    on s.organisation_id = a.organisation_id
    and s.alert_id = a.alert_id;

-- name: list_operations
-- Every recalculation.
-- Locks: none.
select
    o.organisation_id,
    o.operation_id,
    o.kind,
    o.state,
    o.switch_id,
    o.started_at,
    o.ended_at
from operation o
where o.kind = 'recalculation';

-- name: list_entries
-- Every audit entry.
-- Locks: none.
select
    e.organisation_id,
    e.action,
    e.subject,
    e.detail
from audit_entry e;

-- name: list_links
-- The chain of every organisation: seals with their entries by position, then entries without a seal.
-- Locks: none.
select
    coalesce(e.organisation_id, s.organisation_id),
    s.position,
    s.audit_entry_id,
    s.entry_hash,
    s.chain_hash,
    extract(epoch from s.sealed_at)::text,
    e.audit_entry_id,
    extract(epoch from e.at)::text,
    e.actor,
    e.action,
    e.subject,
    e.detail::text
from audit_entry e
full join audit_seal s
    on s.organisation_id = e.organisation_id
    and s.audit_entry_id = e.audit_entry_id
order by 1, s.position nulls last, e.audit_entry_id;

-- name: list_tables
-- Every table with an organisation's rows, and whether they are kept from others, its owner included.
-- Locks: none.
select
    c.relname,
    c.relrowsecurity,
    c.relforcerowsecurity
from pg_class c
join pg_attribute a
    on a.attrelid = c.oid
    and a.attname = 'organisation_id'
    and not a.attisdropped
where c.relkind in ('r', 'p')
    and c.relnamespace = 'public'::regnamespace;

-- name: list_left
-- What is left behind when nobody works any more.
-- Locks: none.
select
    'sessions',
    count(*)
from pg_stat_activity
where datname = current_database()
    and pid <> pg_backend_pid()
    and backend_type = 'client backend'
union all
select
    'idle transactions',
    count(*)
from pg_stat_activity
where datname = current_database()
    and state like 'idle in transaction%%'
    and pid <> pg_backend_pid()
union all
select
    'locks',
    count(*)
from pg_locks
where pid is distinct from pg_backend_pid()
    and database = (
        select oid
        from pg_database
        where datname = current_database()
    )
    and pid in (
        select pid
        from pg_stat_activity
        where backend_type = 'client backend'
    )
union all
select
    'prepared transactions',
    count(*)
from pg_prepared_xacts
union all
select
    'enrolments set aside',
    count(*)
from recalculation_exception
union all
select
    'recalculations that have not ended',
    count(*)
from operation
where kind = 'recalculation'
    and ended_at is null
union all
select
    'occurrences due for a minute and not decided',
    count(*)
from agenda
where judge_at < %(judged_at)s::timestamptz - interval '1 minute';

-- name: get_instant
-- The one clock.
-- Locks: none.
select lockstep_now();

-- name: count_unfinished
-- What still has to happen before the end is looked at: recalculations, entries to seal, occurrences to decide.
-- Locks: none.
select
    (
        select count(*)
        from operation
        where kind = 'recalculation'
            and ended_at is null
    ),
    (select count(*) from audit_entry) - (select count(*) from audit_seal),
    (
        select count(*)
        from agenda
        where judge_at < lockstep_now() - interval '5 seconds'
    ),
    (select count(*) from recalculation_exception);
