-- name: list_organisations
-- Every organisation, by number.
-- Locks: none.
select o.organisation_id
from organisation o
order by o.organisation_id;

-- name: list_recalculating
-- Organisations with a recalculation that is in force and has not ended.
-- Locks: none.
select distinct p.organisation_id
from operation p
where p.ended_at is null
    and p.kind = 'recalculation'
    and p.starts_at <= lockstep_now()
order by p.organisation_id;

-- name: list_changing
-- Organisations with enrolments whose known next change has come.
-- Locks: none.
select o.organisation_id
from organisation o
where exists (
        select 1
        from agenda_head h
        where h.organisation_id = o.organisation_id
            and h.next_change_at <= lockstep_now()
    )
order by o.organisation_id;

-- name: list_due
-- Organisations with occurrences whose instant of judging has come.
-- Locks: none.
select o.organisation_id
from organisation o
where exists (
        select 1
        from agenda a
        where a.organisation_id = o.organisation_id
            and a.judge_at <= lockstep_now()
    )
order by o.organisation_id;

-- name: list_unsealed
-- Organisations with audit entries that no seal covers; seals follow the order of the entries' numbers.
-- Locks: none.
select o.organisation_id
from organisation o
where coalesce((
        select max(e.audit_entry_id)
        from audit_entry e
        where e.organisation_id = o.organisation_id
    ), 0) > coalesce((
        select max(s.audit_entry_id)
        from audit_seal s
        where s.organisation_id = o.organisation_id
    ), 0)
order by o.organisation_id;

-- name: list_set_aside
-- Organisations with enrolments set aside whose next try has come.
-- Locks: none.
select distinct x.organisation_id
from recalculation_exception x
where x.next_try_at <= lockstep_now()
order by x.organisation_id;

-- name: is_close_near
-- Whether an occurrence of the organisation is judged within the next seconds.
-- Locks: none.
select exists (
    select 1
    from agenda a
    where a.organisation_id = %(organisation_id)s
        and a.judge_at > lockstep_now()
        and a.judge_at <= lockstep_now() + make_interval(secs => %(seconds)s)
);

-- name: is_ingesting
-- Whether measurements of any organisation came in during the last seconds.
-- Locks: none.
select exists (
    select 1
    from ingestion_heartbeat b
    where b.seen_at > lockstep_now() - make_interval(secs => %(seconds)s)
);

-- name: ensure_partitions
-- The partitions of the coming three months exist; says how many were made.
-- Locks: the default partitions for a moment, when one is made.
select ensure_partitions((lockstep_now() + interval '3 months')::date);
