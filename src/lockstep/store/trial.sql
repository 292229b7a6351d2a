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
