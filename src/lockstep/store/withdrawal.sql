-- What stands against withdrawing a switch: who has it already, and who would be left with nothing.

-- name: queue_with_moves
-- Withdrawals come one after the other with moves: only so does each see whom the others send where.
-- Locks: the advisory lock of the organisation's moves, until the transaction ends; before any control row.
select pg_advisory_xact_lock(hashtextextended('lockstep moves', %(organisation_id)s));

-- name: list_zones
-- The zones in which anybody of the organisation lives or has lived since cohorts are kept.
-- Locks: none.
select distinct k.zone
from cohort k
where k.organisation_id = %(organisation_id)s
order by k.zone;

-- name: list_maybe_reached
-- The enrolments on these protocols that live in these zones, or whose patient's zone changed since an instant; after a
-- number, in order.
-- Locks: none.
select h.enrolment_id
from agenda_head h
join cohort k
    on k.organisation_id = h.organisation_id
    and k.cohort_id = h.cohort_id
    and k.zone = any(%(zones)s::text[])
where h.organisation_id = %(organisation_id)s
    and h.protocol_id = any(%(protocol_ids)s::bigint[])
    and h.enrolment_id > %(after_enrolment_id)s
    and h.ended_at is null
union
select e.enrolment_id
from patient_zone z
join enrolment e
    on e.organisation_id = z.organisation_id
    and e.patient_id = z.patient_id
    and e.enrolment_id > %(after_enrolment_id)s
where z.organisation_id = %(organisation_id)s
    and z.number > 1
    and z.from_at >= %(since_at)s
order by enrolment_id
limit %(limit)s;

-- name: list_arrivals
-- Who is on a protocol or comes to it, and from when: enrolments, moves to come, assignments planned.
-- Locks: none.
select
    'enrolments are on the protocol' as what,
    %(at)s::timestamptz as from_at
where (
        -- In the order of the index: where nobody is on it, nothing else may be walked through.
        select h.enrolment_id
        from agenda_head h
        where h.organisation_id = %(organisation_id)s
            and h.protocol_id = %(protocol_id)s
            and h.ended_at is null
        order by h.enrolment_id
        limit 1
    ) is not null
union all
select
    'a move to it is accepted (switch ' || a.switch_id || ')' as what,
    a.first_at
from switch_acceptance a
where a.organisation_id = %(organisation_id)s
    and a.target_protocol_id = %(protocol_id)s
    and a.last_at >= lockstep_now()
    and not exists (
        select 1
        from switch_withdrawal w
        where w.organisation_id = a.organisation_id
            and w.switch_id = a.switch_id
    )
union all
select
    'an assignment to it is planned (enrolment ' || p.enrolment_id || ')' as what,
    p.from_at
from assignment p
where p.organisation_id = %(organisation_id)s
    and p.protocol_id = %(protocol_id)s
    and p.from_at > p.recorded_at
    and p.from_at > lockstep_now()
order by from_at;
