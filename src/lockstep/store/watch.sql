-- name: list_stuck
-- Operations that are overdue or rest beyond their time, of every organisation.
-- Locks: none.
select
    p.organisation_id,
    p.operation_id,
    p.moved_at,
    p.overdue
from operation_promise p
where p.overdue
    or p.rested_too_long
order by p.organisation_id, p.operation_id
limit %(most)s;

-- name: list_signs
-- Every worker with its last sign of life, and whether that is too old.
-- Locks: none.
select
    w.worker_id,
    w.seen_at,
    w.seen_at < lockstep_now() - make_interval(secs => %(silent_seconds)s) as silent
from worker w
order by w.worker_id;

-- name: list_not_watched
-- Enrolments that are not watched, counted by organisation and reason, with some of their numbers.
-- Locks: none.
select
    n.organisation_id,
    n.why,
    count(*) as enrolments,
    min(n.since_at) as since_at,
    (array_agg(n.enrolment_id order by n.enrolment_id))[1:%(shown)s] as enrolment_ids
from duty_not_watched n
group by n.organisation_id, n.why
order by n.organisation_id, n.why;
