-- name: list_unfinished
-- Recalculations that have begun to be in force and have not ended, with what is left as far as known.
-- Locks: none.
select
    o.operation_id,
    o.state,
    o.protocol_id,
    o.switch_id,
    o.selection_id,
    o.generation,
    o.starts_at,
    o.total,
    o.paused_until,
    case when o.switch_id is null then o.started_at end as forced_before,
    coalesce((select a.last_at
        from switch_acceptance a
        where a.organisation_id = o.organisation_id
            and a.operation_id = o.operation_id
    ), o.starts_at) as last_at,
    coalesce((
        select sum(r.done)
        from recalculation_range r
        where r.organisation_id = o.organisation_id
            and r.operation_id = o.operation_id
    ), 0)::integer as done
from operation o
where o.organisation_id = %(organisation_id)s
    and o.kind = 'recalculation'
    and o.ended_at is null
    and o.starts_at <= %(now)s
order by o.starts_at, o.operation_id;

-- name: list_borders
-- Every nth head of a protocol in key order: where ranges end.
-- Locks: none.
select n.enrolment_id
from (
    select
        h.enrolment_id,
        row_number() over (order by h.enrolment_id) as position
    from agenda_head h
    where h.organisation_id = %(organisation_id)s
        and h.protocol_id = %(protocol_id)s
        and h.ended_at is null
) n
where n.position %% %(size)s = 0
order by n.enrolment_id;

-- name: list_selection_borders
-- Every nth member of a selection in key order: where ranges end.
-- Locks: none.
select n.enrolment_id
from (
    select
        m.enrolment_id,
        row_number() over (order by m.enrolment_id) as position
    from selection_member m
    where m.organisation_id = %(organisation_id)s
        and m.selection_id = %(selection_id)s
) n
where n.position %% %(size)s = 0
order by n.enrolment_id;

-- name: count_of_protocol
-- How many heads stand on a protocol.
-- Locks: none.
select count(*)
from agenda_head h
where h.organisation_id = %(organisation_id)s
    and h.protocol_id = %(protocol_id)s
    and h.ended_at is null;

-- name: count_of_selection
-- How many members a selection has.
-- Locks: none.
select count(*)
from selection_member m
where m.organisation_id = %(organisation_id)s
    and m.selection_id = %(selection_id)s;

-- name: add_ranges
-- The parts through which workers walk; a rival that made them first wins.
-- Locks: the new rows.
insert into recalculation_range (
    organisation_id,
    operation_id,
    number,
    after_enrolment_id,
    until_enrolment_id,
    cursor_enrolment_id
)
select
    %(organisation_id)s,
    %(operation_id)s,
    r.number,
    r.after_id,
    r.until_id,
    r.after_id
from unnest(%(numbers)s::integer[], %(after_ids)s::bigint[], %(until_ids)s::bigint[]) as r (number, after_id, until_id)
on conflict (organisation_id, operation_id, number) do nothing;

-- name: claim_range
-- One unfinished part that nobody works on; the claim ends with the transaction.
-- Locks: one recalculation_range row, for update, skipping locked ones.
select
    r.number,
    r.after_enrolment_id,
    r.until_enrolment_id,
    r.cursor_enrolment_id
from recalculation_range r
where r.organisation_id = %(organisation_id)s
    and r.operation_id = %(operation_id)s
    and not r.finished
order by r.number
limit 1
for update skip locked;

