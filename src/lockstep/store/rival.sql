-- name: lock_heads
-- Some heads are held, as somebody does who hangs.
-- Locks: those heads, for update.
select h.enrolment_id
from agenda_head h
where h.protocol_id = %(protocol_id)s
    and h.enrolment_id >= (
        select min(l.enrolment_id) + floor(random() * 0.3 * (max(l.enrolment_id) - min(l.enrolment_id)))::bigint
        from agenda_head l
        where l.protocol_id = %(protocol_id)s
    )
order by h.enrolment_id
limit %(size)s
for update;

-- name: lock_head
-- One head is held.
-- Locks: that head, for update.
select h.enrolment_id
from agenda_head h
where h.enrolment_id = %(enrolment_id)s
for update;

-- name: count_waiting
-- How many sessions wait for what a session holds.
-- Locks: none.
select count(*)
from pg_stat_activity a
where %(pid)s::integer = any(pg_blocking_pids(a.pid));

-- name: cut_one
-- One session that is in the middle of something is ended; says whose.
-- Locks: none.
select c.application_name
from (
    select
        a.pid,
        a.application_name
    from pg_stat_activity a
    where a.datname = current_database()
        and a.application_name like any(%(names)s::text[])
        and a.state in ('active', 'idle in transaction')
    order by random()
    limit 1
) c
where pg_terminate_backend(c.pid);

-- name: count_sessions
-- How many clients are connected to this database.
-- Locks: none.
select count(*)
from pg_stat_activity a
where a.datname = current_database()
    and a.backend_type = 'client backend';

-- name: make_fuse
-- What counts the statements that are to fail: a sequence, because what it counted stays counted when they roll back.
-- Locks: the new objects.
do $$
begin
    create schema if not exists stress;
    create sequence if not exists stress.fuse;
    create table if not exists stress.lit (times bigint not null, state text not null);
    truncate stress.lit;
    grant usage on schema stress to public;
    grant select on stress.lit to public;
    grant usage, select on sequence stress.fuse to public;
end
$$;

-- name: make_fuse_function
-- A statement fails with the code of the fuse as long as it is lit.
-- Locks: the new function.
create or replace function stress.burn() returns trigger
language plpgsql
as $$
declare
    lit record;
begin
    select l.times, l.state into lit from stress.lit l limit 1;
    if lit is not null then
        if nextval('stress.fuse') <= lit.times then
            raise exception 'a fuse of the stress run' using errcode = lit.state;
        end if;
    end if;
    return null;
end
$$;

-- name: lay_on_heads
-- Statements on heads can fail.
-- Locks: the table, briefly.
create or replace trigger burn after update on agenda_head for each statement execute function stress.burn();

-- name: lay_on_measurements
-- Statements on measurements can fail.
-- Locks: the table, briefly.
create or replace trigger burn after insert on measurement for each statement execute function stress.burn();

-- name: lay_on_occurrences
-- Statements on occurrences can fail.
-- Locks: the table, briefly.
create or replace trigger burn after insert on occurrence for each statement execute function stress.burn();

-- name: light_fuse
-- The next statements fail by this code.
-- Locks: the row of the fuse.
with gone as (
    delete from stress.lit
),
begun as (
    select setval('stress.fuse', 1, false) as at
)
insert into stress.lit (times, state)
select
    %(times)s,
    %(state)s
from begun;

-- name: count_burnt
-- How many statements the lit fuse let fail.
-- Locks: none.
select
    case when f.is_called then least(f.last_value, coalesce((select max(l.times) from stress.lit l), 0)) else 0 end
from stress.fuse f;
