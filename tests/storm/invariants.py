"""What must hold after a storm, asked of the tables in ways of its own, of the clients' histories, and of the check."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from tests.storm.field import Field
from tests.storm.measuring import SOURCE, Entry
from tests.worker.processes import until

from lockstep.engine import audit
from lockstep.proof.inspection import Inspected, inspect

BOTH_OR_NONE = """
    select count(*)
    from enrolment e
    left join discharge d using (organisation_id, enrolment_id)
    left join agenda_head h using (organisation_id, enrolment_id)
    where d.enrolment_id is null and h.enrolment_id is null
        or h.enrolment_id is not null and h.ended_at is distinct from d.discharged_at
        or h.ended_at is not null and not exists (select from agenda a where a.enrolment_id = h.enrolment_id)
"""
"""Enrolments that go on without a head, and heads of such as ended that do not say so or wait for nothing."""

LAST_ASSIGNED = """
    select distinct on (a.enrolment_id) a.enrolment_id, a.protocol_id, a.from_at
    from assignment a
    where a.from_at <= lockstep_now()
    order by a.enrolment_id, a.number desc
"""

ELSEWHERE = f"""
    select count(*)
    from agenda_head h
    join ({LAST_ASSIGNED}) a using (enrolment_id)
    left join lateral (
        select m.target_protocol_id
        from switch_acceptance m
        where m.kind = 'move'
            and m.protocol_id = a.protocol_id
            and m.first_at >= a.from_at
            and m.first_at <= lockstep_now()
            and (
                m.selection_id is null
                or exists (
                    select from selection_member s
                    where s.selection_id = m.selection_id and s.enrolment_id = a.enrolment_id
                )
            )
        order by m.number
        limit 1
    ) m on true
    where h.protocol_id <> coalesce(m.target_protocol_id, a.protocol_id)
        and h.ended_at is null
"""
"""Heads on another protocol than the last assignment and the first move since say (worlds of a storm move once)."""

IN_FORCE = """
    select distinct on (a.protocol_id)
        a.protocol_id,
        a.version_number,
        a.first_at,
        max(a.generation) over (partition by a.protocol_id) as generation
    from switch_acceptance a
    where a.kind = 'publish'
        and a.scope = 'everyone'
        and a.first_at <= lockstep_now()
    order by a.protocol_id, a.number desc
"""

OUT_OF_STEP = f"""
    select count(*)
    from agenda_head h
    join ({IN_FORCE}) f using (protocol_id)
    where h.ended_at is null
        and (
            h.generation < f.generation
            or h.version_number <> f.version_number
            or h.next_change_at <= lockstep_now() - interval '5 seconds'
        )
"""

WRONG_ROWS = f"""
    select count(*)
    from agenda_head h
    join enrolment e using (enrolment_id)
    join cohort c using (cohort_id)
    join ({IN_FORCE}) f using (protocol_id)
    join version v on v.protocol_id = f.protocol_id and v.number = f.version_number
    cross join lateral (
        select split_part(v.content -> 'activities' -> 0 -> 'schedule' ->> 'every', ' ', 1)::integer as days
    ) as n
    left join lateral (
        select
            count(*) as rows,
            count(*) filter (
                where a.activity_key = 'weight'
                    and a.opens_at > f.first_at
                    and (
                        (a.on_date - e.anchor_on) % n.days <> 0
                        or a.on_date - (lockstep_now() at time zone c.zone)::date > n.days
                    )
            ) as wrong
        from agenda a
        where a.enrolment_id = h.enrolment_id
    ) as a on true
    where h.ended_at is null
        and (a.wrong > 0 or a.rows <> jsonb_array_length(v.content -> 'activities'))
"""
"""Enrolments that are asked their weight after E on a day that the version in force does not name, or without one row
for each activity. The version written in a row tells nothing: a row whose window stays is not written."""

ORPHANS = """
    select count(*) from agenda a
    where not exists (select from agenda_head h where h.enrolment_id = a.enrolment_id)
"""

DECIDED_AND_OPEN = """
    select count(*)
    from agenda a
    join occurrence o using (organisation_id, enrolment_id, activity_key, on_date, slot)
"""
"""Occurrences that were decided and are still asked for: they would be decided twice."""

FALSELY_MISSED = """
    select count(*)
    from occurrence o
    join enrolment e using (organisation_id, enrolment_id)
    where o.state = 'missed'
        and not exists (
            select from occurrence_correction c
            where (c.enrolment_id, c.activity_key, c.on_date, c.slot)
                = (o.enrolment_id, o.activity_key, o.on_date, o.slot)
        )
        and exists (
            select from measurement m
            where m.patient_id = e.patient_id
                and m.code = o.activity_key
                and m.judged_for_at >= o.opens_at
                and m.judged_for_at < o.judge_at
        )
"""

FULFILLED_BY_NOTHING = """
    select count(*)
    from occurrence o
    join enrolment e using (organisation_id, enrolment_id)
    left join measurement m on m.measurement_id = o.measurement_id
    where o.state <> 'missed'
        and (m.measurement_id is null or m.patient_id <> e.patient_id or m.code <> o.activity_key)
"""

MISSED_WITHOUT_ALERT = """
    select count(*)
    from occurrence o
    where o.state = 'missed'
        and o.activity_key = 'girth'
        and 1 <> (
            select count(*)
            from alert_sample s
            join alert a using (organisation_id, alert_id)
            where a.enrolment_id = o.enrolment_id
                and a.activity_key = o.activity_key
                and a.kind = 'missed'
                and (s.on_date, s.slot) = (o.on_date, o.slot)
        )