-- name: claim_heads
-- The next heads of a protocol that are behind, held, by what bears on them alike; those that somebody else holds are left for the next walk, those
-- set aside for the slow one.
-- Locks: agenda_head rows in key order, for no key update, skipping locked ones.
with claimed as materialized (
    select
        h.enrolment_id,
        h.cohort_id,
        h.protocol_id,
        h.generation,
        h.next_change_at,
        greatest(h.assigned_at, %(begins)s) as assigned_at,
        h.assigned_protocol_id,
        h.individual_until > %(begins)s as individual
    from agenda_head h
    where h.organisation_id = %(organisation_id)s
        and h.protocol_id = %(protocol_id)s
        and h.ended_at is null
        and h.enrolment_id > %(cursor)s
        and h.enrolment_id <= %(until)s
        and (h.generation < %(generation)s or h.next_change_at <= %(now)s or h.computed_at < %(forced_before)s)
        and not exists (
            select 1
            from recalculation_exception x
            where x.organisation_id = h.organisation_id
                and x.enrolment_id = h.enrolment_id
        )
    order by h.enrolment_id
    limit %(size)s
    for no key update skip locked
)
select
    c.protocol_id,
    c.generation,
    c.next_change_at,
    c.assigned_at,
    c.assigned_protocol_id,
    c.individual,
    array_agg(c.enrolment_id),
    array_agg(c.cohort_id)
from claimed c
group by
    c.protocol_id,
    c.generation,
    c.next_change_at,
    c.assigned_at,
    c.assigned_protocol_id,
    c.individual;

-- name: claim_member_heads
-- The next heads of a selection's members that are behind, held, by what bears on them alike; locked ones are left for the next walk.
-- Locks: agenda_head rows in key order, for no key update, skipping locked ones.
with claimed as materialized (
    select
        h.enrolment_id,
        h.cohort_id,
        h.protocol_id,
        h.generation,
        h.next_change_at,
        greatest(h.assigned_at, %(begins)s) as assigned_at,
        h.assigned_protocol_id,
        h.individual_until > %(begins)s as individual
    from selection_member m
    join agenda_head h
        on h.organisation_id = m.organisation_id
        and h.enrolment_id = m.enrolment_id
    where m.organisation_id = %(organisation_id)s
        and m.selection_id = %(selection_id)s
        and m.enrolment_id > %(cursor)s
        and m.enrolment_id <= %(until)s
        and h.protocol_id = %(protocol_id)s
        and h.ended_at is null
        and (h.generation < %(generation)s or h.next_change_at <= %(now)s or h.computed_at < %(forced_before)s)
        and not exists (
            select 1
            from recalculation_exception x
            where x.organisation_id = h.organisation_id
                and x.enrolment_id = h.enrolment_id
        )
    order by m.enrolment_id
    limit %(size)s
    for no key update of h skip locked
)
select
    c.protocol_id,
    c.generation,
    c.next_change_at,
    c.assigned_at,
    c.assigned_protocol_id,
    c.individual,
    array_agg(c.enrolment_id),
    array_agg(c.cohort_id)
from claimed c
group by
    c.protocol_id,
    c.generation,
    c.next_change_at,
    c.assigned_at,
    c.assigned_protocol_id,
    c.individual;

-- name: is_range_behind
-- Whether a head of a range is still behind (somebody held it when the walk came by).
-- Locks: none.
select exists (
    select 1
    from agenda_head h
    where h.organisation_id = %(organisation_id)s
        and h.protocol_id = %(protocol_id)s
        and h.ended_at is null
        and h.enrolment_id > %(after)s
        and h.enrolment_id <= %(until)s
        and (h.generation < %(generation)s or h.next_change_at <= %(now)s or h.computed_at < %(forced_before)s)
        and (
            %(selection_id)s::bigint is null
            or exists (
                select 1
                from selection_member m
                where m.organisation_id = h.organisation_id
                    and m.selection_id = %(selection_id)s
                    and m.enrolment_id = h.enrolment_id
            )
        )
        and not exists (
            select 1
            from recalculation_exception x
            where x.organisation_id = h.organisation_id
                and x.enrolment_id = h.enrolment_id
        )
);

-- name: list_standings
-- The distinct places where the rows of held heads stand for some activities, with how many rows of which cohorts.
-- Locks: none (the heads are held).
select
    a.activity_key,
    a.on_date,
    a.slot,
    a.opens_at,
    a.closes_at,
    a.judge_at,
    a.protocol_id,
    a.version_number,
    count(*),
    array_agg(distinct a.cohort_id)
