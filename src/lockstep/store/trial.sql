-- name: count_server_failures
-- What the server itself counted in this database since it was made.
-- Locks: none.
select
    deadlocks
from pg_stat_database
where datname = current_database();

-- name: list_trials
-- Databases made for trial runs.
-- Locks: none.
select datname
from pg_database
where datname like 'lockstep\_demo\_%'
order by datname;

-- name: wal_position
-- How many bytes of log the server has written since it was made.
-- Locks: none.
select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint;

-- name: list_measurement_partitions
-- The tables in which the measurements of about now are kept.
-- Locks: none.
select c.relname
from pg_inherits i
join pg_class c on c.oid = i.inhrelid
where i.inhparent = 'measurement'::regclass
    and c.relname in (
        'measurement_' || to_char(current_date, 'YYYYMM'),
        'measurement_' || to_char(current_date + interval '1 month', 'YYYYMM')
    );
