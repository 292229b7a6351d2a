-- name: insert_patients
-- So many patients exist, their names beginning with a prefix; says which numbers they were given.
-- Locks: the new rows.
with made as (
    insert into patient (organisation_id, identifier)
    select
        %(organisation_id)s,
        %(prefix)s::text || n
    from generate_series(1, %(count)s) n
    returning patient_id
)
select
    min(patient_id),
    max(patient_id)
from made;

-- name: insert_zones
-- The patients live in the zones, each zone in turn.
-- Locks: the new rows.
insert into patient_zone (organisation_id, patient_id, number, zone, from_at, recorded_by)
select
    %(organisation_id)s,
    n,
    1,
    (%(zones)s::text[])[1 + n %% cardinality(%(zones)s::text[])],
    %(at)s,
    'world'
from generate_series(%(first)s::bigint, %(last)s::bigint) n;

-- name: insert_enrolments
-- The patients are enrolled from an instant on, their first days spread; says which numbers the enrolments were given.
-- Locks: the new rows.
with enrolled as (
    insert into enrolment (organisation_id, patient_id, program_id, anchor_on, enrolled_at, recorded_by)
    select
        %(organisation_id)s,
        n,
        %(program_id)s,
        (%(at)s::timestamptz)::date - (n %% %(anchor_days)s)::integer,
        %(at)s,
        'world'
    from generate_series(%(first)s::bigint, %(last)s::bigint) n
    returning enrolment_id
)
select
    min(enrolment_id),
    max(enrolment_id)
from enrolled;

-- name: insert_assignments
-- The enrolments are on the protocol.
-- Locks: the new rows.
insert into assignment (organisation_id, enrolment_id, number, protocol_id, from_at, recorded_by)
select
    %(organisation_id)s,
    n,
    1,
    %(protocol_id)s,
    %(at)s,
    'world'
from generate_series(%(first)s::bigint, %(last)s::bigint) n;

-- name: insert_cohorts
-- Every zone and first day of the enrolments is a cohort.
-- Locks: the new rows.
insert into cohort (organisation_id, zone, anchor_on)
select distinct
    e.organisation_id,
    z.zone,
    e.anchor_on
from enrolment e
join patient_zone z
    on z.organisation_id = e.organisation_id
    and z.patient_id = e.patient_id
where e.organisation_id = %(organisation_id)s
    and e.enrolment_id between %(first)s and %(last)s
on conflict (organisation_id, zone, anchor_on) do nothing;

-- name: insert_heads
-- The enrolments have heads that were computed for nothing yet: the recalculation of the publication gives them rows.
-- Locks: the new rows.
insert into agenda_head (
    organisation_id, enrolment_id, protocol_id, version_number, generation, cohort_id, assigned_at,
    assigned_protocol_id, individual_until, computed_at
)
select
    e.organisation_id,
    e.enrolment_id,
    %(protocol_id)s,
    0,
    0,
    k.cohort_id,
    %(at)s,
    %(protocol_id)s,
    %(never)s,
    %(at)s
from enrolment e
join patient_zone z
    on z.organisation_id = e.organisation_id
    and z.patient_id = e.patient_id
join cohort k
    on k.organisation_id = e.organisation_id
    and k.zone = z.zone
    and k.anchor_on = e.anchor_on
where e.organisation_id = %(organisation_id)s
    and e.enrolment_id between %(first)s and %(last)s
order by e.enrolment_id;
