-- name: list_enrolments
-- The enrolments of a protocol, in key order.
-- Locks: none.
select h.enrolment_id
from agenda_head h
where h.organisation_id = %(organisation_id)s
    and h.protocol_id = %(protocol_id)s
order by h.enrolment_id;

-- name: move_one
-- One enrolment follows the change: its head carries the generation, the row of the changed activity its new occurrence. Once only.
-- Locks: its head and that row.
with headed as (
    update agenda_head h
    set generation = %(generation)s,
        computed_at = lockstep_now()
    where h.organisation_id = %(organisation_id)s
        and h.enrolment_id = %(enrolment_id)s
        and h.generation < %(generation)s
    returning h.enrolment_id
)
update agenda a
set on_date = a.on_date + %(days)s::integer,
    opens_at = a.opens_at + make_interval(days => %(days)s),
    closes_at = a.closes_at + make_interval(days => %(days)s),
    judge_at = a.judge_at + make_interval(days => %(days)s)
from headed d
where a.organisation_id = %(organisation_id)s
    and a.enrolment_id = d.enrolment_id
    and a.activity_key = %(activity_key)s;

-- name: move_heads
-- The heads of a span of enrolments carry the generation.
-- Locks: those agenda_head rows.
update agenda_head h
set generation = %(generation)s,
    computed_at = lockstep_now()
where h.organisation_id = %(organisation_id)s
    and h.enrolment_id > %(after)s
    and h.enrolment_id <= %(until)s;

-- name: move_rows
-- The rows of the changed activity of a span of enrolments hold their new occurrences.
-- Locks: those agenda rows.
update agenda a
set on_date = a.on_date + %(days)s::integer,
    opens_at = a.opens_at + make_interval(days => %(days)s),
    closes_at = a.closes_at + make_interval(days => %(days)s),
    judge_at = a.judge_at + make_interval(days => %(days)s)
where a.organisation_id = %(organisation_id)s
    and a.activity_key = %(activity_key)s
    and a.enrolment_id > %(after)s
    and a.enrolment_id <= %(until)s;

-- name: limit_statements
-- What takes longer than a time limit (milliseconds) is broken off, until the end of the transaction.
-- Locks: none.
select set_config('statement_timeout', %(milliseconds)s::text, true);

-- name: move_back_rows
-- The rows of a span of enrolments stand where they stood before a generation that was not given to all.
-- Locks: those agenda rows.
update agenda a
set on_date = a.on_date - %(days)s::integer,
    opens_at = a.opens_at - make_interval(days => %(days)s),
    closes_at = a.closes_at - make_interval(days => %(days)s),
    judge_at = a.judge_at - make_interval(days => %(days)s)
from agenda_head h
where h.organisation_id = %(organisation_id)s
    and h.enrolment_id > %(after)s
    and h.enrolment_id <= %(until)s
    and h.generation >= %(generation)s
    and a.organisation_id = h.organisation_id
    and a.enrolment_id = h.enrolment_id
    and a.activity_key = %(activity_key)s;

-- name: move_back_heads
-- The heads of a span of enrolments that carry a generation, or a later one, carry a former one again.
-- Locks: those agenda_head rows.
update agenda_head h
set generation = %(former)s
where h.organisation_id = %(organisation_id)s
    and h.enrolment_id > %(after)s
    and h.enrolment_id <= %(until)s
    and h.generation >= %(generation)s;

-- name: newest_generation
-- The greatest generation that a head of a protocol carries, which is what all of them carry when all are in step.
-- Locks: none.
select max(h.generation)
from agenda_head h
where h.organisation_id = %(organisation_id)s
    and h.protocol_id = %(protocol_id)s;

-- name: count_moved
-- How many heads of a protocol carry a generation.
-- Locks: none.
select count(*)
from agenda_head h
where h.organisation_id = %(organisation_id)s
    and h.protocol_id = %(protocol_id)s
    and h.generation >= %(generation)s;

-- name: defer_jobs
-- A job for each enrolment of a protocol, by the job library's own function, in the deciding transaction.
-- Locks: the new jobs' rows.
select count(*)
from procrastinate.procrastinate_defer_jobs_v1((
    select array_agg(
        row(
            'bench',
            'bench.move',
            0,
            null,
            null,
            jsonb_build_object('enrolment_id', h.enrolment_id),
            null
        )::procrastinate.procrastinate_job_to_defer_v1
        order by h.enrolment_id
    )
    from agenda_head h
    where h.organisation_id = %(organisation_id)s
        and h.protocol_id = %(protocol_id)s
));

-- name: clear_jobs
-- The jobs of the competitor are gone.
-- Locks: their rows.
delete from procrastinate.procrastinate_jobs
where queue_name = 'bench';

-- name: create_planned
-- The competitor's table: occurrences stored ahead for each enrolment, with the columns of the agenda and an index of what is due.
-- Locks: a new table.
create table bench.planned (
    organisation_id bigint not null,
    enrolment_id bigint not null,
    activity_key text not null,
    on_date date not null,
    slot text not null,
    protocol_id bigint not null,
    version_number integer not null,
    opens_at timestamptz not null,
    closes_at timestamptz not null,
    judge_at timestamptz not null,
    primary key (organisation_id, enrolment_id, activity_key, on_date, slot)
);
create index planned_due on bench.planned (organisation_id, judge_at);

-- name: delete_planned
-- The stored occurrences of the changed activity of a span of enrolments are gone.
-- Locks: those rows.
delete from bench.planned p
where p.organisation_id = %(organisation_id)s
    and p.activity_key = %(activity_key)s
    and p.enrolment_id > %(after)s
    and p.enrolment_id <= %(until)s;

-- name: insert_planned
-- Occurrences of the changed activity of a span of enrolments are stored for fourteen days.
-- Locks: the new rows.
insert into bench.planned (
    organisation_id, enrolment_id, activity_key, on_date, slot, protocol_id, version_number, opens_at, closes_at,
    judge_at
)
select
    a.organisation_id,
    a.enrolment_id,
    a.activity_key,
    a.on_date + n,
    a.slot,
    a.protocol_id,
    a.version_number,
    a.opens_at + make_interval(days => n, mins => %(minutes)s),
    a.closes_at + make_interval(days => n, mins => %(minutes)s),
    a.judge_at + make_interval(days => n, mins => %(minutes)s)
from agenda a
cross join generate_series(0, 13) n
where a.organisation_id = %(organisation_id)s
    and a.activity_key = %(activity_key)s
    and a.enrolment_id > %(after)s
    and a.enrolment_id <= %(until)s;
