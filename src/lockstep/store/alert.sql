-- name: raise_alerts
-- Each alert is open: a new one, or the open one of the same rule and activity with more occurrences, as severe as the
-- severest of both and with that one's version.
-- Locks: alert rows in key order, under the heads.
insert into alert (
    organisation_id,
    enrolment_id,
    activity_key,
    rule_key,
    kind,
    severity,
    protocol_id,
    version_number,
    about_at,
    late,
    raised_at,
    updated_at,
    occurrences
)
select
    %(organisation_id)s,
    a.enrolment_id,
    a.activity_key,
    a.rule_key,
    a.kind,
    a.severity,
    a.protocol_id,
    a.version_number,
    a.about_at,
    a.late,
    %(raised_at)s,
    %(raised_at)s,
    a.occurrences
from unnest(
    %(enrolment_ids)s::bigint[],
    %(activity_keys)s::text[],
    %(rule_keys)s::text[],
    %(kinds)s::text[],
    %(severities)s::text[],
    %(protocol_ids)s::bigint[],
    %(version_numbers)s::integer[],
    %(about_ats)s::timestamptz[],
    %(lates)s::boolean[],
    %(occurrences)s::integer[]
) as a (
    enrolment_id, activity_key, rule_key, kind, severity, protocol_id, version_number, about_at, late, occurrences
)
order by a.enrolment_id, a.activity_key, a.rule_key, a.kind
on conflict (organisation_id, enrolment_id, activity_key, rule_key, kind) where state = 'open' do update
set occurrences = alert.occurrences + excluded.occurrences,
    severity = case
        when lockstep_severity(excluded.severity) > lockstep_severity(alert.severity) then excluded.severity
        else alert.severity
    end,
    protocol_id = case
        when lockstep_severity(excluded.severity) > lockstep_severity(alert.severity) then excluded.protocol_id
        else alert.protocol_id
    end,
    version_number = case
        when lockstep_severity(excluded.severity) > lockstep_severity(alert.severity) then excluded.version_number
        else alert.version_number
    end,
    about_at = greatest(alert.about_at, excluded.about_at),
    late = alert.late and excluded.late,
    updated_at = excluded.updated_at
returning alert_id, enrolment_id, activity_key, rule_key, kind;

-- name: save_samples
-- The alerts list these measurements or missed occurrences, each with the version and severity by which it was judged.
-- Locks: the new rows.
insert into alert_sample (
    organisation_id, alert_id, at, on_date, slot, measurement_id, severity, protocol_id, version_number, recorded_at
)
select
    %(organisation_id)s,
    s.alert_id,
    s.at,
    s.on_date,
    s.slot,
    s.measurement_id,
    s.severity,
    s.protocol_id,
    s.version_number,
    %(recorded_at)s
from unnest(
    %(alert_ids)s::bigint[],
    %(ats)s::timestamptz[],
    %(on_dates)s::date[],
    %(slots)s::text[],
    %(measurement_ids)s::bigint[],
    %(severities)s::text[],
    %(protocol_ids)s::bigint[],
    %(version_numbers)s::integer[]
) as s (alert_id, at, on_date, slot, measurement_id, severity, protocol_id, version_number);

-- name: lower_missed
-- The open alerts of missed occurrences that list these ones count them no more; with the versions that judged any of
-- theirs.
-- Locks: alert rows, under the heads.
with lowered as (
    select
        a.alert_id,
        count(*) as occurrences
    from unnest(%(enrolment_ids)s::bigint[], %(activity_keys)s::text[], %(on_dates)s::date[], %(slots)s::text[])
        as g (enrolment_id, activity_key, on_date, slot)
    join alert a
        on a.organisation_id = %(organisation_id)s
        and a.enrolment_id = g.enrolment_id
        and a.activity_key = g.activity_key
        and a.kind = 'missed'
        and a.state = 'open'
    join alert_sample s
        on s.organisation_id = a.organisation_id
        and s.alert_id = a.alert_id
        and s.on_date = g.on_date
        and s.slot = g.slot
    group by a.alert_id
)
update alert a
set occurrences = a.occurrences - l.occurrences,
    updated_at = %(updated_at)s
from lowered l
where a.organisation_id = %(organisation_id)s
    and a.alert_id = l.alert_id
returning
    a.alert_id,
    a.enrolment_id,
    a.activity_key,
    a.rule_key,
    a.occurrences,
    (
        select array_agg(distinct array[s.protocol_id, s.version_number])
        from alert_sample s
        where s.organisation_id = a.organisation_id
            and s.alert_id = a.alert_id
    ) as judged_by;

-- name: count_missed
-- The open alert counts so many of the missed occurrences that it lists.
-- Locks: its row, under the head.
update alert a
set occurrences = %(occurrences)s,
    updated_at = %(updated_at)s
where a.organisation_id = %(organisation_id)s
    and a.alert_id = %(alert_id)s
    and a.state = 'open'
    and a.occurrences <> %(occurrences)s;

-- name: resolve_alerts
-- The alerts are resolved, for a reason in words.
-- Locks: alert rows, under the heads.
update alert a
set state = 'resolved',
    resolution = %(resolution)s,
    updated_at = %(updated_at)s
where a.organisation_id = %(organisation_id)s
    and a.alert_id = any(%(alert_ids)s)
    and a.state = 'open';

-- name: find_removal
-- What an operation's switch says about the alerts of activities it removes; no row where they stay open.
-- Locks: none.
select
    a.protocol_id,
    a.number,
    coalesce(a.target_protocol_id, a.protocol_id),
    a.version_number,
    a.selection_id
from switch_acceptance a
where a.organisation_id = %(organisation_id)s
    and a.operation_id = %(operation_id)s
    and a.close_alerts_of_removed;

-- name: list_perhaps_removed
-- Open alerts of activities that a switch may have removed, for those whom it has reached, in order of number.
-- Locks: none.
select
    a.alert_id,
    a.enrolment_id,
    a.activity_key
from alert a
join agenda_head h
    on h.organisation_id = a.organisation_id
    and h.enrolment_id = a.enrolment_id
    and h.protocol_id = %(target_protocol_id)s
    and h.ended_at is null
where a.organisation_id = %(organisation_id)s
    and a.alert_id > %(after_alert_id)s
    and a.state = 'open'
    and a.protocol_id = %(protocol_id)s
    and a.activity_key = any(%(activity_keys)s)
    and (
        %(selection_id)s::bigint is null
        or exists (
            select 1
            from selection_member m
            where m.organisation_id = a.organisation_id
                and m.selection_id = %(selection_id)s
                and m.enrolment_id = a.enrolment_id
        )
    )
order by a.alert_id
limit %(most)s;

-- name: resolve_unlocked
-- The open ones among the alerts that nobody holds are resolved, for a reason in words.
-- Locks: the alerts, skipping locked ones.
with chosen as (
    select a.alert_id
    from alert a
    where a.organisation_id = %(organisation_id)s
        and a.alert_id = any(%(alert_ids)s)
        and a.state = 'open'
    order by a.alert_id
    for no key update skip locked
)
update alert a
set state = 'resolved',
    resolution = %(resolution)s,
    updated_at = %(updated_at)s
from chosen c
where a.organisation_id = %(organisation_id)s
    and a.alert_id = c.alert_id
returning a.alert_id;
