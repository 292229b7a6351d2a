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
-- The protocols of the organisation, of a program, or one of them, by program and key, with the version in force for
-- everyone everywhere, and in words those scheduled, or for a selection, since.
-- Locks: none.
select
    p.protocol_id,
    p.program_id,
    p.key,
    p.title,
    (
        select a.version_number
        from switch_acceptance a
        where a.organisation_id = p.organisation_id
            and a.protocol_id = p.protocol_id
            and a.kind = 'publish'
            and a.selection_id is null
            and a.last_at <= lockstep_now()
            and not exists (
                select 1
                from switch_withdrawal w
                where w.organisation_id = a.organisation_id
                    and w.switch_id = a.switch_id
            )
        order by a.number desc
        limit 1
    ) as version_number,
    (
        select string_agg(
            'version ' || a.version_number || case when a.last_at > lockstep_now() then ' scheduled' else '' end
                || case when a.selection_id is null then '' else ' for selection ' || a.selection_id end,
            ', ' order by a.number
        )
        from switch_acceptance a
        where a.organisation_id = p.organisation_id
            and a.protocol_id = p.protocol_id
            and a.kind = 'publish'
            and (a.last_at > lockstep_now() or a.selection_id is not null)
            and a.number > coalesce((
                select max(e.number)
                from switch_acceptance e
                where e.organisation_id = a.organisation_id
                    and e.protocol_id = a.protocol_id
                    and e.kind = 'publish'
                    and e.selection_id is null
                    and e.last_at <= lockstep_now()
                    and not exists (
                        select 1
                        from switch_withdrawal w
                        where w.organisation_id = e.organisation_id
                            and w.switch_id = e.switch_id
                    )
            ), 0)
            and not exists (
                select 1
                from switch_withdrawal w
                where w.organisation_id = a.organisation_id
                    and w.switch_id = a.switch_id
            )
    ) as besides
from protocol p
where p.organisation_id = %(organisation_id)s
    and (%(program_id)s::bigint is null or p.program_id = %(program_id)s)
    and (%(protocol_ids)s::bigint[] is null or p.protocol_id = any(%(protocol_ids)s))
order by p.program_id, p.key;
