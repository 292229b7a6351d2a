-- name: start_check
-- A check exists, to walk through a part of the enrolments of its scope.
-- Locks: the new row.
insert into check_run (
    organisation_id,
    scope,
    scope_id,
    operation_id,
    verifies_operation_id,
    after_enrolment_id,
    until_enrolment_id,
    cursor_enrolment_id,
    since_at,
    started_at
)
values (
    %(organisation_id)s,
    %(scope)s,
    %(scope_id)s,
    %(operation_id)s,
    %(verifies_operation_id)s,
    %(after_enrolment_id)s,
    %(until_enrolment_id)s,
    %(after_enrolment_id)s,
    %(since_at)s,
    %(started_at)s
)
returning check_id;

-- name: find_check
-- A check as it stands.
-- Locks: none.
select
    c.check_id,
    c.scope,
    c.scope_id,
    c.operation_id,
    c.after_enrolment_id,
    c.until_enrolment_id,
    c.cursor_enrolment_id,
    c.checked,
    c.drifted,
    c.pending,
    c.digest,
    c.since_at,
    c.judged_until_at,
    c.walked,
    c.started_at,
    c.ended_at
from check_run c
where c.organisation_id = %(organisation_id)s
    and c.check_id = %(check_id)s;

-- name: find_verifying
-- The check for which a recalculation waits.
-- Locks: none.
select c.check_id
from check_run c
where c.organisation_id = %(organisation_id)s
    and c.verifies_operation_id = %(operation_id)s;

-- name: list_checks
-- The latest checks, the newest first.
-- Locks: none.
select
    c.check_id,
    c.scope,
    c.scope_id,
    c.operation_id,
    c.after_enrolment_id,
    c.until_enrolment_id,
    c.cursor_enrolment_id,
    c.checked,
    c.drifted,
    c.pending,
    c.digest,
    c.since_at,
    c.judged_until_at,
    c.walked,
    c.started_at,
    c.ended_at
from check_run c
where c.organisation_id = %(organisation_id)s
order by c.check_id desc
limit %(most)s;

-- name: find_continuous_check
-- The unfinished check that walks through the whole organisation day by day, if there is one.
-- Locks: none.
select c.check_id
from check_run c
join operation o
    on o.organisation_id = c.organisation_id
    and o.operation_id = c.operation_id
where c.organisation_id = %(organisation_id)s
    and c.ended_at is null
    and c.scope = 'organisation'
    and o.started_by = %(started_by)s
order by c.check_id
limit 1;

-- name: count_scope
-- How many enrolments an organisation has.
-- Locks: none.
select count(*)
from enrolment e
where e.organisation_id = %(organisation_id)s;

-- name: list_scope
-- The next enrolments of a scope after a number, in order.
-- Locks: none.
select e.enrolment_id
from enrolment e
where e.organisation_id = %(organisation_id)s
    and e.enrolment_id > %(cursor_enrolment_id)s
    and e.enrolment_id <= %(until_enrolment_id)s
    and case %(scope)s
        when 'organisation' then true
        when 'enrolment' then e.enrolment_id = %(scope_id)s
        when 'program' then e.program_id = %(scope_id)s
        when 'selection' then exists (
            select 1
            from selection_member m
            where m.organisation_id = e.organisation_id
                and m.selection_id = %(scope_id)s
                and m.enrolment_id = e.enrolment_id
        )
        when 'protocol' then exists (
            select 1
            from agenda_head h
            where h.organisation_id = e.organisation_id
                and h.enrolment_id = e.enrolment_id
                and h.protocol_id = %(scope_id)s
        ) or exists (
            select 1
            from assignment a
            where a.organisation_id = e.organisation_id
                and a.enrolment_id = e.enrolment_id
                and a.protocol_id = %(scope_id)s
        )
    end
order by e.enrolment_id
limit %(size)s;

