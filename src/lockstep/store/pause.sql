-- name: insert_pause
-- Nothing is asked in this span.
-- Locks: the new row; the head is held already.
insert into pause (
    organisation_id,
    enrolment_id,
    number,
    from_at,
    until_at,
    review_on,
    reason,
    recorded_by
)
values (
    %(organisation_id)s,
    %(enrolment_id)s,
    %(number)s,
    %(from_at)s,
    %(until_at)s,
    %(review_on)s,
    %(reason)s,
    %(actor)s
);

-- name: insert_resumption
-- The pause ends.
-- Locks: the new row; the head is held already.
insert into resumption (
    organisation_id,
    enrolment_id,
    number,
    until_at,
    recorded_by
)
values (
    %(organisation_id)s,
    %(enrolment_id)s,
    %(number)s,
    %(until_at)s,
    %(actor)s
);

-- name: list_pauses_of
-- The pauses of an enrolment in order of number, ended by a resumption if that comes before their own end.
-- Locks: none.
select
    p.number,
    p.from_at,
    least(p.until_at, r.until_at) as until_at,
    p.review_on,
    p.reason
from pause p
left join resumption r
    on r.organisation_id = p.organisation_id
    and r.enrolment_id = p.enrolment_id
    and r.number = p.number
where p.organisation_id = %(organisation_id)s
    and p.enrolment_id = %(enrolment_id)s
order by p.number;
