-- name: insert_patients
-- Patients exist; returns those whose identifier was free.
-- Locks: the new rows.
insert into patient (
    organisation_id,
    identifier,
    born_on
)
select
    %(organisation_id)s,
    n.identifier,
    n.born_on
from unnest(%(identifiers)s::text[], %(born_ons)s::date[]) with ordinality as n (identifier, born_on, ordinal)
order by n.ordinal
on conflict (organisation_id, identifier) do nothing
returning patient_id, identifier;

-- name: insert_zones
-- Patients live in these zones from an instant on.
-- Locks: the new rows; the patients are held already, or new.
insert into patient_zone (
    organisation_id,
    patient_id,
    number,
    zone,
    from_at,
    recorded_by
)
select
    %(organisation_id)s,
    n.patient_id,
    n.number,
    n.zone,
    n.from_at,
    %(actor)s
from unnest(
    %(patient_ids)s::bigint[],
    %(numbers)s::integer[],
    %(zones)s::text[],
    %(from_ats)s::timestamptz[]
) as n (patient_id, number, zone, from_at);

-- name: lock_patients
-- Patients, held until the end of the transaction by whoever enrols them or changes what all their enrolments share.
-- Locks: patient rows in key order, for no key update.
select p.patient_id
from patient p
where p.organisation_id = %(organisation_id)s
    and p.patient_id = any(%(patient_ids)s)
order by p.patient_id
for no key update;

-- name: list_patients
-- Patients by identifier.
-- Locks: none.
select
    p.patient_id,
    p.identifier,
    p.born_on
from patient p
where p.organisation_id = %(organisation_id)s
    and p.identifier = any(%(identifiers)s::text[])
order by p.patient_id;

-- name: list_zones_of
-- The zones of patients in order of recording.
-- Locks: none.
select
    z.patient_id,
    z.number,
    z.from_at,
    z.zone
from patient_zone z
where z.organisation_id = %(organisation_id)s
    and z.patient_id = any(%(patient_ids)s)
order by z.patient_id, z.number;

-- name: list_open_enrolments
-- The enrolments of a patient that have not ended.
-- Locks: none.
select e.enrolment_id
from enrolment e
where e.organisation_id = %(organisation_id)s
    and e.patient_id = %(patient_id)s
    and not exists (
        select 1
        from discharge d
        where d.organisation_id = e.organisation_id
            and d.enrolment_id = e.enrolment_id
    )
order by e.enrolment_id;
