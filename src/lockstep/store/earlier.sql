-- name: list_rows_taken_before
-- Held rows that were asked in the middle of their window, with the measurements taken in it before.
-- Locks: none (the heads are held).
select
    a.enrolment_id,
    a.activity_key,
    m.measurement_ids
from agenda a
join unnest(
    %(activity_keys)s::text[],
    %(on_dates)s::date[],
    %(slots)s::text[],
    %(opens_ats)s::timestamptz[],
    %(closes_ats)s::timestamptz[],
    %(nominal_ats)s::timestamptz[],
    %(codes)s::text[]
) as w (activity_key, on_date, slot, opens_at, closes_at, nominal_at, code)
    on w.activity_key = a.activity_key
    and w.on_date = a.on_date
    and w.slot = a.slot
    and w.opens_at = a.opens_at
    -- Asked at one instant in several zones: only the close tells them apart.
    and w.closes_at = a.closes_at
join enrolment e
    on e.organisation_id = a.organisation_id
    and e.enrolment_id = a.enrolment_id
-- By itself for each row, so that the window and the month are in the index's condition, not thrown away afterwards.
cross join lateral (
    select array_agg(t.measurement_id order by t.judged_for_at, t.measurement_id) as measurement_ids
    from measurement t
    where t.organisation_id = %(organisation_id)s
        and t.patient_id = e.patient_id
        and t.code = w.code
        and t.judged_for_at >= w.nominal_at
        and t.judged_for_at < w.closes_at
        and t.received_at >= w.nominal_at - interval '5 minutes'
) m
where a.organisation_id = %(organisation_id)s
    and a.enrolment_id = any(%(enrolment_ids)s::bigint[])
    and m.measurement_ids is not null;

-- name: list_measured_enough
-- The held enrolments of which enough was measured in one of their cohorts' windows.
-- Locks: none (the heads are held).
with asked as materialized (
    select
        w.cohort_ids::bigint[] as cohort_ids,
        w.nominal_at,
        w.until_at,
        w.received_before_at,
        w.code,
        w.quantity
    from unnest(
        %(cohorts)s::text[],
        %(nominal_ats)s::timestamptz[],
        %(until_ats)s::timestamptz[],
        %(received_before_ats)s::timestamptz[],
        %(codes)s::text[],
        %(quantities)s::integer[]
    ) as w (cohort_ids, nominal_at, until_at, received_before_at, code, quantity)
)
select h.enrolment_id
from asked w
join agenda_head h
    on h.organisation_id = %(organisation_id)s
    and h.enrolment_id = any(%(enrolment_ids)s::bigint[])
    and h.cohort_id = any(w.cohort_ids)
join enrolment e
    on e.organisation_id = h.organisation_id
    and e.enrolment_id = h.enrolment_id
-- By itself for each window, so that it is the index's condition, as above.
cross join lateral (
    select count(*) as taken
    from measurement t
    where t.organisation_id = %(organisation_id)s
        and t.patient_id = e.patient_id
        and t.code = w.code
        and t.judged_for_at >= w.nominal_at
        and t.judged_for_at < w.until_at
        and t.received_at >= w.nominal_at - interval '5 minutes'
        and t.received_at < coalesce(w.received_before_at, 'infinity')
) m
where m.taken >= w.quantity;