from agenda a
where a.organisation_id = %(organisation_id)s
    and a.enrolment_id = any(%(enrolment_ids)s::bigint[])
    and a.activity_key = any(%(activity_keys)s::text[])
group by
    a.activity_key,
    a.on_date,
    a.slot,
    a.opens_at,
    a.closes_at,
    a.judge_at,
    a.protocol_id,
    a.version_number;

-- name: list_waiting_since
-- The enrolments whose rows have waited to be judged since before an instant.
-- Locks: none (the heads are held).
select distinct a.enrolment_id
from agenda a
where a.organisation_id = %(organisation_id)s
    and a.enrolment_id = any(%(enrolment_ids)s::bigint[])
    and a.opens_at < %(before_at)s;

-- name: list_without_row
-- The held enrolments of cohorts that have no row for an activity.
-- Locks: none (the heads are held).
select
    h.enrolment_id,
    h.cohort_id,
    k.activity_key
from agenda_head h
join unnest(%(cohort_ids)s::bigint[], %(activity_keys)s::text[]) as k (cohort_id, activity_key)
    on k.cohort_id = h.cohort_id
where h.organisation_id = %(organisation_id)s
    and h.enrolment_id = any(%(enrolment_ids)s::bigint[])
    and not exists (
        select 1
        from agenda a
        where a.organisation_id = h.organisation_id
            and a.enrolment_id = h.enrolment_id
            and a.activity_key = k.activity_key
    );

-- name: delete_standing_rows
-- Rows of held heads whose activity has nothing undecided any more are gone, by cohort and where they stood.
-- Locks: agenda rows, under their held heads.
with steps as materialized (
    select
        t.cohort_ids::bigint[] as cohort_ids,
        t.activity_key,
        t.old_on,
        t.old_slot,
        t.old_opens_at,
        t.old_judge_at
    from unnest(
        %(cohorts)s::text[],
        %(activity_keys)s::text[],
        %(old_on_dates)s::date[],
        %(old_slots)s::text[],
        %(old_opens_ats)s::timestamptz[],
        %(old_judge_ats)s::timestamptz[]
    ) as t (cohort_ids, activity_key, old_on, old_slot, old_opens_at, old_judge_at)
)
delete from agenda a
using steps s
where a.organisation_id = %(organisation_id)s
    and a.enrolment_id = any(%(enrolment_ids)s::bigint[])
    and a.activity_key = s.activity_key
    and a.on_date = s.old_on
    and a.slot = s.old_slot
    and a.opens_at = s.old_opens_at
    and a.judge_at = s.old_judge_at
    and a.cohort_id = any(s.cohort_ids);

-- name: advance_rows
-- The rows of held heads hold the occurrences of what is in force now, by cohort and where they stood.
-- Locks: agenda rows, under their held heads.
with steps as materialized (
    select
        t.cohort_ids::bigint[] as cohort_ids,
        t.activity_key,
        t.old_on,
        t.old_slot,
        t.old_opens_at,
        t.old_judge_at,
        t.protocol_id,
        t.version_number,
        t.on_date,
        t.slot,
        t.opens_at,
        t.closes_at,
        t.judge_at
    from unnest(
        %(cohorts)s::text[],
        %(activity_keys)s::text[],
        %(old_on_dates)s::date[],
        %(old_slots)s::text[],
        %(old_opens_ats)s::timestamptz[],
        %(old_judge_ats)s::timestamptz[],
        %(protocol_ids)s::bigint[],
        %(version_numbers)s::integer[],
        %(on_dates)s::date[],
        %(slots)s::text[],
        %(opens_ats)s::timestamptz[],
        %(closes_ats)s::timestamptz[],
        %(judge_ats)s::timestamptz[]
    ) as t (
        cohort_ids, activity_key, old_on, old_slot, old_opens_at, old_judge_at, protocol_id, version_number, on_date,
        slot, opens_at, closes_at, judge_at
    )
)
update agenda a
set protocol_id = s.protocol_id,
    version_number = s.version_number,
    on_date = s.on_date,
    slot = s.slot,
    opens_at = s.opens_at,
    closes_at = s.closes_at,
    judge_at = s.judge_at,
    taken = 0