-- name: advance_check
-- The check went on from where it stood: somebody who did the same slice meanwhile finds it elsewhere.
-- Locks: the check's row.
update check_run c
set cursor_enrolment_id = %(cursor_enrolment_id)s,
    checked = c.checked + %(checked)s,
    drifted = c.drifted + %(drifted)s,
    pending = c.pending + %(pending)s,
    digest = %(digest)s,
    judged_until_at = least(c.judged_until_at, %(judged_until_at)s),
    moved_at = lockstep_now(),
    walked = %(walked)s
where c.organisation_id = %(organisation_id)s
    and c.check_id = %(check_id)s
    and c.cursor_enrolment_id = %(before_enrolment_id)s
    and not c.walked
    and c.ended_at is null;

-- name: add_drifts
-- Drifts are kept as evidence.
-- Locks: the new rows.
insert into drift (organisation_id, check_id, enrolment_id, activity_key, kind, expected, found, found_at)
select
    %(organisation_id)s,
    %(check_id)s,
    d.enrolment_id,
    d.activity_key,
    d.kind,
    d.expected::jsonb,
    d.found::jsonb,
    %(found_at)s
from unnest(
    %(enrolment_ids)s::bigint[],
    %(activity_keys)s::text[],
    %(kinds)s::text[],
    %(expecteds)s::text[],
    %(founds)s::text[]
) as d (enrolment_id, activity_key, kind, expected, found);

-- name: end_check
-- The check has ended.
-- Locks: the check's row.
update check_run c
set ended_at = %(ended_at)s
where c.organisation_id = %(organisation_id)s
    and c.check_id = %(check_id)s
    and c.walked
    and c.ended_at is null;

-- name: add_certificate
-- What the check found is certified.
-- Locks: the new row.
insert into certificate (
    organisation_id,
    check_id,
    scope,
    scope_id,
    checked,
    drifted,
    pending,
    judged_until_at,
    engine_version,
    zone_data_version,
    hash,
    issued_at
)
values (
    %(organisation_id)s,
    %(check_id)s,
    %(scope)s,
    %(scope_id)s,
    %(checked)s,
    %(drifted)s,
    %(pending)s,
    %(judged_until_at)s,
    %(engine_version)s,
    %(zone_data_version)s,
    %(hash)s,
    %(issued_at)s
)
returning certificate_id;

-- name: list_certificates
-- The certificates of a scope (null: of any) issued since an instant, the newest first; without those of parts if asked.
-- Locks: none.
select
    c.certificate_id,
    c.check_id,
    c.scope,
    c.scope_id,
    c.checked,
    c.drifted,
    c.pending,
    c.judged_until_at,
    c.engine_version,
    c.zone_data_version,
    c.hash,
    c.issued_at
from certificate c
where c.organisation_id = %(organisation_id)s
    and (%(scope)s::text is null or (c.scope = %(scope)s and c.scope_id is not distinct from %(scope_id)s::bigint))
    and (%(check_id)s::bigint is null or c.check_id = %(check_id)s)
    and (%(since_at)s::timestamptz is null or c.issued_at >= %(since_at)s)
    and (
        not %(whole)s
        or exists (
            select 1
            from check_run r
            where r.organisation_id = c.organisation_id
                and r.check_id = c.check_id
                and r.after_enrolment_id = 0
                and r.until_enrolment_id = %(last_id)s
        )
    )
order by c.certificate_id desc
limit %(most)s;

-- name: list_drifts
-- The drifts of a check, in order; only those not repaired yet if asked.
-- Locks: none.
select
    d.drift_id,
    d.enrolment_id,
    d.activity_key,
    d.kind,
    d.expected,
    d.found,
    d.found_at,
    d.repaired_at
from drift d
where d.organisation_id = %(organisation_id)s
    and d.check_id = %(check_id)s
    and (not %(unrepaired)s or d.repaired_at is null)
order by d.drift_id
limit %(most)s;

-- name: note_repaired
-- The drifts of enrolments found by a check are repaired; returns how many were not before.
-- Locks: the drift rows.
update drift d
set repaired_at = %(repaired_at)s
where d.organisation_id = %(organisation_id)s
    and d.check_id = %(check_id)s
    and d.enrolment_id = any(%(enrolment_ids)s::bigint[])
    and d.repaired_at is null;
