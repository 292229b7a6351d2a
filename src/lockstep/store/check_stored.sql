-- name: allow_thinking
-- This transaction may be idle for a minute between statements: what it read is compared meanwhile, and it locks nothing.
-- Locks: none.
set local idle_in_transaction_session_timeout = '60s';

-- name: find_seen
-- When ingestion was last seen alive, from whatever source.
-- Locks: none.
select max(h.seen_at)
from ingestion_heartbeat h
where h.organisation_id = %(organisation_id)s;

-- name: list_subjects
-- Enrolments with their first zone and assignment, whether they have facts of their own, their heads, and who stands aside.
-- Locks: none.
with apart as materialized (
    select d.enrolment_id
    from discharge d
    where d.organisation_id = %(organisation_id)s
        and d.enrolment_id = any(%(enrolment_ids)s::bigint[])
    union
    select p.enrolment_id
    from personal_change p
    where p.organisation_id = %(organisation_id)s
        and p.enrolment_id = any(%(enrolment_ids)s::bigint[])
    union
    select p.enrolment_id
    from pause p
    where p.organisation_id = %(organisation_id)s
        and p.enrolment_id = any(%(enrolment_ids)s::bigint[])
    union
    select a.enrolment_id
    from assignment a
    where a.organisation_id = %(organisation_id)s
        and a.enrolment_id = any(%(enrolment_ids)s::bigint[])
        and a.number > 1
    union
    select e.enrolment_id
    from enrolment e
    join patient_zone z
        on z.organisation_id = e.organisation_id
        and z.patient_id = e.patient_id
        and z.number > 1
    where e.organisation_id = %(organisation_id)s
        and e.enrolment_id = any(%(enrolment_ids)s::bigint[])
    union
    select e.enrolment_id
    from enrolment e
    join patient_event v
        on v.organisation_id = e.organisation_id
        and v.patient_id = e.patient_id
    where e.organisation_id = %(organisation_id)s
        and e.enrolment_id = any(%(enrolment_ids)s::bigint[])
)
select
    e.enrolment_id,
    e.anchor_on,
    z.zone,
    a.from_at,
    a.protocol_id,
    p.enrolment_id is not null as apart,
    x.enrolment_id is not null as aside,
    h.protocol_id,
    h.version_number,
    h.generation,
    h.cohort_id,
    h.next_change_at,
    h.ended_at
from enrolment e
join patient_zone z
    on z.organisation_id = e.organisation_id
    and z.patient_id = e.patient_id
    and z.number = 1
join assignment a
    on a.organisation_id = e.organisation_id
    and a.enrolment_id = e.enrolment_id
    and a.number = 1
left join apart p
    on p.enrolment_id = e.enrolment_id
left join agenda_head h
    on h.organisation_id = e.organisation_id
    and h.enrolment_id = e.enrolment_id
left join recalculation_exception x
    on x.organisation_id = e.organisation_id
    and x.enrolment_id = e.enrolment_id
where e.organisation_id = %(organisation_id)s
    and e.enrolment_id = any(%(enrolment_ids)s::bigint[])
order by e.enrolment_id;

-- name: list_members
-- Which of these enrolments are members of selections that timelines name.
-- Locks: none.
select
    m.selection_id,
    array_agg(m.enrolment_id) as enrolment_ids
from selection_member m
where m.organisation_id = %(organisation_id)s
    and m.enrolment_id = any(%(enrolment_ids)s::bigint[])
    and m.selection_id = any(%(selection_ids)s::bigint[])
group by m.selection_id;

-- name: list_cohorts
-- The cohorts of zones and anchors, as far as they exist.
-- Locks: none.
select
    k.zone,
    k.anchor_on,
    k.cohort_id
from cohort k
join unnest(%(zones)s::text[], %(anchors_on)s::date[]) as c (zone, anchor_on)
    on c.zone = k.zone and c.anchor_on = k.anchor_on
where k.organisation_id = %(organisation_id)s;

