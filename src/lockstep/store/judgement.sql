-- Look-ups by key are written as lateral subqueries with a limit where the table may hardly have statistics yet (a new
-- month's partition, the first alerts): the planner took such a table for empty and read all of it for every row.

-- name: find_running
-- The oldest transaction of this database that still runs, and a number above whatever runs or has ended. A snapshot
-- alone would not do: its own upper end is only above what has ended.
-- Locks: none.
select
    coalesce(min(r.number), e.number) as oldest_running,
    greatest(max(r.number) + 1, e.number) as next_to_run
from (select pg_snapshot_xmax(pg_current_snapshot())::text::bigint as number) e
left join running_transaction r on true
group by e.number;

-- name: list_horizons
-- Organisations with occurrences due, each with the instant until which they may be judged: ingestion was seen alive after it.
-- Locks: none.
select
    b.organisation_id,
    b.horizon_at
from (
    select
        h.organisation_id,
        least(%(passed_at)s, max(h.seen_at) - interval '1 microsecond') as horizon_at
    from ingestion_heartbeat h
    group by h.organisation_id
) b
where exists (
        select 1
        from agenda a
        where a.organisation_id = b.organisation_id
            and a.judge_at <= b.horizon_at
    )
order by b.organisation_id;

-- name: claim_due_heads
-- Heads of enrolments with rows due, the longest waiting first, held; those that others hold or that stand aside are left out.
-- Locks: agenda_head rows, for no key update, skipping locked ones.
select
    h.enrolment_id,
    h.protocol_id,
    h.generation,
    h.cohort_id,
    h.individual_until,
    h.next_change_at
from agenda a
join agenda_head h
    on h.organisation_id = a.organisation_id
    and h.enrolment_id = a.enrolment_id
where a.organisation_id = %(organisation_id)s
    and a.judge_at <= %(horizon_at)s
    and not exists (
        select 1
        from recalculation_exception x
        where x.organisation_id = a.organisation_id
            and x.enrolment_id = a.enrolment_id
    )
order by a.judge_at
limit %(size)s
for no key update of h skip locked;

-- name: claim_heads
-- The heads of these enrolments, held; those that others hold are left out.
-- Locks: agenda_head rows in key order, for no key update, skipping locked ones.
select
    h.enrolment_id,
    h.protocol_id,
    h.generation,
    h.cohort_id,
    h.individual_until,
    h.next_change_at
from agenda_head h
where h.organisation_id = %(organisation_id)s
    and h.enrolment_id = any(%(enrolment_ids)s::bigint[])
order by h.enrolment_id
for no key update skip locked;

-- name: list_due
-- The occurrences that are due among the rows of held heads, each with the enrolments whose rows stand there.
-- Locks: none (the heads are held).
select
    a.activity_key,
    a.protocol_id,
    a.version_number,
    a.on_date,
    a.slot,
    a.opens_at,
    a.closes_at,
    a.judge_at,
    array_agg(a.enrolment_id) as enrolment_ids
from agenda a
where a.organisation_id = %(organisation_id)s
    and a.enrolment_id = any(%(enrolment_ids)s::bigint[])
    and a.judge_at <= %(horizon_at)s
group by
    a.activity_key,
    a.protocol_id,
    a.version_number,
    a.on_date,
    a.slot,
    a.opens_at,
    a.closes_at,
    a.judge_at
order by a.judge_at;

-- name: save_missed
-- Occurrences were missed, each decided once; returns those that were not decided before.
-- Locks: the new rows.
insert into occurrence (
    organisation_id,
    enrolment_id,
    activity_key,
    on_date,
    slot,
    protocol_id,
    version_number,
    opens_at,
    closes_at,
    judge_at,
    state,
    decided_at
)
select
    %(organisation_id)s,
    e.enrolment_id,
    s.activity_key,
    s.on_date,
    s.slot,
    s.protocol_id,
    s.version_number,
    s.opens_at,
    s.closes_at,
    s.judge_at,
    'missed',
    %(decided_at)s
from unnest(%(enrolment_ids)s::bigint[], %(numbers)s::integer[]) as e (enrolment_id, number)
join unnest(
    %(place_numbers)s::integer[],
    %(activity_keys)s::text[],
    %(protocol_ids)s::bigint[],
    %(version_numbers)s::integer[],
    %(on_dates)s::date[],
    %(slots)s::text[],
    %(opens_ats)s::timestamptz[],
    %(closes_ats)s::timestamptz[],
    %(judge_ats)s::timestamptz[]
) as s (number, activity_key, protocol_id, version_number, on_date, slot, opens_at, closes_at, judge_at)
    on s.number = e.number
on conflict (organisation_id, enrolment_id, activity_key, on_date, slot) do nothing
returning enrolment_id, activity_key;

-- name: raise_missed
-- Each missed occurrence breaks its rules: a new alert, or one more occurrence in the open one of the same rule and activity,
-- as severe as the severest of both and with that one's version.
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
    e.enrolment_id,
    r.activity_key,
    r.rule_key,
    'missed',
    r.severity,
    r.protocol_id,
    r.version_number,
    r.judge_at,
    r.late,
    %(raised_at)s,
    %(raised_at)s,
    1
from unnest(%(enrolment_ids)s::bigint[], %(numbers)s::integer[]) as e (enrolment_id, number)
join unnest(
    %(rule_numbers)s::integer[],
    %(activity_keys)s::text[],
    %(rule_keys)s::text[],
    %(severities)s::text[],
    %(protocol_ids)s::bigint[],
    %(version_numbers)s::integer[],
    %(judge_ats)s::timestamptz[],
    %(lates)s::boolean[]
) as r (number, activity_key, rule_key, severity, protocol_id, version_number, judge_at, late)
    on r.number = e.number
order by e.enrolment_id, r.activity_key, r.rule_key
on conflict (organisation_id, enrolment_id, activity_key, rule_key, kind) where state = 'open' do update
set occurrences = alert.occurrences + 1,
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
    updated_at = excluded.updated_at;

-- name: save_missed_samples
-- The open alerts of these rules list the missed occurrences.
-- Locks: the new rows.
insert into alert_sample (
    organisation_id, alert_id, at, on_date, slot, severity, protocol_id, version_number, recorded_at
)
select
    %(organisation_id)s,
    a.alert_id,
    r.judge_at,
    r.on_date,
    r.slot,
    r.severity,
    r.protocol_id,
    r.version_number,
    %(recorded_at)s
from unnest(%(enrolment_ids)s::bigint[], %(numbers)s::integer[]) as e (enrolment_id, number)
join unnest(
    %(rule_numbers)s::integer[],
    %(activity_keys)s::text[],
    %(rule_keys)s::text[],
    %(judge_ats)s::timestamptz[],
    %(on_dates)s::date[],
    %(slots)s::text[],
    %(severities)s::text[],
    %(protocol_ids)s::bigint[],
    %(version_numbers)s::integer[]
) as r (number, activity_key, rule_key, judge_at, on_date, slot, severity, protocol_id, version_number)
    on r.number = e.number
cross join lateral (
    select l.alert_id
    from alert l
    where l.organisation_id = %(organisation_id)s
        and l.enrolment_id = e.enrolment_id
        and l.activity_key = r.activity_key
        and l.rule_key = r.rule_key
        and l.kind = 'missed'
        and l.state = 'open'
    limit 1
) a;

-- name: list_runs
-- Rows whose missed occurrence makes a run that breaks a rule, with the occurrences that its alert does not list yet.
-- Locks: none (the heads are held).
select
    e.enrolment_id,
    r.rule_number,
    w.judge_ats,
    w.on_dates,
    w.slots
from unnest(%(enrolment_ids)s::bigint[], %(numbers)s::integer[]) as e (enrolment_id, number)
join unnest(
    %(rule_numbers)s::integer[],
    %(place_numbers)s::integer[],
    %(activity_keys)s::text[],
    %(rule_keys)s::text[],
    %(in_a_rows)s::integer[],
    %(judge_ats)s::timestamptz[],
    %(on_dates)s::date[]
) as r (rule_number, number, activity_key, rule_key, in_a_row, judge_at, on_date)
    on r.number = e.number
join agenda a
    on a.organisation_id = %(organisation_id)s
    and a.enrolment_id = e.enrolment_id
    and a.activity_key = r.activity_key
    and a.missed_in_a_row + 1 >= r.in_a_row
left join lateral (
    select o.alert_id
    from alert o
    where o.organisation_id = a.organisation_id
        and o.enrolment_id = a.enrolment_id
        and o.activity_key = a.activity_key
        and o.rule_key = r.rule_key
        and o.kind = 'missed'
        and o.state = 'open'
    limit 1
) l on true
cross join lateral (
    select
        array_agg(m.judge_at order by m.judge_at) as judge_ats,
        array_agg(m.on_date order by m.judge_at) as on_dates,
        array_agg(m.slot order by m.judge_at) as slots
    from (
        select
            o.judge_at,
            o.on_date,
            o.slot
        from occurrence o
        where o.organisation_id = a.organisation_id
            and o.enrolment_id = a.enrolment_id
            and o.activity_key = a.activity_key
            and o.on_date <= r.on_date
            and o.on_date >= r.on_date - 800
            and o.judge_at <= r.judge_at
            and o.state = 'missed'
            -- Whatever corrected it, it was not missed.
            and not exists (
                select 1
                from occurrence_correction c
                where c.organisation_id = o.organisation_id
                    and c.enrolment_id = o.enrolment_id
                    and c.activity_key = o.activity_key
                    and c.on_date = o.on_date
                    and c.slot = o.slot
            )
        order by o.judge_at desc, o.opens_at desc
        limit case when l.alert_id is null or a.missed_in_a_row + 1 = r.in_a_row then r.in_a_row else 1 end
    ) m
    -- A former version that wanted fewer may have listed the beginning of the run.
    where l.alert_id is null
        or a.missed_in_a_row + 1 > r.in_a_row
        or not exists (
            select 1
            from alert_sample s
            where s.organisation_id = a.organisation_id
                and s.alert_id = l.alert_id
                and s.on_date = m.on_date
                and s.slot = m.slot
        )
) w
order by e.enrolment_id, r.rule_number;

-- name: advance_rows
-- Rows of held heads hold the next occurrence; a decided one before it was missed, or ended the run, or neither.
-- Locks: agenda rows, under their held heads.
update agenda a
set protocol_id = s.protocol_id,
    version_number = s.version_number,
    on_date = s.on_date,
    slot = s.slot,
    opens_at = s.opens_at,
    closes_at = s.closes_at,
    judge_at = s.judge_at,
    taken = 0,
    missed_in_a_row = case when s.ends_run then 0 else a.missed_in_a_row + s.missed end
from unnest(%(enrolment_ids)s::bigint[], %(numbers)s::integer[]) as e (enrolment_id, number)
join unnest(
    %(place_numbers)s::integer[],
    %(activity_keys)s::text[],
    %(protocol_ids)s::bigint[],
    %(version_numbers)s::integer[],
    %(on_dates)s::date[],
    %(slots)s::text[],
    %(opens_ats)s::timestamptz[],
    %(closes_ats)s::timestamptz[],
    %(judge_ats)s::timestamptz[],
    %(missed)s::integer[],
    %(ends_runs)s::boolean[]
) as s (
    number, activity_key, protocol_id, version_number, on_date, slot, opens_at, closes_at, judge_at, missed, ends_run
)
    on s.number = e.number
where a.organisation_id = %(organisation_id)s
    and a.enrolment_id = e.enrolment_id
    and a.activity_key = s.activity_key;

-- name: extend_rows
-- Rows of held heads stay where they are and close later, because of an outage.
-- Locks: agenda rows, under their held heads.
update agenda a
set closes_at = s.closes_at,
    judge_at = s.judge_at
from unnest(%(enrolment_ids)s::bigint[], %(numbers)s::integer[]) as e (enrolment_id, number)
join unnest(
    %(place_numbers)s::integer[],
    %(activity_keys)s::text[],
    %(closes_ats)s::timestamptz[],
    %(judge_ats)s::timestamptz[]
) as s (number, activity_key, closes_at, judge_at)
    on s.number = e.number
where a.organisation_id = %(organisation_id)s
    and a.enrolment_id = e.enrolment_id
    and a.activity_key = s.activity_key;

-- name: delete_rows
-- Rows of held heads whose activity has nothing undecided any more are gone.
-- Locks: agenda rows, under their held heads.
delete from agenda a
using unnest(%(enrolment_ids)s::bigint[], %(numbers)s::integer[]) as e (enrolment_id, number)
join unnest(%(place_numbers)s::integer[], %(activity_keys)s::text[]) as s (number, activity_key)
    on s.number = e.number
where a.organisation_id = %(organisation_id)s
    and a.enrolment_id = e.enrolment_id
    and a.activity_key = s.activity_key;

-- name: list_decided
-- Which of these enrolments have decided the occurrence at these places already, and how.
-- Locks: none (the heads are held).
select
    e.number,
    d.state = 'missed' as was_missed,
    array_agg(e.enrolment_id) as enrolment_ids
from unnest(%(enrolment_ids)s::bigint[], %(numbers)s::integer[]) as e (enrolment_id, number)
join unnest(
    %(place_numbers)s::integer[],
    %(activity_keys)s::text[],
    %(on_dates)s::date[],
    %(slots)s::text[]
) as s (number, activity_key, on_date, slot)
    on s.number = e.number
cross join lateral (
    select o.state
    from occurrence o
    where o.organisation_id = %(organisation_id)s
        and o.enrolment_id = e.enrolment_id
        and o.activity_key = s.activity_key
        and o.on_date = s.on_date
        and o.slot = s.slot
    limit 1
) d
group by
    e.number,
    d.state = 'missed';

-- name: list_last_states
-- Per row the states of the decided occurrences before the one it holds, as they are judged now, the latest first.
-- Locks: none (the heads are held).
select
    a.enrolment_id,
    a.activity_key,
    a.missed_in_a_row,
    d.states
from unnest(%(enrolment_ids)s::bigint[], %(activity_keys)s::text[]) as e (enrolment_id, activity_key)
join agenda a
    on a.organisation_id = %(organisation_id)s
    and a.enrolment_id = e.enrolment_id
    and a.activity_key = e.activity_key
cross join lateral (
    select coalesce(array_agg(l.state order by l.judge_at desc, l.opens_at desc), '{}') as states
    from (
        select
            o.judge_at,
            o.opens_at,
            coalesce(c.state, o.state) as state
        from occurrence o
        left join lateral (
            select x.state
            from occurrence_correction x
            where x.organisation_id = o.organisation_id
                and x.enrolment_id = o.enrolment_id
                and x.activity_key = o.activity_key
                and x.on_date = o.on_date
                and x.slot = o.slot
            order by x.number desc
            limit 1
        ) c on true
        where o.organisation_id = a.organisation_id
            and o.enrolment_id = a.enrolment_id
            and o.activity_key = a.activity_key
            and o.on_date >= a.on_date - 800
            and o.judge_at < a.judge_at
        order by o.judge_at desc, o.opens_at desc
        limit %(most)s
    ) l
) d;

-- name: set_missed_in_a_row
-- Rows know how many occurrences before theirs were missed in a row.
-- Locks: agenda rows, under their held heads.
update agenda a
set missed_in_a_row = e.missed_in_a_row
from unnest(%(enrolment_ids)s::bigint[], %(activity_keys)s::text[], %(missed_in_a_rows)s::integer[])
    as e (enrolment_id, activity_key, missed_in_a_row)
where a.organisation_id = %(organisation_id)s
    and a.enrolment_id = e.enrolment_id
    and a.activity_key = e.activity_key;
