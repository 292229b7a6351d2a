-- Switches: previewed, approved, accepted, withdrawn.

-- name: insert_switch
-- A switch as previewed, which changes nothing yet.
-- Locks: the new row.
insert into switch (
    organisation_id,
    kind,
    protocol_id,
    target_protocol_id,
    content,
    content_hash,
    timing_hash,
    conflicts,
    scope,
    selection_id,
    effective,
    effective_local,
    effective_at,
    close_alerts_of_removed,
    reason,
    seen_switch_number,
    figures,
    needs_approval,
    previewed_by,
    previewed_at,
    expires_at
)
values (
    %(organisation_id)s,
    %(kind)s,
    %(protocol_id)s,
    %(target_protocol_id)s,
    %(content)s,
    %(content_hash)s,
    %(timing_hash)s,
    %(conflicts)s,
    %(scope)s,
    %(selection_id)s,
    %(effective)s,
    %(effective_local)s,
    %(effective_at)s,
    %(close_alerts_of_removed)s,
    %(reason)s,
    %(seen_switch_number)s,
    %(figures)s,
    %(needs_approval)s,
    %(previewed_by)s,
    %(previewed_at)s,
    %(expires_at)s
)
returning switch_id;

-- name: queue_for_moves
-- Moves of one organisation are accepted one after the other: only so does each see all others that could close a circle.
-- Gives the move, unless it is accepted already: then nothing is decided any more.
-- Locks: an advisory lock of the organisation, until the transaction ends, for moves only.
select
    s.protocol_id,
    s.target_protocol_id,
    s.selection_id,
    pg_advisory_xact_lock(hashtextextended('lockstep moves', %(organisation_id)s))
from switch s
where s.organisation_id = %(organisation_id)s
    and s.switch_id = %(switch_id)s
    and s.kind = 'move'
    and not exists (
        select 1
        from switch_acceptance a
        where a.organisation_id = s.organisation_id
            and a.switch_id = s.switch_id
    );

-- name: lock_control
-- The protocol's control row, held until the transaction ends: decisions about its switches have one order.
-- Locks: one row of protocol_control, for update.
select
    c.protocol_id,
    c.last_switch_number,
    c.last_version_number
from protocol_control c
where c.organisation_id = %(organisation_id)s
    and c.protocol_id = (
        select s.protocol_id
        from switch s
        where s.organisation_id = %(organisation_id)s
            and s.switch_id = %(switch_id)s
    )
for update of c;

-- name: get_control
-- The protocol's last numbers and title, as they stand.
-- Locks: none.
select
    c.last_switch_number,
    c.last_version_number,
    p.title,
    p.program_id
from protocol_control c
join protocol p
    on p.organisation_id = c.organisation_id
    and p.protocol_id = c.protocol_id
where c.organisation_id = %(organisation_id)s
    and c.protocol_id = %(protocol_id)s;

-- name: get_switch
-- A switch as previewed, without content and figures.
-- Locks: none.
select
    s.switch_id,
    s.kind,
    s.protocol_id,
    p.title,
    s.target_protocol_id,
    t.title as target_title,
    s.content_hash,
    s.timing_hash,
    s.conflicts,
    s.scope,
    s.selection_id,
    s.effective,
    s.effective_local,
    s.effective_at,
    s.close_alerts_of_removed,
    s.reason,
    s.seen_switch_number,
    s.needs_approval,
    s.previewed_by,
    s.previewed_at,
    s.expires_at,
    (s.figures ->> 'patients')::integer as patients,
    (s.figures ->> 'seen_target_number')::integer as seen_target_number,
    tc.last_switch_number as target_switch_number,
    array(
        select a.approved_by
        from switch_approval a
        where a.organisation_id = s.organisation_id
            and a.switch_id = s.switch_id
        order by a.approved_at, a.approved_by
    ) as approved_by
from switch s
join protocol p
    on p.organisation_id = s.organisation_id
    and p.protocol_id = s.protocol_id
left join protocol t
    on t.organisation_id = s.organisation_id
    and t.protocol_id = s.target_protocol_id
left join protocol_control tc
    on tc.organisation_id = s.organisation_id
    and tc.protocol_id = s.target_protocol_id
where s.organisation_id = %(organisation_id)s
    and s.switch_id = %(switch_id)s;

-- name: get_figures
-- What the preview of a switch said.
-- Locks: none.
select
    s.figures,
    s.content
from switch s
where s.organisation_id = %(organisation_id)s
    and s.switch_id = %(switch_id)s;

