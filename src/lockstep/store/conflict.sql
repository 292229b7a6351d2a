-- Personal changes that a switch may meet although its preview did not show them.

-- name: hold_controls
-- The control rows of protocols, held with others until the transaction ends: no switch of theirs is decided meanwhile.
-- Locks: those rows of protocol_control, for share, in key order.
select c.protocol_id
from protocol_control c
where c.organisation_id = %(organisation_id)s
    and c.protocol_id = any(%(protocol_ids)s::bigint[])
order by c.protocol_id
for share of c;

-- name: list_changed_since
-- The values changed for single patients that the preview of a switch could not see, however late their transactions ended.
-- Previews expire, so only the changes of about the time since are looked at.
-- Locks: none.
-- The lately made are found first, by their instant; in the order of the answer all there ever were would be walked through.
with made as materialized (
    select
        p.enrolment_id,
        p.activity_key,
        p.field,
        p.written_xid
    from personal_change p
    where p.organisation_id = %(organisation_id)s
        and p.recorded_at >= (
            select s.previewed_at - interval '1 hour'
            from switch s
            where s.organisation_id = %(organisation_id)s
                and s.switch_id = %(switch_id)s
        )
        and not p.cleared
)
select distinct
    m.enrolment_id,
    m.activity_key,
    m.field
from made m
where not pg_visible_in_snapshot(m.written_xid, (
        select s.seen_snapshot
        from switch s
        where s.organisation_id = %(organisation_id)s
            and s.switch_id = %(switch_id)s
    ))
order by
    m.enrolment_id,
    m.activity_key,
    m.field
limit %(limit)s;