-- name: list_unfinished_generations
-- The generations whose recalculations have not ended.
-- Locks: none.
select a.generation
from operation o
join switch_acceptance a
    on a.organisation_id = o.organisation_id
    and a.switch_id = o.switch_id
where o.organisation_id = %(organisation_id)s
    and o.ended_at is null
    and o.kind = 'recalculation'
    and a.generation is not null;

-- name: list_rows
-- Agenda rows by what they hold, with the enrolments whose rows hold it.
-- Locks: none.
select
    a.activity_key,
    a.on_date,
    a.slot,
    a.opens_at,
    a.closes_at,
    a.judge_at,
    a.protocol_id,
    a.version_number,
    a.cohort_id,
    array_agg(a.enrolment_id) as enrolment_ids
from agenda a
where a.organisation_id = %(organisation_id)s
    and a.enrolment_id = any(%(enrolment_ids)s::bigint[])
group by
    a.activity_key,
    a.on_date,
    a.slot,
    a.opens_at,
    a.closes_at,
    a.judge_at,
    a.protocol_id,
    a.version_number,
    a.cohort_id;

-- name: list_decided
-- Decided occurrences judged after an instant or of a date not over, by what was decided and how it is judged now, with their enrolments.
-- Locks: none.
with corrected as materialized (
    select distinct on (x.enrolment_id, x.activity_key, x.on_date, x.slot)
        x.enrolment_id,
        x.activity_key,
        x.on_date,
        x.slot,
        x.state,
        x.measurement_id
    from occurrence_correction x
    where x.organisation_id = %(organisation_id)s
        and x.enrolment_id = any(%(enrolment_ids)s::bigint[])
    order by x.enrolment_id, x.activity_key, x.on_date, x.slot, x.number desc
)
select
    o.activity_key,
    o.on_date,
    o.slot,
    o.opens_at,
    o.closes_at,
    o.judge_at,
    o.state as first,
    coalesce(c.state, o.state) as state,
    m.code,
    case when m.judged_for_at >= o.opens_at and m.judged_for_at < o.judge_at then null else m.judged_for_at end as odd_at,
    min(o.decided_at) as decided_from_at,
    max(o.decided_at) as decided_until_at,
    array_agg(o.enrolment_id) as enrolment_ids
from occurrence o
join enrolment e
    on e.organisation_id = o.organisation_id
    and e.enrolment_id = o.enrolment_id
left join corrected c
    on c.enrolment_id = o.enrolment_id
    and c.activity_key = o.activity_key
    and c.on_date = o.on_date
    and c.slot = o.slot
-- By itself for each, and as a case: behind row-level security neither what joins nor a coalesce becomes a condition of the
-- index, and every measurement of the patient would be read.
left join lateral (
    select
        t.code,
        t.judged_for_at
    from measurement t
    where t.organisation_id = %(organisation_id)s
        and t.patient_id = e.patient_id
        and t.measurement_id = case when c.measurement_id is null then o.measurement_id else c.measurement_id end
        and t.received_at >= o.opens_at - interval '50 days'
    limit 1
) m on true
where o.organisation_id = %(organisation_id)s
    and o.enrolment_id = any(%(enrolment_ids)s::bigint[])
    and o.on_date >= %(since_on)s
    -- A switch may have put off what was fulfilled today already.
    and (o.judge_at > %(since_at)s or o.on_date >= %(today_on)s)
group by
    o.activity_key,
    o.on_date,
    o.slot,
    o.opens_at,
    o.closes_at,
    o.judge_at,
    o.state,
    c.state,
    m.code,
    odd_at;

-- name: list_alerts
-- Alerts of missed occurrences by rule, state and what they list, with their enrolments.
-- Locks: none.
select
    a.activity_key,
    a.rule_key,
    a.state = 'open' as is_open,
    a.severity,
    s.on_date,
    s.slot,
    array_agg(a.enrolment_id) as enrolment_ids
