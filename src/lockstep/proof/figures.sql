-- name: count_measurements
-- How many measurements of these sources are stored and how many were set aside.
-- Locks: none.
select
    (select count(*) from measurement where source = any(%(sources)s)),
    (select count(*) from measurement_set_aside where source = any(%(sources)s));

-- name: list_ward_states
-- What became of each of these occurrences in the end, with corrections: enrolment, slot, state.
-- Locks: none.
select
    o.enrolment_id,
    o.slot,
    coalesce(
        (
            select c.state
            from occurrence_correction c
            where c.organisation_id = o.organisation_id
                and c.enrolment_id = o.enrolment_id
                and c.activity_key = o.activity_key
                and c.on_date = o.on_date
                and c.slot = o.slot
            order by c.number desc
            limit 1
        ),
        o.state
    )
from occurrence o
where o.protocol_id = %(protocol_id)s
    and o.slot = any(%(slots)s);

-- name: find_slowest_judgement
-- How many seconds after it was due the last of these occurrences was found missed; null when none was.
-- Locks: none.
select extract(epoch from max(decided_at - judge_at))::float
from occurrence
where protocol_id = %(protocol_id)s
    and slot = any(%(slots)s)
    and state = 'missed';

-- name: count_missed_alerts
-- Enrolments on the protocol with an alert about missed occurrences, whatever became of it.
-- Locks: none.
select count(distinct enrolment_id)
from alert
where protocol_id = %(protocol_id)s
    and kind = 'missed';

-- name: count_all
-- Occurrences that were missed, and alerts that are open, in the organisation.
-- Locks: none.
select
    (select count(*) from occurrence where state = 'missed'),
    (select count(*) from alert where state = 'open');

-- name: shift_one_row
-- One agenda row of the enrolment points to a day too late: what a bug, or a hand in the tables, would leave behind.
-- Locks: the row.
update agenda set
    on_date = on_date + 1,
    opens_at = opens_at + interval '1 day',
    closes_at = closes_at + interval '1 day',
    judge_at = judge_at + interval '1 day'
where (organisation_id, enrolment_id, activity_key) = (
    select organisation_id, enrolment_id, activity_key
    from agenda
    where enrolment_id = %(enrolment_id)s
    order by activity_key
    limit 1
);
