-- name: enrolment
-- Whose rows of enrolment this transaction can see: some of them, by organisation.
-- Locks: none.
select
    s.organisation_id,
    count(*)
from (
    (
        select t.organisation_id
        from enrolment t
        order by t.organisation_id
        limit 50
    )
    union all
    (
        select t.organisation_id
        from enrolment t
        order by t.organisation_id desc
        limit 50
    )
) s
group by s.organisation_id;

-- name: patient
-- Whose rows of patient this transaction can see: some of them, by organisation.
-- Locks: none.
select
    s.organisation_id,
    count(*)
from (
    (
        select t.organisation_id
        from patient t
        order by t.organisation_id
        limit 50
    )
    union all
    (
        select t.organisation_id
        from patient t
        order by t.organisation_id desc
        limit 50
    )
) s
group by s.organisation_id;

-- name: agenda_head
-- Whose rows of agenda_head this transaction can see: some of them, by organisation.
-- Locks: none.
select
    s.organisation_id,
    count(*)
from (
    (
        select t.organisation_id
        from agenda_head t
        order by t.organisation_id
        limit 50
    )
    union all
    (
        select t.organisation_id
        from agenda_head t
        order by t.organisation_id desc
        limit 50
    )
) s
group by s.organisation_id;

-- name: measurement
-- Whose rows of measurement this transaction can see: some of them, by organisation.
-- Locks: none.
select
    s.organisation_id,
    count(*)
from (
    (
        select t.organisation_id
        from measurement t
        order by t.organisation_id
        limit 50
    )
    union all
    (
        select t.organisation_id
        from measurement t
        order by t.organisation_id desc
        limit 50
    )
) s
group by s.organisation_id;

-- name: alert
-- Whose rows of alert this transaction can see: some of them, by organisation.
-- Locks: none.
select
    s.organisation_id,
    count(*)
from (
    (
        select t.organisation_id
        from alert t
        order by t.organisation_id
        limit 50
    )
    union all
    (
        select t.organisation_id
        from alert t
        order by t.organisation_id desc
        limit 50
    )
) s
group by s.organisation_id;

-- name: switch_acceptance
-- Whose rows of switch_acceptance this transaction can see: some of them, by organisation.
-- Locks: none.
select
    s.organisation_id,
    count(*)
from (
    (
        select t.organisation_id
        from switch_acceptance t
        order by t.organisation_id
        limit 50
    )
    union all
    (
        select t.organisation_id
        from switch_acceptance t
        order by t.organisation_id desc
        limit 50
    )
) s
group by s.organisation_id;

-- name: operation
-- Whose rows of operation this transaction can see: some of them, by organisation.
-- Locks: none.
select
    s.organisation_id,
    count(*)
from (
    (
        select t.organisation_id
        from operation t
        order by t.organisation_id
        limit 50
    )
    union all
    (
        select t.organisation_id
        from operation t
        order by t.organisation_id desc
        limit 50
    )
) s
group by s.organisation_id;

-- name: occurrence
-- Whose rows of occurrence this transaction can see: some of them, by organisation.
-- Locks: none.
select
    s.organisation_id,
    count(*)
from (
    (
        select t.organisation_id
        from occurrence t
        order by t.organisation_id
        limit 50
    )
    union all
    (
        select t.organisation_id
        from occurrence t
        order by t.organisation_id desc
        limit 50
    )
) s
group by s.organisation_id;

-- name: audit_entry
-- Whose rows of audit_entry this transaction can see: some of them, by organisation.
-- Locks: none.
select
    s.organisation_id,
    count(*)
from (
    (
        select t.organisation_id
        from audit_entry t
        order by t.organisation_id
        limit 50
    )
    union all
    (
        select t.organisation_id
        from audit_entry t
        order by t.organisation_id desc
        limit 50
    )
) s
group by s.organisation_id;

-- name: protocol
-- Whose rows of protocol this transaction can see: some of them, by organisation.
-- Locks: none.
select
    s.organisation_id,
    count(*)
from (
    (
        select t.organisation_id
        from protocol t
        order by t.organisation_id
        limit 50
    )
    union all
    (
        select t.organisation_id
        from protocol t
        order by t.organisation_id desc
        limit 50
    )
) s
group by s.organisation_id;
