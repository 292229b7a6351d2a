-- name: freeze_selection
-- The enrolments on a protocol that meet the conditions are a selection from now on.
-- Locks: the new rows.
with chosen as materialized (
    select h.enrolment_id
    from agenda_head h
    join cohort k
        on k.organisation_id = h.organisation_id
        and k.cohort_id = h.cohort_id
    where h.organisation_id = %(organisation_id)s
        and h.ended_at is null
        and (
            h.protocol_id = %(protocol_id)s and h.enrolment_id <> all(%(left_ids)s::bigint[])
            or h.enrolment_id = any(%(joined_ids)s::bigint[])
        )
        and (%(enrolment_ids)s::bigint[] is null or h.enrolment_id = any(%(enrolment_ids)s::bigint[]))
        and (%(zones)s::text[] is null or k.zone = any(%(zones)s::text[]))
        and (%(anchored_from)s::date is null or k.anchor_on >= %(anchored_from)s)
        and (%(anchored_until)s::date is null or k.anchor_on < %(anchored_until)s)
        and (%(version_numbers)s::integer[] is null or h.version_number = any(%(version_numbers)s::integer[]))
        and (
            %(assigned_protocols)s::bigint[] is null
            or h.assigned_protocol_id = any(%(assigned_protocols)s::bigint[])
        )
        and (
            %(members_of)s::bigint is null
            or exists (
                select 1
                from selection_member m
                where m.organisation_id = h.organisation_id
                    and m.enrolment_id = h.enrolment_id
                    and m.selection_id = %(members_of)s
            )
        )
        and not exists (
            select 1
            from selection_member m
            where m.organisation_id = h.organisation_id
                and m.enrolment_id = h.enrolment_id
                and m.selection_id = any(%(without_selections)s::bigint[])
        )
    order by h.enrolment_id
    limit %(first)s
),
frozen as (
    insert into selection (organisation_id, protocol_id, description, member_count, created_by)
    select
        %(organisation_id)s,
        %(protocol_id)s,
        %(description)s,
        count(chosen.enrolment_id),
        %(actor)s
    from chosen
    returning selection_id, member_count
),
joined as (
    insert into selection_member (organisation_id, selection_id, enrolment_id)
    select
        %(organisation_id)s,
        frozen.selection_id,
        chosen.enrolment_id
    from chosen
    cross join frozen
)
select
    frozen.selection_id,
    frozen.member_count
from frozen;

-- name: list_not_members
-- Which of these enrolments are not in the selection.
-- Locks: none.
select wanted.enrolment_id
from unnest(%(enrolment_ids)s::bigint[]) as wanted (enrolment_id)
where not exists (
    select 1
    from selection_member m
    where m.organisation_id = %(organisation_id)s
        and m.selection_id = %(selection_id)s
        and m.enrolment_id = wanted.enrolment_id
)
order by wanted.enrolment_id;

-- name: list_unknown
-- Which of these numbers are no enrolments.
-- Locks: none.
select wanted.enrolment_id
from unnest(%(enrolment_ids)s::bigint[]) as wanted (enrolment_id)
where not exists (
    select 1
    from enrolment e
    where e.organisation_id = %(organisation_id)s
        and e.enrolment_id = wanted.enrolment_id
)
order by wanted.enrolment_id
limit 10;

-- name: list_members
-- The members of a selection after a number, in order.
-- Locks: none.
select m.enrolment_id
from selection_member m
where m.organisation_id = %(organisation_id)s
    and m.selection_id = %(selection_id)s
    and m.enrolment_id > %(after_enrolment_id)s
order by m.enrolment_id
limit %(limit)s;

-- name: list_combinations
-- In which of some selections enrolments are together: each combination once; of the members of one selection if given.
-- Locks: none.
select distinct combined.selection_ids
from (
    select array_agg(m.selection_id order by m.selection_id) as selection_ids
    from selection_member m
    where m.organisation_id = %(organisation_id)s
        and m.selection_id = any(%(selection_ids)s::bigint[])
    group by m.enrolment_id
) as combined
where %(within)s::bigint is null
    or %(within)s = any(combined.selection_ids);

-- name: list_memberships
-- Which of some selections hold which enrolments.
-- Locks: none.
select
    m.enrolment_id,
    array_agg(m.selection_id) as selection_ids
from selection_member m
where m.organisation_id = %(organisation_id)s
    and m.enrolment_id = any(%(enrolment_ids)s)
    and m.selection_id = any(%(selection_ids)s)
group by m.enrolment_id;
