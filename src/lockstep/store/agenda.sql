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
    and h.enrolment_id = any(%(enrolment_ids)s)
order by h.enrolment_id
for no key update;

-- name: list_heads
-- The heads of enrolments as they stand.
-- Locks: none.
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
    and h.enrolment_id = any(%(enrolment_ids)s)
order by h.enrolment_id;

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
    and a.enrolment_id = any(%(enrolment_ids)s)
order by a.enrolment_id, a.activity_key;

-- name: list_decided
-- The keys of decided occurrences of enrolments that close after an instant.
-- Locks: none.
select
    o.enrolment_id,
    o.activity_key,
    o.on_date,
    o.slot
from occurrence o
where o.organisation_id = %(organisation_id)s
    and o.enrolment_id = any(%(enrolment_ids)s)
    and o.on_date >= %(since_on)s
    and o.closes_at > %(closes_after)s;

-- name: list_measurements_in_windows
-- The measurements of patients inside windows, where an instant is given received before it, in order of theirs.
-- Locks: none.
select
    w.ordinal,
    m.measurement_id,
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
    and (w.received_before_at is null or m.received_at < w.received_before_at)
order by w.ordinal, m.judged_for_at, m.measurement_id;

-- name: ensure_cohorts
-- The cohorts of zones and anchors exist.
-- Locks: the new rows.
insert into cohort (organisation_id, zone, anchor_on)
select
    %(organisation_id)s,
    c.zone,
    c.anchor_on
from unnest(%(zones)s::text[], %(anchors_on)s::date[]) as c (zone, anchor_on)
on conflict (organisation_id, zone, anchor_on) do nothing;

-- name: list_cohorts_of
-- The cohorts of zones and anchors.
-- Locks: none.
select
    k.cohort_id,
    k.zone,
    k.anchor_on
from cohort k
join unnest(%(zones)s::text[], %(anchors_on)s::date[]) as c (zone, anchor_on)
    on c.zone = k.zone and c.anchor_on = k.anchor_on
where k.organisation_id = %(organisation_id)s;

-- name: list_cohorts
-- Cohorts by their numbers.
-- Locks: none.
select
    k.cohort_id,
    k.zone,
    k.anchor_on
from cohort k
where k.organisation_id = %(organisation_id)s
    and k.cohort_id = any(%(cohort_ids)s);

-- name: save_heads
-- The heads carry what their rows were computed for.
-- Locks: agenda_head rows in key order (held already, or new).
insert into agenda_head (
    organisation_id,
    enrolment_id,
    protocol_id,
    version_number,
    generation,
    cohort_id,
    assigned_at,
    assigned_protocol_id,
    individual_until,
    computed_at,
    next_change_at,
    ended_at
)
select
    %(organisation_id)s,
    h.enrolment_id,
    h.protocol_id,
    h.version_number,
    h.generation,
    h.cohort_id,
    h.assigned_at,
    h.assigned_protocol_id,
    h.individual_until,
    %(computed_at)s,
    h.next_change_at,
    h.ended_at
from unnest(
    %(enrolment_ids)s::bigint[],
    %(protocol_ids)s::bigint[],
    %(version_numbers)s::integer[],
    %(generations)s::bigint[],
    %(cohort_ids)s::bigint[],
    %(assigned_ats)s::timestamptz[],
    %(assigned_protocol_ids)s::bigint[],
    %(individual_untils)s::timestamptz[],
    %(next_change_ats)s::timestamptz[],
    %(ended_ats)s::timestamptz[]
) as h (
    enrolment_id, protocol_id, version_number, generation, cohort_id, assigned_at, assigned_protocol_id,
    individual_until, next_change_at, ended_at
)
order by h.enrolment_id
on conflict (organisation_id, enrolment_id) do update
set protocol_id = excluded.protocol_id,
    version_number = excluded.version_number,
    generation = excluded.generation,
    cohort_id = excluded.cohort_id,
    assigned_at = excluded.assigned_at,
    assigned_protocol_id = excluded.assigned_protocol_id,
    individual_until = excluded.individual_until,
    computed_at = excluded.computed_at,
    next_change_at = excluded.next_change_at,
    ended_at = excluded.ended_at;

