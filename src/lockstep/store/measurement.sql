-- name: list_concerned
-- The patients who are called so, with their enrolments; the protocol is null where an enrolment has no agenda (ended, all decided).
-- Locks: none.
select
    p.identifier,
    p.patient_id,
    e.enrolment_id,
    h.protocol_id
from patient p
left join enrolment e
    on e.organisation_id = p.organisation_id
    and e.patient_id = p.patient_id
left join agenda_head h
    on h.organisation_id = e.organisation_id
    and h.enrolment_id = e.enrolment_id
where p.organisation_id = %(organisation_id)s
    and p.identifier = any(%(identifiers)s::text[])
order by p.patient_id, e.enrolment_id;

-- name: list_switch_marks
-- Per protocol what tells whether its timeline has changed: accepted switches and withdrawals are only ever added.
-- Locks: none.
select
    a.protocol_id,
    max(a.number) as last_number,
    count(w.switch_id) as withdrawn
from switch_acceptance a
left join switch_withdrawal w
    on w.organisation_id = a.organisation_id
    and w.switch_id = a.switch_id
where a.organisation_id = %(organisation_id)s
    and a.protocol_id = any(%(protocol_ids)s::bigint[])
group by a.protocol_id;

-- name: take_keys
-- The identifiers that were not known are taken, each once however many send it at the same time; returns their ordinals.
-- Locks: the new keys in key order, after the heads.
with given as materialized (
    select
        g.source,
        g.identifier,
        g.content_hash,
        g.set_aside
    from unnest(%(sources)s::text[], %(identifiers)s::text[], %(content_hashes)s::bytea[], %(set_asides)s::boolean[])
        as g (source, identifier, content_hash, set_aside)
    order by g.source, g.identifier
)
insert into measurement_key (organisation_id, source, identifier, measurement_id, content_hash, set_aside)
select
    %(organisation_id)s,
    g.source,
    g.identifier,
    nextval('measurement_seq'),
    g.content_hash,
    g.set_aside
from given g
on conflict (organisation_id, source, identifier) do nothing
returning source, identifier, measurement_id;

-- name: list_keys
-- What is known of identifiers that were taken before, with the reason where that was set aside.
-- Locks: none.
select
    k.source,
    k.identifier,
    k.measurement_id,
    k.content_hash,
    s.reason_code,
    s.reason
from unnest(%(sources)s::text[], %(identifiers)s::text[]) as g (source, identifier)
join measurement_key k
    on k.organisation_id = %(organisation_id)s
    and k.source = g.source
    and k.identifier = g.identifier
left join measurement_set_aside s
    on s.organisation_id = k.organisation_id
    and s.measurement_id = k.measurement_id;

-- name: save_measurements
-- The measurements are stored.
-- Locks: the new rows.
insert into measurement (
    organisation_id,
    measurement_id,
    patient_id,
    code,
    value,
    unit,
    finding,
    taken_at,
    judged_for_at,
    placed_by,
    received_at,
    source,
    identifier
)
select
    %(organisation_id)s,
    m.measurement_id,
    m.patient_id,
    m.code,
    m.value,
    m.unit,
    m.finding,
    m.taken_at,
    case when m.placed_by = 'receipt' then %(received_at)s else least(m.taken_at, %(received_at)s) end,
    m.placed_by,
    %(received_at)s,
    m.source,
    m.identifier
from unnest(
    %(measurement_ids)s::bigint[],
    %(patient_ids)s::bigint[],
    %(codes)s::text[],
    %(values)s::numeric[],
    %(units)s::text[],
    %(findings)s::text[],
    %(taken_ats)s::timestamptz[],
    %(placed_bys)s::text[],
    %(sources)s::text[],
    %(identifiers)s::text[]
) as m (
    measurement_id, patient_id, code, value, unit, finding, taken_at, placed_by, source, identifier
);

-- name: save_set_aside
-- What could not be believed or placed is kept for a person.
-- Locks: the new rows.
insert into measurement_set_aside (
    organisation_id,
    measurement_id,
    source,
    identifier,
    reason_code,
    reason,
    document,
    received_at
)
select
    %(organisation_id)s,
    s.measurement_id,
    s.source,
    s.identifier,
    s.reason_code,
    s.reason,
    s.document::jsonb,
    %(received_at)s
from unnest(
    %(measurement_ids)s::bigint[],
    %(sources)s::text[],
    %(identifiers)s::text[],
    %(reason_codes)s::text[],
    %(reasons)s::text[],
    %(documents)s::text[]
) as s (measurement_id, source, identifier, reason_code, reason, document);

-- name: list_decided_since
-- Keys of occurrences of activities that were decided, on or after a local date each.
-- Locks: none.
select
    o.enrolment_id,
    o.activity_key,
    o.on_date,
    o.slot
from unnest(%(enrolment_ids)s::bigint[], %(activity_keys)s::text[], %(since_ons)s::date[])
    as g (enrolment_id, activity_key, since_on)
