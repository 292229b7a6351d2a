-- name: draw_organisation_id
-- A number for a new organisation: the transaction that makes it must carry it already.
-- Locks: none.
select nextval('organisation_organisation_id_seq');

-- name: insert_organisation
-- The organisation exists; returns nothing where the key is taken.
-- Locks: the new row.
insert into organisation (
    organisation_id,
    key,
    title
)
values (
    %(organisation_id)s,
    %(key)s,
    %(title)s
)
on conflict do nothing
returning organisation_id;

-- name: get_organisation
-- The organisation of this transaction.
-- Locks: none.
select
    o.organisation_id,
    o.key,
    o.title
from organisation o
where o.organisation_id = %(organisation_id)s;
