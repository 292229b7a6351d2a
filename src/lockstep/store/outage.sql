-- name: last_sign_of_life
-- When ingestion of the organisation was last seen alive, whatever the source.
-- Locks: none.
select max(h.seen_at)
from ingestion_heartbeat h
where h.organisation_id = %(organisation_id)s;

-- name: lock_outages
-- One at a time finds the outages of an organisation: two signs of life after a gap must not find it twice.
-- Locks: an advisory lock of the organisation, until the end of the transaction.
select pg_advisory_xact_lock(hashtextextended('lockstep outage', %(organisation_id)s));

-- name: save_heartbeat
-- Ingestion was seen alive.
-- Locks: the row of the source.
insert into ingestion_heartbeat (
    organisation_id,
    source,
    seen_at
)
values (
    %(organisation_id)s,
    %(source)s,
    %(seen_at)s
)
on conflict (organisation_id, source) do update
set seen_at = greatest(ingestion_heartbeat.seen_at, excluded.seen_at);

-- name: insert_outage
-- Measurements could not come in during this span.
-- Locks: the new row; the organisation's outages are held already.
insert into outage (
    organisation_id,
    number,
    from_at,
    until_at
)
select
    %(organisation_id)s,
    coalesce(max(o.number), 0) + 1,
    %(from_at)s,
    %(until_at)s
from outage o
where o.organisation_id = %(organisation_id)s;