join occurrence o
    on o.organisation_id = %(organisation_id)s
    and o.enrolment_id = g.enrolment_id
    and o.activity_key = g.activity_key
    and o.on_date >= g.since_on
where o.on_date >= %(least_on)s;

-- name: list_states
-- What was decided of occurrences, and the last correction of each where there is one.
-- Locks: none.
select
    o.enrolment_id,
    o.activity_key,
    o.on_date,
    o.slot,
    coalesce(c.state, o.state) as state,
    coalesce(c.number, 0) as corrections
from unnest(%(enrolment_ids)s::bigint[], %(activity_keys)s::text[], %(on_dates)s::date[], %(slots)s::text[])
    as g (enrolment_id, activity_key, on_date, slot)
join occurrence o
    on o.organisation_id = %(organisation_id)s
    and o.enrolment_id = g.enrolment_id
    and o.activity_key = g.activity_key
    and o.on_date = g.on_date
    and o.slot = g.slot
left join lateral (
    select
        x.state,
        x.number
    from occurrence_correction x
    where x.organisation_id = o.organisation_id
        and x.enrolment_id = o.enrolment_id
        and x.activity_key = o.activity_key
        and x.on_date = o.on_date
        and x.slot = o.slot
    order by x.number desc
    limit 1
) c on true;

-- name: save_corrections
-- Judgements are made again; the first ones stay.
-- Locks: the new rows.
insert into occurrence_correction (
    organisation_id,
    enrolment_id,
    activity_key,
    on_date,
    slot,
    number,
    state,
    measurement_id,
    recorded_at
)
select
    %(organisation_id)s,
    c.enrolment_id,
    c.activity_key,
    c.on_date,
    c.slot,
    c.number,
    c.state,
    c.measurement_id,
    %(recorded_at)s
from unnest(
    %(enrolment_ids)s::bigint[],
    %(activity_keys)s::text[],
    %(on_dates)s::date[],
    %(slots)s::text[],
    %(numbers)s::integer[],
    %(states)s::text[],
    %(measurement_ids)s::bigint[]
) as c (enrolment_id, activity_key, on_date, slot, number, state, measurement_id);

-- name: list_last_states
-- The latest decided occurrences of an activity that closed before an instant, last one first, as they are judged now.
-- Locks: none.
select coalesce(c.state, o.state) as state
from occurrence o
left join lateral (
    select x.state
    from occurrence_correction x
    where x.organisation_id = o.organisation_id
        and x.enrolment_id = o.enrolment_id
        and x.activity_key = o.activity_key
        and x.on_date = o.on_date
        and x.slot = o.slot
    order by x.number desc
    limit 1
) c on true
where o.organisation_id = %(organisation_id)s
    and o.enrolment_id = %(enrolment_id)s
    and o.activity_key = %(activity_key)s
    and o.on_date >= %(since_on)s
    and o.judge_at < %(before_at)s
order by o.judge_at desc, o.opens_at desc
limit %(most)s;

-- name: lock_heads
-- The heads of enrolments, held until the end of the transaction, so that nobody else computes them meanwhile.
-- Locks: agenda_head rows in key order, for no key update.
select
    h.enrolment_id,
    h.protocol_id,
    h.version_number,
    h.generation,
    h.cohort_id,
    h.assigned_at,
    h.assigned_protocol_id,
    h.individual_until,
    h.computed_at,
    h.next_change_at,
    h.ended_at
from agenda_head h
where h.organisation_id = %(organisation_id)s
    and h.enrolment_id = any(%(enrolment_ids)s::bigint[])
order by h.enrolment_id
for no key update;

-- name: list_rows
-- The agenda rows of enrolments.
-- Locks: none (whoever changes them holds the head).
select
    a.enrolment_id,
    a.activity_key,
    a.cohort_id,
    a.protocol_id,
    a.version_number,
    a.on_date,
    a.slot,
    a.opens_at,
    a.closes_at,
    a.judge_at,
    a.taken,
    a.missed_in_a_row
from agenda a
where a.organisation_id = %(organisation_id)s
    and a.enrolment_id = any(%(enrolment_ids)s::bigint[])
order by a.enrolment_id, a.activity_key;

-- name: list_wanted_rows
-- The agenda rows of enrolments for some activities each.
-- Locks: none (whoever changes them holds the head).
select
    a.enrolment_id,
    a.activity_key,
    a.cohort_id,
    a.protocol_id,
    a.version_number,
    a.on_date,
    a.slot,
    a.opens_at,
    a.closes_at,
    a.judge_at,
    a.taken,
    a.missed_in_a_row
from unnest(%(enrolment_ids)s::bigint[], %(activity_keys)s::text[]) as g (enrolment_id, activity_key)
join agenda a
    on a.organisation_id = %(organisation_id)s
    and a.enrolment_id = g.enrolment_id
    and a.activity_key = g.activity_key;
