-- name: insert_personal_change
-- A value of the protocol is changed for one patient, or given back to the protocol, from an instant on.
-- Locks: the new row; the head is held already.
insert into personal_change (
    organisation_id,
    enrolment_id,
    number,
    activity_key,
    field,
    value,
    replaced,
    cleared,
    reason,
    from_at,
    recorded_by
)
values (
    %(organisation_id)s,
    %(enrolment_id)s,
    %(number)s,
    %(activity_key)s,
    %(field)s,
    %(value)s::jsonb,
    %(replaced)s::jsonb,
    %(cleared)s,
    %(reason)s,
    %(from_at)s,
    %(actor)s
);