-- name: save_rows
-- The rows hold the earliest undecided occurrences.
-- Locks: agenda rows in key order, under their held heads.
insert into agenda (
    organisation_id,
    enrolment_id,
    activity_key,
    cohort_id,
    protocol_id,
    version_number,
    on_date,
    slot,
    opens_at,
    closes_at,
    judge_at,
    taken,
    missed_in_a_row
)
select
    %(organisation_id)s,
    r.enrolment_id,
    r.activity_key,
    r.cohort_id,
    r.protocol_id,
    r.version_number,
    r.on_date,
    r.slot,
    r.opens_at,
    r.closes_at,
    r.judge_at,
    r.taken,
    r.missed_in_a_row
from unnest(
    %(enrolment_ids)s::bigint[],
    %(activity_keys)s::text[],
    %(cohort_ids)s::bigint[],
    %(protocol_ids)s::bigint[],
    %(version_numbers)s::integer[],
    %(on_dates)s::date[],
    %(slots)s::text[],
    %(opens_ats)s::timestamptz[],
    %(closes_ats)s::timestamptz[],
    %(judge_ats)s::timestamptz[],
    %(takens)s::smallint[],
    %(missed_in_a_rows)s::integer[]
) as r (
    enrolment_id, activity_key, cohort_id, protocol_id, version_number, on_date, slot,
    opens_at, closes_at, judge_at, taken, missed_in_a_row
)
order by r.enrolment_id, r.activity_key
on conflict (organisation_id, enrolment_id, activity_key) do update
set cohort_id = excluded.cohort_id,
    protocol_id = excluded.protocol_id,
    version_number = excluded.version_number,
    on_date = excluded.on_date,
    slot = excluded.slot,
    opens_at = excluded.opens_at,
    closes_at = excluded.closes_at,
    judge_at = excluded.judge_at,
    taken = excluded.taken,
    missed_in_a_row = excluded.missed_in_a_row;

-- name: delete_rows
-- The rows of activities that have nothing undecided any more are gone.
-- Locks: agenda rows, under their held heads.
delete from agenda a
using unnest(%(enrolment_ids)s::bigint[], %(activity_keys)s::text[]) as gone (enrolment_id, activity_key)
where a.organisation_id = %(organisation_id)s
    and a.enrolment_id = gone.enrolment_id
    and a.activity_key = gone.activity_key;

-- name: delete_finished
-- The heads of those of these enrolments that have ended and have nothing undecided any more are gone.
-- Locks: agenda_head rows, held already.
delete from agenda_head h
where h.organisation_id = %(organisation_id)s
    and h.enrolment_id = any(%(enrolment_ids)s)
    and h.ended_at is not null
    and not exists (
        select 1
        from agenda a
        where a.organisation_id = h.organisation_id
            and a.enrolment_id = h.enrolment_id
    );

-- name: delete_agendas
-- The agendas of discharged enrolments are gone, heads included.
-- Locks: agenda and agenda_head rows, under their held heads.
with emptied as (
    delete from agenda a
    where a.organisation_id = %(organisation_id)s
        and a.enrolment_id = any(%(enrolment_ids)s)
)
delete from agenda_head h
where h.organisation_id = %(organisation_id)s
    and h.enrolment_id = any(%(enrolment_ids)s);

-- name: save_decisions
-- Occurrences are decided, each once; returns the keys that were not decided before.
-- Locks: the new rows.
insert into occurrence (
    organisation_id,
    enrolment_id,
    activity_key,
    on_date,
    slot,
    protocol_id,
    version_number,
    opens_at,
    closes_at,
    judge_at,
    state,
    measurement_id,
    decided_at
)
select
    %(organisation_id)s,
    d.enrolment_id,
    d.activity_key,
    d.on_date,
    d.slot,
    d.protocol_id,
    d.version_number,
    d.opens_at,
    d.closes_at,
    d.judge_at,
    d.state,
    d.measurement_id,
    %(decided_at)s
from unnest(
    %(enrolment_ids)s::bigint[],
    %(activity_keys)s::text[],
    %(on_dates)s::date[],
    %(slots)s::text[],
    %(protocol_ids)s::bigint[],
    %(version_numbers)s::integer[],
    %(opens_ats)s::timestamptz[],
    %(closes_ats)s::timestamptz[],
    %(judge_ats)s::timestamptz[],
    %(states)s::text[],
    %(measurement_ids)s::bigint[]
) as d (
    enrolment_id, activity_key, on_date, slot, protocol_id, version_number, opens_at, closes_at, judge_at, state,
    measurement_id
)
on conflict (organisation_id, enrolment_id, activity_key, on_date, slot) do nothing
returning enrolment_id, activity_key, on_date, slot;