-- name: list_acceptances_of
-- The acceptance with this client key, or of this switch: two rows when the key was used for another switch.
-- Locks: none.
select
    a.switch_id,
    a.protocol_id,
    a.number,
    a.version_number,
    a.target_protocol_id,
    a.generation,
    a.operation_id,
    a.accepted_by,
    a.accepted_at,
    a.first_at,
    a.last_at,
    a.client_key,
    a.request_hash
from switch_acceptance a
where a.organisation_id = %(organisation_id)s
    and (a.client_key = %(client_key)s or a.switch_id = %(switch_id)s);

-- name: list_publications
-- The publications on a protocol (or on that of a switch) that are not withdrawn, from the last one that is in force for everyone on, by number.
-- Locks: none.
select
    a.number,
    a.version_number,
    a.scope,
    a.last_at,
    v.content_hash,
    v.timing_hash,
    a.selection_id,
    a.first_at
from (
    select coalesce(
        %(protocol_id)s::bigint,
        (
            select s.protocol_id
            from switch s
            where s.organisation_id = %(organisation_id)s
                and s.switch_id = %(switch_id)s
        )
    ) as protocol_id
) as concerned
join switch_acceptance a
    on a.organisation_id = %(organisation_id)s
    and a.protocol_id = concerned.protocol_id
join version v
    on v.organisation_id = a.organisation_id
    and v.protocol_id = a.protocol_id
    and v.number = a.version_number
where a.kind = 'publish'
    and not exists (
        select 1
        from switch_withdrawal w
        where w.organisation_id = a.organisation_id
            and w.switch_id = a.switch_id
    )
    and a.number >= coalesce(
        (
            select e.number
            from switch_acceptance e
            where e.organisation_id = %(organisation_id)s
                and e.protocol_id = concerned.protocol_id
                and e.kind = 'publish'
                and e.scope = 'everyone'
                and e.last_at <= lockstep_now()
                and not exists (
                    select 1
                    from switch_withdrawal w
                    where w.organisation_id = e.organisation_id
                        and w.switch_id = e.switch_id
                )
            order by e.number desc
            limit 1
        ),
        0
    )
order by a.number;

-- name: list_redirects_to_come
-- The organisation's moves that are not withdrawn and still to come for somebody; none when asked for a publication.
-- Locks: none.
select
    a.protocol_id,
    a.target_protocol_id,
    a.selection_id
from switch_acceptance a
where a.organisation_id = %(organisation_id)s
    and a.kind = 'move'
    and a.last_at >= lockstep_now()
    and not exists (
        select 1
        from switch_withdrawal w
        where w.organisation_id = a.organisation_id
            and w.switch_id = a.switch_id
    )
    and (
        %(switch_id)s::bigint is null
        or exists (
            select 1
            from switch s
            where s.organisation_id = %(organisation_id)s
                and s.switch_id = %(switch_id)s
                and s.kind = 'move'
        )
    )
order by a.protocol_id, a.number;

-- name: list_decided_since
-- What was accepted on a protocol after a number, withdrawn or not, in order.
-- Locks: none.
select
    a.number,
    a.kind,
    a.version_number,
    a.target_protocol_id,
    a.scope,
    a.accepted_by,
    a.accepted_at,
    exists (
        select 1
        from switch_withdrawal w
        where w.organisation_id = a.organisation_id
            and w.switch_id = a.switch_id
    ) as withdrawn
from switch_acceptance a
where a.organisation_id = %(organisation_id)s
    and a.protocol_id = %(protocol_id)s
    and a.number > %(number)s
order by a.number;

