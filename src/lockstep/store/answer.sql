-- name: list_decided_between
-- The judgements of an enrolment that meet a span, as known at an instant, each with its last correction.
-- Locks: none.
select
    o.activity_key,
    o.on_date,
    o.slot,
    o.protocol_id,
    o.version_number,
    o.opens_at,
    o.closes_at,
    o.judge_at,
    coalesce(c.state, o.state) as state,
    (
        select min(m.judged_for_at)
        from measurement m
        where m.organisation_id = o.organisation_id
            and m.patient_id = %(patient_id)s
            and m.measurement_id = case when c.number is null then o.measurement_id else c.measurement_id end
            and m.received_at >= o.opens_at - interval '50 days'
    ) as taken_at
from occurrence o
left join lateral (
    select
        k.number,
        k.state,
        k.measurement_id
    from occurrence_correction k
    where k.organisation_id = o.organisation_id
        and k.enrolment_id = o.enrolment_id
        and k.activity_key = o.activity_key
        and k.on_date = o.on_date
        and k.slot = o.slot
        and k.recorded_at <= %(known_at)s
    order by k.number desc
    limit 1
) c on true
where o.organisation_id = %(organisation_id)s
    and o.enrolment_id = %(enrolment_id)s
    and o.on_date >= %(since_on)s
    and o.on_date < %(until_on)s
    and o.closes_at > %(from_at)s
    and o.opens_at < %(until_at)s
    and o.decided_at <= %(known_at)s
order by o.opens_at, o.activity_key, o.on_date, o.slot;

-- name: list_taken
-- The instants of measurements inside windows, as known at an instant, in order.
-- Locks: none.
select
    w.ordinal,
    m.judged_for_at
from unnest(
    %(ordinals)s::integer[],
    %(patient_ids)s::bigint[],
    %(codes)s::text[],
    %(from_ats)s::timestamptz[],
    %(until_ats)s::timestamptz[],
    %(received_before_ats)s::timestamptz[]
) as w (ordinal, patient_id, code, from_at, until_at, received_before_at)
join measurement m
    on m.organisation_id = %(organisation_id)s
    and m.patient_id = w.patient_id
    and m.code = w.code
    and m.judged_for_at >= w.from_at
    and m.judged_for_at < w.until_at
    and m.received_at >= w.from_at - interval '5 minutes'
    and m.received_at <= %(known_at)s
    and (w.received_before_at is null or m.received_at < w.received_before_at)
order by w.ordinal, m.judged_for_at, m.measurement_id;

-- name: list_deciders
-- Who accepted switches, by protocol and number.
-- Locks: none.
select
    a.protocol_id,
    a.number,
    a.accepted_by
from unnest(%(protocol_ids)s::bigint[], %(numbers)s::integer[]) as w (protocol_id, number)
join switch_acceptance a
    on a.organisation_id = %(organisation_id)s
    and a.protocol_id = w.protocol_id
    and a.number = w.number;

-- name: is_set_aside
-- Whether the enrolment's agenda stands aside because it cannot be computed.
-- Locks: none.
select exists (
    select 1
    from recalculation_exception x
    where x.organisation_id = %(organisation_id)s
        and x.enrolment_id = %(enrolment_id)s
);

-- name: find_names
-- The words for an enrolment's program and for a protocol, and who accepted a version there as it came into force.
-- Locks: none.
select
    g.title as program_title,
    p.title as protocol_title,
    (
        select a.accepted_by
        from switch_acceptance a
        where a.organisation_id = p.organisation_id
            and a.protocol_id = p.protocol_id
            and a.version_number = %(version_number)s
            and a.accepted_at <= %(since_at)s
            and (a.selection_id is null or a.selection_id = any(%(selections)s))
        order by a.number desc
        limit 1
    ) as accepted_by
from protocol p
join program g
    on g.organisation_id = p.organisation_id
    and g.program_id = p.program_id
where p.organisation_id = %(organisation_id)s
    and p.protocol_id = %(protocol_id)s;
