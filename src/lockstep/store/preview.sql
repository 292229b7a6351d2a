-- What a preview counts, by groups of enrolments that share what decides their occurrences.

-- name: list_moves
-- Every move of the organisation that is not withdrawn: from which protocol to which, and between which instants.
-- Locks: none.
select
    a.protocol_id,
    a.target_protocol_id,
    a.first_at,
    a.last_at
from switch_acceptance a
where a.organisation_id = %(organisation_id)s
    and a.kind = 'move'
    and not exists (
        select 1
        from switch_withdrawal w
        where w.organisation_id = a.organisation_id
            and w.switch_id = a.switch_id
    );

-- name: list_groups
-- How many enrolments share zone, anchor, assignment and selections; also those whose agenda is behind.
-- Assignments from before %(recent_at)s are told apart only by the moves that came after them.
-- Locks: none.
select
    k.zone,
    k.anchor_on,
    g.assigned_protocol_id,
    g.bucket,
    g.recent_at,
    g.selection_ids,
    g.assigned_at,
    g.members,
    g.behind
from (
    select
        h.cohort_id,
        h.assigned_protocol_id,
        width_bucket(h.assigned_at, %(boundaries)s::timestamptz[]) as bucket,
        case when h.assigned_at >= %(recent_at)s then h.assigned_at end as recent_at,
        coalesce(m.selection_ids, '{}') as selection_ids,
        min(h.assigned_at) as assigned_at,
        count(h.enrolment_id) as members,
        count(h.enrolment_id) filter (
            where h.generation < c.generation or h.next_change_at <= %(at)s
        ) as behind
    from unnest(%(protocol_ids)s::bigint[], %(generations)s::bigint[]) as c (protocol_id, generation)
    join agenda_head h
        on h.organisation_id = %(organisation_id)s
        and h.protocol_id = c.protocol_id
        and h.ended_at is null
    left join (
        select
            s.enrolment_id,
            array_agg(s.selection_id order by s.selection_id) as selection_ids
        from selection_member s
        where s.organisation_id = %(organisation_id)s
            and s.selection_id = any(%(selection_ids)s::bigint[])
        group by s.enrolment_id
    ) as m
        on m.enrolment_id = h.enrolment_id
    where h.individual_until <= h.computed_at
        and (
            h.protocol_id = %(protocol_id)s
            or h.generation < c.generation
            or h.next_change_at <= %(at)s
        )
        and (%(selection_id)s::bigint is null or %(selection_id)s = any(m.selection_ids))
    group by 1, 2, 3, 4, 5
) as g
join cohort k
    on k.organisation_id = %(organisation_id)s
    and k.cohort_id = g.cohort_id;

-- name: list_group_members
-- Which enrolments are in those groups, with what tells the groups apart.
-- Locks: none.
select
    k.zone,
    k.anchor_on,
    h.assigned_protocol_id,
    width_bucket(h.assigned_at, %(boundaries)s::timestamptz[]) as bucket,
    case when h.assigned_at >= %(recent_at)s then h.assigned_at end as recent_at,
    coalesce(m.selection_ids, '{}') as selection_ids,
    h.enrolment_id
from unnest(%(protocol_ids)s::bigint[], %(generations)s::bigint[]) as c (protocol_id, generation)
join agenda_head h
    on h.organisation_id = %(organisation_id)s
    and h.protocol_id = c.protocol_id
join cohort k
    on k.organisation_id = h.organisation_id
    and k.cohort_id = h.cohort_id
left join (
    select
        s.enrolment_id,
        array_agg(s.selection_id order by s.selection_id) as selection_ids
    from selection_member s
    where s.organisation_id = %(organisation_id)s
        and s.selection_id = any(%(selection_ids)s::bigint[])
    group by s.enrolment_id
) as m
    on m.enrolment_id = h.enrolment_id
where h.individual_until <= h.computed_at
    and h.ended_at is null
    and (
        h.protocol_id = %(protocol_id)s
        or h.generation < c.generation
        or h.next_change_at <= %(at)s
    )
    and (%(selection_id)s::bigint is null or %(selection_id)s = any(m.selection_ids));

-- name: list_group_rows
-- For the same groups: how many members' earliest undecided occurrence of each activity is which.
-- Locks: none.
select
    k.zone,
    k.anchor_on,
    g.assigned_protocol_id,
    g.bucket,
    g.recent_at,
    g.selection_ids,
    g.activity_key,
    g.judge_at,
    g.opens_at,
    g.members