from alert a
left join alert_sample s
    on s.organisation_id = a.organisation_id
    and s.alert_id = a.alert_id
    and s.on_date is not null
where a.organisation_id = %(organisation_id)s
    and a.enrolment_id = any(%(enrolment_ids)s::bigint[])
    and a.kind = 'missed'
    and (a.state = 'open' or a.updated_at > %(since_at)s)
group by
    a.activity_key,
    a.rule_key,
    a.state,
    a.severity,
    s.on_date,
    s.slot;

-- name: list_measured
-- Enrolments that measured enough inside a window or its grace, by question, with what they measured.
-- Locks: none.
select
    q.number,
    n.enrolment_id,
    array_agg(m.measurement_id order by m.judged_for_at, m.measurement_id) as measurement_ids,
    array_agg(m.judged_for_at order by m.judged_for_at, m.measurement_id) as judged_for_ats
from unnest(%(enrolment_ids)s::bigint[], %(numbers)s::integer[]) as n (enrolment_id, number)
join unnest(
    %(question_numbers)s::integer[],
    %(codes)s::text[],
    %(from_ats)s::timestamptz[],
    %(until_ats)s::timestamptz[],
    %(quantities)s::integer[]
) as q (number, code, from_at, until_at, quantity)
    on q.number = n.number
join enrolment e
    on e.organisation_id = %(organisation_id)s
    and e.enrolment_id = n.enrolment_id
join measurement m
    on m.organisation_id = e.organisation_id
    and m.patient_id = e.patient_id
    and m.code = q.code
    and m.judged_for_at >= q.from_at
    and m.judged_for_at < q.until_at
    and m.received_at >= q.from_at - interval '5 minutes'
    and m.received_at >= %(received_since_at)s
group by
    q.number,
    n.enrolment_id
having count(*) >= min(q.quantity);

-- name: list_history
-- The decided occurrences of activities of enrolments, the latest first, with corrections and the measurement that fulfilled.
-- Locks: none.
select
    o.enrolment_id,
    o.activity_key,
    o.on_date,
    o.slot,
    o.opens_at,
    o.closes_at,
    o.judge_at,
    o.state as first,
    coalesce(c.state, o.state) as state,
    coalesce(c.measurement_id, o.measurement_id) as measurement_id,
    o.decided_at,
    coalesce(c.number, 0) as corrections
from unnest(%(enrolment_ids)s::bigint[], %(activity_keys)s::text[]) as g (enrolment_id, activity_key)
join occurrence o
    on o.organisation_id = %(organisation_id)s
    and o.enrolment_id = g.enrolment_id
    and o.activity_key = g.activity_key
    and o.on_date >= %(since_on)s
left join lateral (
    select
        x.number,
        x.state,
        x.measurement_id
    from occurrence_correction x
    where x.organisation_id = o.organisation_id
        and x.enrolment_id = o.enrolment_id
        and x.activity_key = o.activity_key
        and x.on_date = o.on_date
        and x.slot = o.slot
    order by x.number desc
    limit 1
) c on true
order by o.enrolment_id, o.activity_key, o.judge_at desc, o.opens_at desc;

-- name: list_open_samples
-- What open alerts of missed occurrences list, by enrolment, activity and rule.
-- Locks: none.
select
    a.enrolment_id,
    a.activity_key,
    a.rule_key,
    a.alert_id,
    a.protocol_id,
    a.version_number,
    s.on_date,
    s.slot
from unnest(%(enrolment_ids)s::bigint[], %(activity_keys)s::text[], %(rule_keys)s::text[])
    as g (enrolment_id, activity_key, rule_key)
join alert a
    on a.organisation_id = %(organisation_id)s
    and a.enrolment_id = g.enrolment_id
    and a.activity_key = g.activity_key
    and a.rule_key = g.rule_key
    and a.kind = 'missed'
    and a.state = 'open'
left join alert_sample s
    on s.organisation_id = a.organisation_id
    and s.alert_id = a.alert_id
    and s.on_date is not null;

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