"""
"""Missed occurrences whose rule was not evaluated exactly once."""

ALERTED_WITHOUT_MISS = """
    select count(*)
    from alert_sample s
    join alert a using (organisation_id, alert_id)
    where a.kind = 'missed'
        and not exists (
            select from occurrence o
            where (o.enrolment_id, o.activity_key, o.on_date, o.slot)
                = (a.enrolment_id, a.activity_key, s.on_date, s.slot)
                and o.state = 'missed'
        )
"""

NOBODY = {
    "enrolled without a head, or ended with one": BOTH_OR_NONE,
    "on another protocol than assigned": ELSEWHERE,
    "out of step": OUT_OF_STEP,
    "with rows of a former version, or not with all": WRONG_ROWS,
    "rows of nobody": ORPHANS,
    "decided, and open": DECIDED_AND_OPEN,
    "missed although measured": FALSELY_MISSED,
    "fulfilled by nothing": FULFILLED_BY_NOTHING,
    "missed without one alert": MISSED_WITHOUT_ALERT,
    "alerted without a miss": ALERTED_WITHOUT_MISS,
    "set aside": "select count(*) from recalculation_exception",
    "asleep in a transaction": """
        select count(*) from pg_stat_activity
        where datname = current_database() and state like 'idle in transaction%'
            and state_change < clock_timestamp() - interval '6 seconds'
    """,
}


def require_calm(field: Field, history: Sequence[Entry] = ()) -> None:
    """Every invariant holds, now that nobody measures and every operation has ended."""
    found = {what: field.one(query) for what, query in NOBODY.items()}
    wrong = {what: count for what, count in found.items() if count}
    assert not wrong, wrong
    require_conserved(field)
    require_kept(field, history)
    require_ended_once(field)
    require_audited(field)
    require_checked(field)


def require_conserved(field: Field) -> None:
    """S14: the patients on the protocols are those enrolled and not discharged, in one snapshot."""
    on_protocols, enrolled = field.all(
        "select (select count(*) from agenda_head where ended_at is null),"
        " (select count(*) from enrolment) - (select count(*) from discharge)"
    )[0]
    assert on_protocols == enrolled, f"{on_protocols} on protocols, {enrolled} enrolled"


def require_kept(field: Field, history: Sequence[Entry]) -> None:
    """S2: what was acknowledged is there once and as it was sent, and nothing is there that was not sent."""
    by_identifier: dict[str, list[Entry]] = defaultdict(list)
    for entry in history:
        by_identifier[entry.identifier].append(entry)
    stored = {
        row[0]: row[1:]
        for row in field.all(
            "select m.identifier, p.identifier, m.value, m.taken_at from measurement m"
            " join patient p using (organisation_id, patient_id) where m.source = %s",
            [SOURCE],
        )
    }
    aside = {row[0] for row in field.all("select identifier from measurement_set_aside where source = %s", [SOURCE])}
    assert field.one("select count(*) from measurement where source = %s", [SOURCE]) == len(stored)
    for identifier, entries in by_identifier.items():
        outcomes = Counter(each.outcome for each in entries)
        assert outcomes["stored"] <= 1, f"{identifier} was stored twice"
        one = entries[0]
        if outcomes["stored"] or outcomes["duplicate"]:
            assert stored.get(identifier) == (one.patient, Decimal(one.value), one.taken_at), identifier
        elif outcomes["set aside"]:
            assert identifier in aside, identifier
        elif outcomes["refused"]:
            assert identifier not in stored, identifier
            assert identifier not in aside, identifier
    assert stored.keys() | aside <= by_identifier.keys(), "nothing is there that was not sent"
    outcomes = Counter(each.outcome for each in history)
    assert not outcomes[None], "every client was answered in the end"
    assert outcomes.keys() <= {"stored", "duplicate", "set aside", "refused"}
    assert outcomes["stored"] >= len(history) / 2, "most of it was to be stored"


def require_ended_once(field: Field) -> None:
    """L1: every operation succeeded, and once."""
    query = (
        "select o.operation_id, o.state, count(*) filter (where e.type = 'operation.succeeded')"
        " from operation o join operation_event e using (organisation_id, operation_id)"
        " where o.kind = 'recalculation' group by 1, 2"
    )
    for operation_id, state, ended in field.all(query):
        told = f"operation {operation_id} is {state}, ended {ended} times"
        assert (state, ended) == ("succeeded", 1), f"{told}: {drifts(field)}\n{field.log()[-1500:]}"


def require_audited(field: Field) -> None:
    """S13: the chain of the audit is whole and covers every entry."""
    unsealed = "select (select count(*) from audit_entry) - (select count(*) from audit_seal)"
    until(lambda: field.one(unsealed) == 0, what="every audit entry is sealed")
    verification = audit.verify(field.world.database, field.world.organisation_id)
    assert verification.holds, verification


def require_checked(field: Field) -> None:
    """The product's own check, which computes everything anew from facts, finds no drift and nothing pending."""
    inspected = _inspected(field)
    # What was due a moment ago may still be on its way.
    until(lambda: not inspected.pending or not _inspected(field).pending, what="nothing is pending")
    inspected = _inspected(field)
    assert not inspected.drifted, (inspected.kinds, drifts(field))
    assert inspected.checked == field.one("select count(*) from enrolment")


def _inspected(field: Field) -> Inspected:
    return inspect(field.world.database, [field.world.organisation_id], lambda count: None)


def drifts(field: Field) -> list[tuple[Any, ...]]:
    """What checks found so far, by kind with an example, and how operations ended."""
    found = field.all(
        "select check_id, kind, activity_key, count(*), min(expected::text), min(found::text) from drift"
        " group by 1, 2, 3 order by 1, 2, 3"
    )
    ends = (
        "select operation_id, type, data from operation_event where type like 'operation.succeeded%%' order by event_id"
    )
    return found + field.all(ends, [])
