-- name: insert_program
-- The program exists; returns nothing where the key is taken.
-- Locks: the new row.
insert into program (
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
returning program_id;

-- name: list_programs
-- The programs of the organisation, or one of them, by key.
-- Locks: none.
select
    p.program_id,
    p.key,
    p.title
from program p
where p.organisation_id = %(organisation_id)s
    and (%(program_id)s::bigint is null or p.program_id = %(program_id)s)
order by p.key;
