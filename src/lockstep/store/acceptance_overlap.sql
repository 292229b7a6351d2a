-- name: find_accepted_at
-- E where the operation's switch takes effect at once; no row for an operation that no switch asked for.
-- Locks: none.
select a.accepted_at
from switch_acceptance a
where a.organisation_id = %(organisation_id)s
    and a.operation_id = %(operation_id)s;

-- name: list_received
-- The next measurements of a span of receipt, by patient and number.
-- Locks: none.
select
    m.measurement_id,
    m.patient_id,
    m.code,
    m.judged_for_at,
    m.value,
    m.unit,
    m.finding
from measurement m
where m.organisation_id = %(organisation_id)s
    and m.received_at >= %(from_at)s
    and m.received_at <= %(until_at)s
    and (m.patient_id, m.measurement_id) > (%(after_patient_id)s, %(after_measurement_id)s)
order by m.patient_id, m.measurement_id
limit %(most)s;

-- name: list_enrolments_of
-- The enrolments of patients.
-- Locks: none.
select e.enrolment_id
from enrolment e
where e.organisation_id = %(organisation_id)s
    and e.patient_id = any(%(patient_ids)s::bigint[])
order by e.enrolment_id;

-- name: list_limit_samples
-- The alerts of limits that list these measurements, open or not, each with its severity and how many it lists in all.
-- Locks: none.
select
    a.alert_id,
    a.enrolment_id,
    a.activity_key,
    a.rule_key,
    a.kind,
    a.severity,
    s.measurement_id,
    a.state = 'open' as open,
    a.occurrences
from alert a
join alert_sample s
    on s.organisation_id = a.organisation_id
    and s.alert_id = a.alert_id
    and s.measurement_id = any(%(measurement_ids)s::bigint[])
    and s.recorded_at >= %(from_at)s
where a.organisation_id = %(organisation_id)s
    and a.enrolment_id = any(%(enrolment_ids)s::bigint[])
    and a.kind = 'limit'
order by a.alert_id, s.measurement_id;
