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
select distinct
    p.enrolment_id,
    p.activity_key,
    p.field
from switch s
join personal_change p
    on p.organisation_id = s.organisation_id
    and p.recorded_at >= s.previewed_at - interval '1 hour'
    and not pg_visible_in_snapshot(p.written_xid, s.seen_snapshot)
    and not p.cleared
where s.organisation_id = %(organisation_id)s
    and s.switch_id = %(switch_id)s
order by
    p.enrolment_id,
    p.activity_key,
    p.field
limit %(limit)s;
