-- name: wake
-- A worker is told that the organisation has agendas to recalculate; lost, it is only found later, by the sweep.
-- Locks: the new job's row.
select procrastinate_defer_jobs_v1(
    array[
        row(
            'recalculation',
            'lockstep.recalculate',
            0,
            null,
            null,
            jsonb_build_object('organisation_id', %(organisation_id)s::bigint),
            null
        )::procrastinate_job_to_defer_v1
    ]
);

-- name: clear_stale
-- Wake-ups that ended, or that a worker took and then fell silent, are gone: nothing depends on them.
-- Locks: the jobs' rows, skipping locked ones.
with stale as (
    select j.id
    from procrastinate_jobs j
    where j.queue_name = 'recalculation'
        and (
            j.status in ('succeeded', 'failed', 'cancelled', 'aborted')
            or (
                j.status = 'doing'
                and not exists (
                    select 1
                    from procrastinate_workers w
                    where w.id = j.worker_id
                        and w.last_heartbeat > clock_timestamp() - interval '1 minute'
                )
            )
        )
    for update skip locked
)
delete from procrastinate_jobs j
using stale s
where j.id = s.id;
