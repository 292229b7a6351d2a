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
