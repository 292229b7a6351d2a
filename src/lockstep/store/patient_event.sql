-- name: insert_event
-- Something happened to a patient; returns nothing where the source said so before.
-- Locks: the new row.
insert into patient_event (
    organisation_id,
    patient_id,
    event,
    at,
    source,
    identifier
)
values (
    %(organisation_id)s,
    %(patient_id)s,
    %(event)s,
    %(at)s,
    %(source)s,
    %(identifier)s
)
on conflict do nothing
returning identifier;

-- name: find_event
-- What a source said under an identifier.
-- Locks: none.
select
    v.patient_id,
    v.event,
    v.at
from patient_event v
where v.organisation_id = %(organisation_id)s
    and v.source = %(source)s
    and v.identifier = %(identifier)s;

-- name: list_ended_after
-- The enrolments of a patient that held an instant and have ended since.
-- Locks: none.
select e.enrolment_id
from enrolment e
join discharge d
    on d.organisation_id = e.organisation_id
    and d.enrolment_id = e.enrolment_id
where e.organisation_id = %(organisation_id)s
    and e.patient_id = %(patient_id)s
    and e.enrolled_at <= %(at)s
    and d.discharged_at > %(at)s
order by e.enrolment_id;