-- name: accept_switch
-- The switch is on its protocol's timeline, with version, operation, first event and audit entry; one statement, because
-- the control row is held meanwhile. Deferred: the commit is refused when the instant of acceptance is older than 250 ms.
-- Locks: new rows only, under the held control row.
with drawn as (
    select case when %(draws_generation)s then nextval('generation_seq') end as generation
),
advanced as (
    update protocol_control
    set last_switch_number = %(number)s,
        last_version_number = greatest(last_version_number, coalesce(%(version_number)s, 0))
    where organisation_id = %(organisation_id)s
        and protocol_id = %(protocol_id)s
        and last_switch_number = %(number)s - 1
    returning protocol_id
),
published as (
    insert into version (
        organisation_id,
        protocol_id,
        number,
        content,
        content_hash,
        timing_hash,
        published_by,
        published_at
    )
    select
        s.organisation_id,
        s.protocol_id,
        %(version_number)s,
        s.content,
        s.content_hash,
        s.timing_hash,
        %(actor)s,
        %(accepted_at)s
    from switch s
    where s.organisation_id = %(organisation_id)s
        and s.switch_id = %(switch_id)s
        and %(new_version)s
),
started as (
    insert into operation (
        organisation_id,
        kind,
        state,
        sentence,
        protocol_id,
        switch_id,
        selection_id,
        generation,
        starts_at,
        total,
        started_by,
        started_at
    )
    select
        %(organisation_id)s,
        'recalculation',
        'accepted',
        %(sentence)s,
        %(protocol_id)s,
        %(switch_id)s,
        %(selection_id)s,
        drawn.generation,
        %(first_at)s,
        %(patients)s,
        %(actor)s,
        %(accepted_at)s
    from drawn
    returning operation_id
),
told as (
    insert into operation_event (
        organisation_id,
        operation_id,
        at,
        type,
        state,
        actor,
        data
    )
    select
        %(organisation_id)s,
        started.operation_id,
        %(accepted_at)s,
        'operation.accepted',
        'accepted',
        %(actor)s,
        jsonb_build_object('kind', 'recalculation', 'sentence', %(sentence)s::text, 'switch', %(detail)s::jsonb)
    from started
),
recorded as (
    insert into audit_entry (
        organisation_id,
        at,
        actor,
        action,
        subject,
        detail
    )
    values (
        %(organisation_id)s,
        %(accepted_at)s,
        %(actor)s,
        'accept switch',
        %(subject)s,
        %(detail)s
    )
)
insert into switch_acceptance (
    organisation_id,
    switch_id,
    protocol_id,
    number,
    kind,
    version_number,
    target_protocol_id,
    scope,
    selection_id,
    effective,
    effective_local,
    effective_at,
    first_at,
    last_at,
    generation,
    close_alerts_of_removed,
    operation_id,
    client_key,
    request_hash,
    accepted_by,
    accepted_at
)
select
    s.organisation_id,
    s.switch_id,
    s.protocol_id,
    %(number)s,
    s.kind,
    %(version_number)s,
    s.target_protocol_id,
    s.scope,
    s.selection_id,
    s.effective,
    s.effective_local,
    s.effective_at,
    %(first_at)s,
    %(last_at)s,
    drawn.generation,
    s.close_alerts_of_removed,
    started.operation_id,
    %(client_key)s,
    %(request_hash)s,
    %(actor)s,
    %(accepted_at)s
from switch s
join advanced
    on advanced.protocol_id = s.protocol_id
cross join drawn
cross join started
where s.organisation_id = %(organisation_id)s
    and s.switch_id = %(switch_id)s
returning generation, operation_id;

-- name: approve_switch
-- Somebody has approved the switch, once.
-- Locks: the new row.
insert into switch_approval (organisation_id, switch_id, approved_by)
values (%(organisation_id)s, %(switch_id)s, %(actor)s)
on conflict (organisation_id, switch_id, approved_by) do nothing;

-- name: get_withdrawal
-- Who withdrew a switch, when and why.
-- Locks: none.
select
    w.withdrawn_by,
    w.withdrawn_at,
    w.reason
from switch_withdrawal w
where w.organisation_id = %(organisation_id)s
    and w.switch_id = %(switch_id)s;

-- name: withdraw_switch
-- The switch is withdrawn, and the protocol's number moves on: previews made before no longer fit.
-- Deferred: the commit is refused when the instant of withdrawal is older than 250 ms.
-- Locks: the new row, under the held control row.
with advanced as (
    update protocol_control
    set last_switch_number = last_switch_number + 1
    where organisation_id = %(organisation_id)s
        and protocol_id = %(protocol_id)s
    returning protocol_id
)
insert into switch_withdrawal (organisation_id, switch_id, reason, withdrawn_by, withdrawn_at)
select
    %(organisation_id)s,
    %(switch_id)s,
    %(reason)s,
    %(actor)s,
    %(withdrawn_at)s
from advanced;

-- name: list_switches
-- The switches of a protocol (of all when null), newest first, with what became of them.
-- Locks: none.
select
    s.switch_id,
    s.kind,
    s.protocol_id,
    s.target_protocol_id,
    s.scope,
    s.selection_id,
    s.effective,
    s.reason,
    s.previewed_by,
    s.previewed_at,
    s.expires_at,
    a.number,
    a.version_number,
    a.accepted_by,
    a.accepted_at,
    a.first_at,
    a.last_at,
    a.operation_id,
    w.withdrawn_at
from switch s
left join switch_acceptance a
    on a.organisation_id = s.organisation_id
    and a.switch_id = s.switch_id
left join switch_withdrawal w
    on w.organisation_id = s.organisation_id
    and w.switch_id = s.switch_id
where s.organisation_id = %(organisation_id)s
    and (%(protocol_id)s::bigint is null or s.protocol_id = %(protocol_id)s)
    and (%(before_switch_id)s::bigint is null or s.switch_id < %(before_switch_id)s)
order by s.switch_id desc
limit %(limit)s;