from steps s
where a.organisation_id = %(organisation_id)s
    and a.enrolment_id = any(%(enrolment_ids)s::bigint[])
    and a.activity_key = s.activity_key
    and a.on_date = s.old_on
    and a.slot = s.old_slot
    and a.opens_at = s.old_opens_at
    and a.judge_at = s.old_judge_at
    and a.cohort_id = any(s.cohort_ids);

-- name: advance_heads_alike
-- The heads carry what their rows were computed for, when that is the same for all of them.
-- Locks: agenda_head rows (held already).
update agenda_head h
set protocol_id = %(protocol_id)s,
    version_number = %(version_number)s,
    generation = %(generation)s,
    computed_at = %(computed_at)s,
    next_change_at = %(next_change_at)s
where h.organisation_id = %(organisation_id)s
    and h.enrolment_id = any(%(enrolment_ids)s::bigint[]);

-- name: note_progress
-- The range says how far it was walked.
-- Locks: the claimed range.
update recalculation_range r
set cursor_enrolment_id = %(cursor)s,
    done = r.done + %(done)s,
    moved_at = case when %(done)s > 0 or %(finished)s then lockstep_now() else r.moved_at end,
    finished = %(finished)s
where r.organisation_id = %(organisation_id)s
    and r.operation_id = %(operation_id)s
    and r.number = %(number)s;

-- name: reopen_ranges
-- Every range is to be walked again.
-- Locks: the operation's ranges.
update recalculation_range r
set cursor_enrolment_id = r.after_enrolment_id,
    finished = false
where r.organisation_id = %(organisation_id)s
    and r.operation_id = %(operation_id)s;

-- name: claim_changing_heads
-- Heads whose known next change has come, held; locked ones are left for the next time.
-- Locks: agenda_head rows, for no key update, skipping locked ones.
select
    h.enrolment_id,
    h.protocol_id,
    h.version_number,
    h.generation,
    h.cohort_id,
    h.assigned_at,
    h.assigned_protocol_id,
    h.individual_until,
    h.computed_at,
    h.next_change_at,
    h.ended_at
from agenda_head h
where h.organisation_id = %(organisation_id)s
    and h.next_change_at <= %(now)s
    and not exists (
        select 1
        from recalculation_exception x
        where x.organisation_id = h.organisation_id
            and x.enrolment_id = h.enrolment_id
    )
order by h.next_change_at, h.enrolment_id
limit %(size)s
for no key update of h skip locked;

-- name: claim_heads_of
-- The heads of enrolments, held; locked ones are left for the next time.
-- Locks: agenda_head rows in key order, for no key update, skipping locked ones.
select
    h.enrolment_id,
    h.protocol_id,
    h.version_number,
    h.generation,
    h.cohort_id,
    h.assigned_at,
    h.assigned_protocol_id,
    h.individual_until,
    h.computed_at,
    h.next_change_at,
    h.ended_at
from agenda_head h
where h.organisation_id = %(organisation_id)s
    and h.enrolment_id = any(%(enrolment_ids)s)
    and not exists (
        select 1
        from recalculation_exception x
        where x.organisation_id = h.organisation_id
            and x.enrolment_id = h.enrolment_id
    )
order by h.enrolment_id
for no key update of h skip locked;

-- name: count_exceptions
-- How many enrolments an operation has set aside.
-- Locks: none.
select count(*)
from recalculation_exception x
where x.organisation_id = %(organisation_id)s
    and x.operation_id = %(operation_id)s;

-- name: count_open_ranges
-- How many ranges there are, and how many are not finished.
-- Locks: none.
select
    count(*),
    count(*) filter (where not r.finished)
