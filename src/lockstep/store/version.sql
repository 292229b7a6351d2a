-- name: list_versions
-- The versions of a protocol, the newest first, without their content.
-- Locks: none.
select
    v.number,
    v.published_by,
    v.published_at,
    v.content_hash
from version v
where v.organisation_id = %(organisation_id)s
    and v.protocol_id = %(protocol_id)s
order by v.number desc;

-- name: get_version
-- One version with its content; without a number the newest.
-- Locks: none.
select
    v.number,
    v.published_by,
    v.published_at,
    v.content_hash,
    v.content
from version v
where v.organisation_id = %(organisation_id)s
    and v.protocol_id = %(protocol_id)s
    and (%(number)s::integer is null or v.number = %(number)s)
order by v.number desc
limit 1;