from (
    select
        h.cohort_id,
        h.assigned_protocol_id,
        width_bucket(h.assigned_at, %(boundaries)s::timestamptz[]) as bucket,
        case when h.assigned_at >= %(recent_at)s then h.assigned_at end as recent_at,
        coalesce(m.selection_ids, '{}') as selection_ids,
        a.activity_key,
        a.judge_at,
        a.opens_at,
        count(a.enrolment_id) as members
    from unnest(%(protocol_ids)s::bigint[], %(generations)s::bigint[]) as c (protocol_id, generation)
    join agenda_head h
        on h.organisation_id = %(organisation_id)s
        and h.protocol_id = c.protocol_id
        and h.ended_at is null
    join agenda a
        on a.organisation_id = h.organisation_id
        and a.enrolment_id = h.enrolment_id
    left join (
        select
            s.enrolment_id,
            array_agg(s.selection_id order by s.selection_id) as selection_ids
        from selection_member s
        where s.organisation_id = %(organisation_id)s
            and s.selection_id = any(%(selection_ids)s::bigint[])
        group by s.enrolment_id
    ) as m
        on m.enrolment_id = h.enrolment_id
    where h.individual_until <= h.computed_at
        and (
            h.protocol_id = %(protocol_id)s
            or h.generation < c.generation
            or h.next_change_at <= %(at)s
        )
        and a.opens_at <= %(at)s
        and (%(selection_id)s::bigint is null or %(selection_id)s = any(m.selection_ids))
    group by 1, 2, 3, 4, 5, 6, 7, 8
) as g
join cohort k
    on k.organisation_id = %(organisation_id)s
    and k.cohort_id = g.cohort_id;

-- name: list_individuals
-- The enrolments that facts of their own set apart from their cohort, after a number, in order.
-- Locks: none.
select
    h.enrolment_id,
    h.generation < c.generation or coalesce(h.next_change_at <= %(at)s, false) as behind
from unnest(%(protocol_ids)s::bigint[], %(generations)s::bigint[]) as c (protocol_id, generation)
join agenda_head h
    on h.organisation_id = %(organisation_id)s
    and h.protocol_id = c.protocol_id
    and h.ended_at is null
where h.individual_until > h.computed_at
    and h.enrolment_id > %(after_enrolment_id)s
    and (
        h.protocol_id = %(protocol_id)s
        or h.generation < c.generation
        or h.next_change_at <= %(at)s
    )
    and (
        %(selection_id)s::bigint is null
        or exists (
            select 1
            from selection_member s
            where s.organisation_id = h.organisation_id
                and s.selection_id = %(selection_id)s
                and s.enrolment_id = h.enrolment_id
        )
    )
order by h.enrolment_id
limit %(limit)s;

-- name: list_planned
-- The enrolments on other protocols for which an assignment to this one is planned, after a number, in order.
-- Locks: none.
select distinct p.enrolment_id
from assignment p
join agenda_head h
    on h.organisation_id = p.organisation_id
    and h.enrolment_id = p.enrolment_id
    and h.protocol_id <> all(%(protocol_ids)s::bigint[])
where p.organisation_id = %(organisation_id)s
    and p.protocol_id = %(protocol_id)s
    and p.from_at > p.recorded_at
    and p.from_at > %(at)s
    and %(selection_id)s::bigint is null
    and p.enrolment_id > %(after_enrolment_id)s
order by p.enrolment_id
limit %(limit)s;

-- name: list_behind
-- The enrolments on these protocols whose agenda is behind, after a number, in order, with the protocol of their head.
-- Locks: none.
select
    h.enrolment_id,
    h.protocol_id
from unnest(%(protocol_ids)s::bigint[], %(generations)s::bigint[]) as c (protocol_id, generation)
join agenda_head h
    on h.organisation_id = %(organisation_id)s
    and h.protocol_id = c.protocol_id
    and h.ended_at is null
where (h.generation < c.generation or h.next_change_at <= %(at)s)
    and h.enrolment_id > %(after_enrolment_id)s
order by h.enrolment_id
limit %(limit)s;

-- name: count_open_alerts
-- How many enrolments on a protocol have an open alert of these activities, by activity.
-- Locks: none.
select
    a.activity_key,
    count(distinct a.enrolment_id) as enrolments
from alert a
join agenda_head h
    on h.organisation_id = a.organisation_id
    and h.enrolment_id = a.enrolment_id
    and h.protocol_id = any(%(protocol_ids)s::bigint[])
    and h.ended_at is null
where a.organisation_id = %(organisation_id)s
    and a.state = 'open'
    and a.activity_key = any(%(activity_keys)s::text[])
    and (
        %(selection_id)s::bigint is null
        or exists (
            select 1
            from selection_member s
            where s.organisation_id = a.organisation_id
                and s.selection_id = %(selection_id)s
                and s.enrolment_id = a.enrolment_id
        )
    )
group by a.activity_key;

-- name: count_not_in
-- How many members of one selection are not in another.
-- Locks: none.
select count(m.enrolment_id)
from selection_member m
where m.organisation_id = %(organisation_id)s
    and m.selection_id = %(selection_id)s
    and not exists (
        select 1
        from selection_member o
        where o.organisation_id = m.organisation_id
            and o.selection_id = %(other_selection_id)s
            and o.enrolment_id = m.enrolment_id
    );