from recalculation_range r
where r.organisation_id = %(organisation_id)s
    and r.operation_id = %(operation_id)s;

-- name: note_begun
-- The operation knows the transaction in which it began: whoever may have decided without knowing of it is older.
-- Locks: the operation's row.
update operation o
set begun_xid = pg_current_xact_id()
where o.organisation_id = %(organisation_id)s
    and o.operation_id = %(operation_id)s
    and o.begun_xid is null;

-- name: has_barrier_passed
-- Whether every transaction of this database that ran when the operation began has ended.
-- Locks: none.
select
    o.begun_xid is not null
    and not exists (
        select 1
        from running_transaction r
        where r.number < o.begun_xid::text::bigint
    )
from operation o
where o.organisation_id = %(organisation_id)s
    and o.operation_id = %(operation_id)s;

-- name: list_behind
-- Heads of any protocol that are behind, for the sweep: walks a slice of all heads in key order.
-- Locks: none.
select
    s.enrolment_id,
    s.is_behind
from (
    select
        h.enrolment_id,
        h.next_change_at <= %(now)s
            or exists (
                select 1
                from switch_acceptance a
                where a.organisation_id = h.organisation_id
                    and a.protocol_id = h.protocol_id
                    and a.generation > h.generation
                    and a.first_at <= %(now)s
                    and (
                        a.selection_id is null
                        or exists (
                            select 1
                            from selection_member m
                            where m.organisation_id = a.organisation_id
                                and m.selection_id = a.selection_id
                                and m.enrolment_id = h.enrolment_id
                        )
                    )
                    and not exists (
                        select 1
                        from switch_withdrawal w
                        where w.organisation_id = a.organisation_id
                            and w.switch_id = a.switch_id
                    )
            ) as is_behind
    from agenda_head h
    where h.organisation_id = %(organisation_id)s
        and h.enrolment_id > %(cursor)s
        and h.ended_at is null
        and (%(enrolment_ids)s::bigint[] is null or h.enrolment_id = any(%(enrolment_ids)s))
    order by h.enrolment_id
    limit %(size)s
) s
order by s.enrolment_id;

-- name: set_aside
-- An enrolment that fails by itself is set aside with its reason, to be tried again later.
-- Locks: its row.
insert into recalculation_exception (
    organisation_id, enrolment_id, operation_id, reason, sqlstate, first_at, next_try_at
)
values (
    %(organisation_id)s,
    %(enrolment_id)s,
    %(operation_id)s,
    %(reason)s,
    %(sqlstate)s,
    %(now)s,
    %(now)s + interval '30 seconds'
)
on conflict (organisation_id, enrolment_id) do update
set attempts = recalculation_exception.attempts + 1,
    reason = excluded.reason,
    sqlstate = excluded.sqlstate,
    next_try_at = excluded.first_at + least(interval '1 hour', interval '30 seconds' * 2 ^ least(recalculation_exception.attempts, 7));

-- name: list_exceptions_to_retry
-- Enrolments set aside whose next try has come.
-- Locks: none.
select x.enrolment_id
from recalculation_exception x
where x.organisation_id = %(organisation_id)s
    and x.next_try_at <= %(now)s
order by x.next_try_at
limit 100;

-- name: clear_exception
-- The enrolment is in step again.
-- Locks: its row.
delete from recalculation_exception x
where x.organisation_id = %(organisation_id)s
    and x.enrolment_id = %(enrolment_id)s;

-- name: list_protocols_of_selection
-- The protocols on which a selection's members stand now.
-- Locks: none.
select distinct h.protocol_id
from selection_member m
join agenda_head h
    on h.organisation_id = m.organisation_id
    and h.enrolment_id = m.enrolment_id
    and h.ended_at is null
where m.organisation_id = %(organisation_id)s
    and m.selection_id = %(selection_id)s
order by h.protocol_id;
