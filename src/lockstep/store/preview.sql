-- name: count_on_protocol
-- How many enrolments are on a protocol, as their heads show.
-- Locks: none.
select count(h.enrolment_id)
from agenda_head h
where h.organisation_id = %(organisation_id)s
    and h.protocol_id = %(protocol_id)s;
