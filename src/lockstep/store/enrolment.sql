-- name: draw_enrolment_ids
-- Numbers for new enrolments, in order.
-- Locks: none.
select nextval('enrolment_enrolment_id_seq')
from generate_series(1, %(count)s);

-- name: insert_enrolments
-- Patients are enrolled from an instant on, each on its first protocol.
-- Locks: the new rows; the patients are held already.
with enrolled as (
    insert into enrolment (
        organisation_id,
        enrolment_id,
        patient_id,
        program_id,
        anchor_on,
        enrolled_at,
        recorded_by
    )
    select
        %(organisation_id)s,
        n.enrolment_id,
        n.patient_id,
        n.program_id,
        n.anchor_on,
        %(enrolled_at)s,
        %(actor)s
    from unnest(
        %(enrolment_ids)s::bigint[],
        %(patient_ids)s::bigint[],
        %(program_ids)s::bigint[],
        %(anchors_on)s::date[]
    ) as n (enrolment_id, patient_id, program_id, anchor_on)
)
insert into assignment (
    organisation_id,
    enrolment_id,
    number,
    protocol_id,
    from_at,
    recorded_by
)
select
    %(organisation_id)s,
    n.enrolment_id,
    1,
    n.protocol_id,
    %(enrolled_at)s,
    %(actor)s
from unnest(%(enrolment_ids)s::bigint[], %(protocol_ids)s::bigint[]) as n (enrolment_id, protocol_id);

-- name: list_enrolled
-- Which of these patients are in which of these programs, not discharged.
-- Locks: none.
select
    e.patient_id,
    e.program_id,
    e.enrolment_id
from enrolment e
where e.organisation_id = %(organisation_id)s
    and e.patient_id = any(%(patient_ids)s)
    and e.program_id = any(%(program_ids)s)
    and not exists (
        select 1
        from discharge d
        where d.organisation_id = e.organisation_id
            and d.enrolment_id = e.enrolment_id
    )
order by e.enrolment_id;

-- name: insert_assignment
-- Another protocol governs the enrolment from an instant on.
-- Locks: the new row; the head is held already.
insert into assignment (
    organisation_id,
    enrolment_id,
    number,
    protocol_id,
    from_at,
    recorded_by
)
select
    %(organisation_id)s,
    %(enrolment_id)s,
    max(a.number) + 1,
    %(protocol_id)s,
    %(from_at)s,
    %(actor)s
from assignment a
where a.organisation_id = %(organisation_id)s
    and a.enrolment_id = %(enrolment_id)s;

-- name: insert_discharge
-- The enrolment ends.
-- Locks: the new row; the head is held already.
insert into discharge (
    organisation_id,
    enrolment_id,
    discharged_at,
    reason,
    recorded_by
)
values (
    %(organisation_id)s,
    %(enrolment_id)s,
    %(discharged_at)s,
    %(reason)s,
    %(actor)s
);

-- name: get_enrolment
-- The enrolment with this number.
-- Locks: none.
select
    e.enrolment_id,
    e.patient_id,
    e.program_id,
    e.anchor_on,
    e.enrolled_at,
    d.discharged_at
from enrolment e
left join discharge d
    on d.organisation_id = e.organisation_id
    and d.enrolment_id = e.enrolment_id
where e.organisation_id = %(organisation_id)s
    and e.enrolment_id = %(enrolment_id)s;

-- name: list_enrolments_of_patient
-- A patient's enrolments, or those in one program, in order, after a number.
-- Locks: none.
select
    e.enrolment_id,
    e.patient_id,
    e.program_id,
    e.anchor_on,
    e.enrolled_at,
    d.discharged_at
from enrolment e
left join discharge d
    on d.organisation_id = e.organisation_id
    and d.enrolment_id = e.enrolment_id
where e.organisation_id = %(organisation_id)s
    and e.patient_id = %(patient_id)s
    and e.enrolment_id > %(after_enrolment_id)s
    and (%(program_id)s::bigint is null or e.program_id = %(program_id)s)
order by e.enrolment_id
limit %(most)s;

-- name: list_enrolments
-- Enrolments of everybody, or those in one program, in order, after a number.
-- Locks: none.
select
    e.enrolment_id,
    e.patient_id,
    e.program_id,
    e.anchor_on,
    e.enrolled_at,
    d.discharged_at
from enrolment e
left join discharge d
    on d.organisation_id = e.organisation_id
    and d.enrolment_id = e.enrolment_id
where e.organisation_id = %(organisation_id)s
    and e.enrolment_id > %(after_enrolment_id)s
    and (%(program_id)s::bigint is null or e.program_id = %(program_id)s)
order by e.enrolment_id
limit %(most)s;
