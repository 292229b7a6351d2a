-- name: insert_operation
-- An operation is accepted, and its log begins.
-- Locks: the new rows.
with started as (
    insert into operation (
        organisation_id,
        kind,
        state,
        sentence,
        protocol_id,
        switch_id,
        selection_id,
        generation,
        starts_at,
        total,
        started_by,
        started_at
    )
    select
        %(organisation_id)s,
        %(kind)s,
        %(state)s,
        %(sentence)s,
        %(protocol_id)s,
        %(switch_id)s,
        %(selection_id)s,
        %(generation)s,
        coalesce(%(starts_at)s, n.at),
        %(total)s,
        %(actor)s,
        n.at
    from (select coalesce(%(at)s, lockstep_now()) as at) n
    returning
        operation_id,
        started_at
)
insert into operation_event (
    organisation_id,
    operation_id,
    at,
    type,
    state,
    actor,
    data
)
select
    %(organisation_id)s,
    s.operation_id,
    s.started_at,
    %(type)s,
    %(state)s,
    %(actor)s,
    %(data)s::jsonb
from started s
returning operation_id;

-- name: get_standing
-- The kind and the state of an operation.
-- Locks: none (the step is guarded by the state).
select
    o.kind,
    o.state
from operation o
where o.organisation_id = %(organisation_id)s
    and o.operation_id = %(operation_id)s;

-- name: advance
-- A step from one state to another, with its event; nothing happens when the operation is in another state meanwhile.
-- Locks: the operation's row.
with advanced as (
    update operation o
    set
        state = %(after)s,
        reason = coalesce(%(reason)s, case when %(keeps)s then o.reason end),
        paused_until = case when %(keeps)s then o.paused_until else %(paused_until)s end,
        total = coalesce(%(total)s, o.total),
        stepped_at = lockstep_now(),
        ended_at = case when %(ends)s then lockstep_now() end
    where o.organisation_id = %(organisation_id)s
        and o.operation_id = %(operation_id)s
        and o.state = %(before)s
    returning o.operation_id
)
insert into operation_event (
    organisation_id,
    operation_id,
    at,
    type,
    state,
    actor,
    data
)
select
    %(organisation_id)s,
    a.operation_id,
    lockstep_now(),
    %(type)s,
    %(after)s,
    %(actor)s,
    %(data)s::jsonb
from advanced a;

-- name: insert_event
-- Something happened to an operation that changes no state.
-- Locks: the new row.
insert into operation_event (
    organisation_id,
    operation_id,
    at,
    type,
    state,
    actor,
    data
)
select
    %(organisation_id)s,
    o.operation_id,
    lockstep_now(),
    %(type)s,
    o.state,
    %(actor)s,
    %(data)s::jsonb
from operation o
where o.organisation_id = %(organisation_id)s
    and o.operation_id = %(operation_id)s;

-- name: explain
-- An unfinished operation has another reason, with its event; nothing happens when the reason is the same.
-- Locks: the operation's row, when the reason is another one.
with explained as (
    update operation o
    set reason = %(reason)s
    where o.organisation_id = %(organisation_id)s
        and o.operation_id = %(operation_id)s
        and o.ended_at is null
        and o.reason is distinct from %(reason)s
    returning
        o.operation_id,
        o.state
)
insert into operation_event (
    organisation_id,
    operation_id,
    at,
    type,
    state,
    actor,
    data
)
select
    %(organisation_id)s,
    e.operation_id,
    lockstep_now(),
    %(type)s,
    e.state,
    %(actor)s,
    %(data)s::jsonb
from explained e;

-- name: list_operations
-- Operations, the newest first, with how much of them is done.
-- Locks: none.
select
    o.operation_id,
    o.kind,
    o.state,
    o.sentence,
    o.protocol_id,
    o.switch_id,
    o.selection_id,
    o.generation,
    o.starts_at,
    coalesce(
        (
            select sum(r.done)::integer
            from recalculation_range r
            where r.organisation_id = o.organisation_id
                and r.operation_id = o.operation_id
        ),
        (
            select sum(c.checked)::integer
            from check_run c
            where c.organisation_id = o.organisation_id
                and c.operation_id = o.operation_id
                and o.kind = 'check'
        )
    ) as done,
    o.total,
    o.reason,
    o.paused_until,
    o.started_by,
    o.started_at,
    o.ended_at,
    coalesce(
        (
            select p.overdue
            from operation_promise p
            where p.organisation_id = o.organisation_id
                and p.operation_id = o.operation_id
        ),
        false
    ) as overdue
from operation o
where o.organisation_id = %(organisation_id)s
    and (%(operation_id)s::bigint is null or o.operation_id = %(operation_id)s)
    and (%(before_id)s::bigint is null or o.operation_id < %(before_id)s)
    and (not %(unfinished)s or o.ended_at is null)
order by o.operation_id desc
limit %(size)s;

-- name: list_rested
-- Unfinished operations whose pause is over.
-- Locks: none.
select o.operation_id
from operation o
where o.organisation_id = %(organisation_id)s
    and o.ended_at is null
    and o.state in ('pausing', 'paused')
    and o.paused_until <= lockstep_now()
order by o.operation_id;

-- name: list_events
-- The log of an operation in order, a page at a time. Looks into partitions from its beginning on, with a day for
-- clocks that were set back.
-- Locks: none.
select
    v.event_id,
    v.at,
    v.type,
    v.state,
    v.actor,
    v.data
from operation_event v
where v.organisation_id = %(organisation_id)s
    and v.operation_id = %(operation_id)s
    and v.event_id > %(after_id)s
    and v.at >= (
        select o.started_at - interval '1 day'
        from operation o
        where o.organisation_id = %(organisation_id)s
            and o.operation_id = %(operation_id)s
    )
order by v.event_id
limit %(size)s;
