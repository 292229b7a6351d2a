-- name: insert_entry
-- Writes down a decision, in the transaction of the decision.
-- Locks: the new row; the table in row exclusive mode until the transaction ends (sealing waits for that).
insert into audit_entry (
    organisation_id,
    actor,
    action,
    subject,
    detail
)
values (
    %(organisation_id)s,
    %(actor)s,
    %(action)s,
    %(subject)s,
    %(detail)s::jsonb
);

-- name: get_newest
-- The number of the newest entry that can be seen, and of the newest sealed one.
-- Locks: none.
select
    (
        select max(e.audit_entry_id)
        from audit_entry e
        where e.organisation_id = %(organisation_id)s
    ) as newest_entry,
    (
        select max(s.audit_entry_id)
        from audit_seal s
        where s.organisation_id = %(organisation_id)s
    ) as newest_sealed;

-- name: list_writers
-- The transactions that may have drawn a number of an entry and not yet ended, as far back as one can still run.
-- Locks: none.
select distinct l.virtualtransaction
from pg_locks l
where l.locktype = 'relation'
    and l.database = (
        select d.oid
        from pg_database d
        where d.datname = current_database()
    )
    and l.relation = 'audit_entry'::regclass
    and l.mode = 'RowExclusiveLock'
    and l.granted;

-- name: claim_chain
-- Whether this transaction, and no other until it ends, seals the organisation's entries.
-- Locks: an advisory lock of the transaction, at once or not at all.
select pg_try_advisory_xact_lock(hashtextextended('seal audit ' || %(organisation_id)s::bigint, 0));

-- name: get_last_seal
-- The end of the chain.
-- Locks: none.
select
    s.position,
    s.audit_entry_id,
    s.entry_hash,
    s.chain_hash,
    extract(epoch from s.sealed_at)::text
from audit_seal s
where s.organisation_id = %(organisation_id)s
order by s.position desc
limit 1;

-- name: list_entries_to_seal
-- The entries after a number up to another, in order of their numbers.
-- Locks: none.
select
    e.audit_entry_id,
    extract(epoch from e.at)::text,
    e.actor,
    e.action,
    e.subject,
    e.detail::text
from audit_entry e
where e.organisation_id = %(organisation_id)s
    and e.audit_entry_id > %(after)s
    and e.audit_entry_id <= %(until)s
order by e.audit_entry_id
limit %(size)s;

-- name: insert_seals
-- Lengthens the chain.
-- Locks: the new rows.
insert into audit_seal (
    organisation_id,
    position,
    audit_entry_id,
    entry_hash,
    chain_hash,
    sealed_at
)
select
    %(organisation_id)s,
    s.position,
    s.audit_entry_id,
    s.entry_hash,
    s.chain_hash,
    %(sealed_at)s
from unnest(
    %(positions)s::bigint[],
    %(audit_entry_ids)s::bigint[],
    %(entry_hashes)s::text[],
    %(chain_hashes)s::text[]
) as s (position, audit_entry_id, entry_hash, chain_hash);

-- name: list_links
-- The whole chain with its entries, by position, then the entries without a seal by number.
-- Locks: none.
select
    s.position,
    s.audit_entry_id,
    s.entry_hash,
    s.chain_hash,
    s.sealed_at,
    e.audit_entry_id,
    e.at,
    e.actor,
    e.action,
    e.subject,
    e.detail
from (
    select
        a.audit_entry_id,
        extract(epoch from a.at)::text as at,
        a.actor,
        a.action,
        a.subject,
        a.detail::text as detail
    from audit_entry a
    where a.organisation_id = %(organisation_id)s
) e
full join (
    select
        b.position,
        b.audit_entry_id,
        b.entry_hash,
        b.chain_hash,
        extract(epoch from b.sealed_at)::text as sealed_at
    from audit_seal b
    where b.organisation_id = %(organisation_id)s
) s
    on s.audit_entry_id = e.audit_entry_id
order by s.position, e.audit_entry_id;

-- name: list_chains
-- The organisations that have a chain, with its length.
-- Locks: none.
select
    o.organisation_id,
    c.position
from organisation o
cross join lateral (
    select max(s.position) as position
    from audit_seal s
    where s.organisation_id = o.organisation_id
) c
where c.position is not null
order by o.organisation_id;
