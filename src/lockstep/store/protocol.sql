-- name: insert_protocol
-- The protocol exists; returns nothing where the key is taken in the program.
-- Locks: the new row.
insert into protocol (
    organisation_id,
    program_id,
    key,
    title
)
values (
    %(organisation_id)s,
    %(program_id)s,
    %(key)s,
    %(title)s
)
on conflict (organisation_id, program_id, key) do nothing
returning protocol_id;

-- name: insert_control
-- The protocol has the one row that acceptance locks.
-- Locks: the new row.
insert into protocol_control (
    organisation_id,
    protocol_id
)
values (
    %(organisation_id)s,
    %(protocol_id)s
);

-- name: list_protocols
-- The protocols of the organisation, of a program, or one of them, by program and key.
-- Locks: none.
select
    p.protocol_id,
    p.program_id,
    p.key,
    p.title,
    c.last_version_number
from protocol p
join protocol_control c
    on c.organisation_id = p.organisation_id
    and c.protocol_id = p.protocol_id
where p.organisation_id = %(organisation_id)s
    and (%(program_id)s::bigint is null or p.program_id = %(program_id)s)
    and (%(protocol_ids)s::bigint[] is null or p.protocol_id = any(%(protocol_ids)s))
order by p.program_id, p.key;
