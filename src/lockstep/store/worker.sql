-- name: sign_worker
-- The worker was seen alive now.
-- Locks: its row.
insert into worker (
    worker_id,
    host,
    pid,
    started_at,
    seen_at,
    doing
)
values (
    %(worker_id)s,
    %(host)s,
    %(pid)s,
    lockstep_now(),
    lockstep_now(),
    %(doing)s
)
on conflict (worker_id) do update
set seen_at = lockstep_now(),
    doing = excluded.doing;

-- name: delete_worker
-- The worker has ended.
-- Locks: its row.
delete from worker w
where w.worker_id = %(worker_id)s;

-- name: delete_silent_workers
-- Workers silent for a day are forgotten.
-- Locks: their rows.
delete from worker w
where w.seen_at < lockstep_now() - interval '1 day';

-- name: list_workers
-- Every worker known, the longest running first.
-- Locks: none.
select
    w.worker_id,
    w.host,
    w.pid,
    w.started_at,
    w.seen_at,
    w.doing
from worker w
order by
    w.started_at,
    w.worker_id;
