-- name: list_switches
-- The accepted switches of protocols, without the withdrawn ones, as known at an instant (null: now), in order of number.
-- Locks: none.
select
    a.protocol_id,
    a.number,
    a.kind,
    a.version_number,
    a.target_protocol_id,
    a.scope,
    a.selection_id,
    a.effective,
    a.effective_local,
    a.effective_at,
    a.accepted_at,
    a.generation,
    a.first_at,
    v.content_hash
from switch_acceptance a
left join version v
    on v.organisation_id = a.organisation_id
    and v.protocol_id = a.protocol_id
    and v.number = a.version_number
where a.organisation_id = %(organisation_id)s
    and a.protocol_id = any(%(protocol_ids)s)
    and (%(known_at)s::timestamptz is null or a.accepted_at <= %(known_at)s)
    and not exists (
        select 1
        from switch_withdrawal w
        where w.organisation_id = a.organisation_id
            and w.switch_id = a.switch_id
            and (%(known_at)s::timestamptz is null or w.withdrawn_at <= %(known_at)s)
    )
order by a.protocol_id, a.number;

-- name: list_versions
-- The contents of versions that are not in this process's memory yet.
-- Locks: none.
select
    v.protocol_id,
    v.number,
    v.content
from version v
join unnest(%(protocol_ids)s::bigint[], %(numbers)s::integer[]) as wanted (protocol_id, number)
    on wanted.protocol_id = v.protocol_id and wanted.number = v.number
where v.organisation_id = %(organisation_id)s;

-- name: list_enrolments
-- Enrolments with their anchor, in order.
-- Locks: none.
select
    e.enrolment_id,
    e.patient_id,
    e.anchor_on,
    e.enrolled_at,
    d.discharged_at
from enrolment e
left join discharge d
    on d.organisation_id = e.organisation_id
    and d.enrolment_id = e.enrolment_id
    and (%(known_at)s::timestamptz is null or d.recorded_at <= %(known_at)s)
where e.organisation_id = %(organisation_id)s
    and e.enrolment_id = any(%(enrolment_ids)s)
order by e.enrolment_id;

-- name: list_zones
-- The zones of the patients of enrolments; of two that begin together the later one holds.
-- Locks: none.
select
    e.enrolment_id,
    z.from_at,
    z.zone
from enrolment e
join patient_zone z
    on z.organisation_id = e.organisation_id
    and z.patient_id = e.patient_id
    and (%(known_at)s::timestamptz is null or z.recorded_at <= %(known_at)s)
where e.organisation_id = %(organisation_id)s
    and e.enrolment_id = any(%(enrolment_ids)s)
order by e.enrolment_id, z.number;

-- name: list_assignments
-- The enrolments' own assignments in order of number.
-- Locks: none.
select
    a.enrolment_id,
    a.from_at,
    a.protocol_id
from assignment a
where a.organisation_id = %(organisation_id)s
    and a.enrolment_id = any(%(enrolment_ids)s)
    and (%(known_at)s::timestamptz is null or a.recorded_at <= %(known_at)s)
order by a.enrolment_id, a.number;

-- name: list_memberships
-- The accepted selections that hold each enrolment.
-- Locks: none.
select
    m.enrolment_id,
    m.selection_id
from selection_member m
where m.organisation_id = %(organisation_id)s
    and m.enrolment_id = any(%(enrolment_ids)s);

-- name: list_personal_changes
-- The personal changes of enrolments in order of number.
-- Locks: none.
select
    p.enrolment_id,
    p.number,
    p.activity_key,
    p.field,
    p.cleared,
    p.value,
    p.replaced,
    p.from_at
from personal_change p
where p.organisation_id = %(organisation_id)s
    and p.enrolment_id = any(%(enrolment_ids)s)
    and (%(known_at)s::timestamptz is null or p.recorded_at <= %(known_at)s)
order by p.enrolment_id, p.number;

-- name: list_pauses
-- The pauses of enrolments, ended by a resumption if that comes before their own end.
-- Locks: none.
select
    p.enrolment_id,
    p.from_at,
    least(p.until_at, r.until_at) as until_at
from pause p
left join resumption r
    on r.organisation_id = p.organisation_id
    and r.enrolment_id = p.enrolment_id
    and r.number = p.number
    and (%(known_at)s::timestamptz is null or r.recorded_at <= %(known_at)s)
where p.organisation_id = %(organisation_id)s
    and p.enrolment_id = any(%(enrolment_ids)s)
    and (%(known_at)s::timestamptz is null or p.recorded_at <= %(known_at)s)
order by p.enrolment_id, p.from_at;

-- name: list_patient_events
-- The events of the patients of enrolments that lie inside the enrolment, since an instant.
-- Locks: none.
select
    e.enrolment_id,
    v.event,
    v.at
from enrolment e
join patient_event v
    on v.organisation_id = e.organisation_id
    and v.patient_id = e.patient_id
    and v.at >= e.enrolled_at
    and v.at >= %(since_at)s
    and (%(known_at)s::timestamptz is null or v.recorded_at <= %(known_at)s)
where e.organisation_id = %(organisation_id)s
    and e.enrolment_id = any(%(enrolment_ids)s)
order by e.enrolment_id, v.at;

-- name: list_outages
-- The organisation's outages that ended after an instant, in order.
-- Locks: none.
select
    o.from_at,
    o.until_at
from outage o
where o.organisation_id = %(organisation_id)s
    and o.until_at > %(since_at)s
    and (%(known_at)s::timestamptz is null or o.recorded_at <= %(known_at)s)
order by o.from_at, o.number;
