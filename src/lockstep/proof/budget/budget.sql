-- name: list_settings
-- The settings of the server that bear on speed.
-- Locks: none.
select
    name,
    concat(setting, unit)
from pg_settings
where name in (
    'shared_buffers', 'max_wal_size', 'checkpoint_timeout', 'synchronous_commit', 'fsync', 'full_page_writes',
    'wal_compression', 'autovacuum_vacuum_scale_factor', 'autovacuum_vacuum_cost_delay', 'jit', 'random_page_cost',
    'work_mem', 'max_parallel_workers_per_gather'
)
order by name;

-- name: clock
-- The database's instant.
-- Locks: none.
select lockstep_now();

-- name: shift_heads
-- The competitor: the heads of a chunk are written.
-- Locks: those agenda_head rows.
update agenda_head
set generation = generation + 1,
    computed_at = computed_at + interval '1 microsecond'
where organisation_id = %(organisation_id)s
    and enrolment_id > %(after)s
    and enrolment_id <= %(until)s;

-- name: shift_rows
-- The competitor: the rows of one activity of a chunk are written, so many days later.
-- Locks: those agenda rows.
update agenda
set on_date = on_date + %(days)s::integer,
    opens_at = opens_at + make_interval(days => %(days)s),
    closes_at = closes_at + make_interval(days => %(days)s),
    judge_at = judge_at + make_interval(days => %(days)s)
where organisation_id = %(organisation_id)s
    and activity_key = %(activity_key)s
    and enrolment_id > %(after)s
    and enrolment_id <= %(until)s;

-- name: restore_heads
-- After the competitor: the heads carry their generation again.
-- Locks: those agenda_head rows.
update agenda_head
set generation = generation - %(times)s
where organisation_id = %(organisation_id)s
    and protocol_id = %(protocol_id)s;

-- name: is_any_behind
-- Whether a head of the protocol is older than a generation.
-- Locks: none.
select exists (
    select 1
    from agenda_head h
    where h.organisation_id = %(organisation_id)s
        and h.protocol_id = %(protocol_id)s
        and h.generation < %(generation)s
);

-- name: count_decided
-- The occurrences of a protocol that were missed and fulfilled, and its open alerts about missed ones.
-- Locks: none.
select
    count(*) filter (where o.state = 'missed'),
    count(*) filter (where o.state <> 'missed'),
    (
        select count(*)
        from alert a
        where a.organisation_id = %(organisation_id)s
            and a.protocol_id = %(protocol_id)s
            and a.kind = 'missed'
            and a.state = 'open'
    )
from occurrence o
where o.organisation_id = %(organisation_id)s
    and o.protocol_id = %(protocol_id)s;

-- name: is_any_due
-- Whether a row is still to be judged for a close until an instant.
-- Locks: none.
select exists (
    select 1
    from agenda a
    where a.organisation_id = %(organisation_id)s
        and a.judge_at <= %(until_at)s
);

-- name: cpu_of_backend
-- The process that serves this connection.
-- Locks: none.
select pg_backend_pid();
