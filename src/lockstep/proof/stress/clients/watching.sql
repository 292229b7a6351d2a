-- name: count_patients
-- How many stand on protocols, and how many are enrolled and not discharged, in one snapshot.
-- Locks: none.
select
    (select count(*) from agenda_head),
    (select count(*) from enrolment) - (select count(*) from discharge);

-- name: list_heads
-- For what the agendas of these enrolments were computed.
-- Locks: none.
select
    h.enrolment_id,
    h.protocol_id,
    h.generation,
    h.computed_at
from agenda_head h
where h.organisation_id = lockstep_organisation()
    and h.enrolment_id = any(%(enrolment_ids)s);

-- name: list_missed
-- What was found missed lately; a decision that was still being committed is looked for once more.
-- Locks: none.
select
    o.enrolment_id,
    o.activity_key,
    o.on_date,
    o.slot,
    o.decided_at
from occurrence o
where o.organisation_id = lockstep_organisation()
    and o.state = 'missed'
    and o.on_date >= (lockstep_now() - interval '2 days')::date
    and (%(since_at)s::timestamptz is null or o.decided_at >= %(since_at)s::timestamptz - interval '20 seconds');
