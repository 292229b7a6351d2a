"""What is in force at each instant: versions, moves, zones, pauses, personal changes."""

# ruff: noqa: DTZ001 - local times have no zone

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.domain.timelines import accepted, activity, at, content, enrolled, protocol, window

from lockstep.domain.content import Content, Policy
from lockstep.domain.switch import ZoneSpan
from lockstep.domain.timeline import (
    Assigned,
    EnrolmentFacts,
    PersonalChange,
    ProtocolFacts,
    Segment,
    Span,
    as_of,
    assignments,
    in_force,
    next_change,
    recorded_last,
    segments,
)

A = content(activity())
B = content(activity("weight", window("evening", 20, 2)))
C = content(activity("pulse"))


def versions(facts: EnrolmentFacts, *protocols: ProtocolFacts) -> list[tuple[datetime, int, int | None]]:
    world = {each.protocol_id: each for each in protocols}
    return [(each.from_at, each.protocol_id, each.version_number) for each in segments(facts, world)]


def test_a_version_is_in_force_from_its_e_on() -> None:
    assert versions(enrolled(at(2)), protocol((at(1), A), (at(3, 9), B))) == [(at(2), 1, 1), (at(3, 9), 1, 2)]


def test_nothing_is_in_force_before_the_first_version() -> None:
    (before, after) = segments(enrolled(at(2)), {1: protocol((at(3), A))})
    assert (before.version_number, before.content) == (None, None)
    assert after.version_number == 1


def test_publishing_for_next_week_does_not_cancel_tomorrows() -> None:
    next_week = accepted(2, at(2, 1), version=2, local=datetime(2026, 3, 9))
    tomorrow = accepted(3, at(2, 2), version=3, local=datetime(2026, 3, 3))
    of = ProtocolFacts(1, (accepted(1, at(1), version=1), next_week, tomorrow), {1: A, 2: B, 3: C})
    # On the 9th the version accepted last is in force already, so next week's, accepted before it, changes nothing.
    assert versions(enrolled(at(2)), of) == [(at(2), 1, 1), (at(3), 1, 3)]


def test_a_later_accepted_switch_with_a_later_e_leaves_the_earlier_its_time() -> None:
    tomorrow = accepted(2, at(2, 1), version=2, local=datetime(2026, 3, 3))
    next_week = accepted(3, at(2, 2), version=3, local=datetime(2026, 3, 9))
    of = ProtocolFacts(1, (accepted(1, at(1), version=1), tomorrow, next_week), {1: A, 2: B, 3: C})
    assert versions(enrolled(at(2)), of) == [(at(2), 1, 1), (at(3), 1, 2), (at(9), 1, 3)]


def test_a_selection_switches_while_others_do_not() -> None:
    of = ProtocolFacts(1, (accepted(1, at(1), version=1), accepted(2, at(3), version=2, selection=7)), {1: A, 2: B})
    assert versions(enrolled(at(2), selections=frozenset({7})), of) == [(at(2), 1, 1), (at(3), 1, 2)]
    assert versions(enrolled(at(2), selections=frozenset({8})), of) == [(at(2), 1, 1)]


def test_continuing_a_first_batch_to_everyone_changes_nothing_for_its_members() -> None:
    switches = (
        accepted(1, at(1), version=1),
        accepted(2, at(3), version=2, selection=7),
        accepted(3, at(5), version=2),
    )
    of = ProtocolFacts(1, switches, {1: A, 2: B})
    assert versions(enrolled(at(2), selections=frozenset({7})), of) == [(at(2), 1, 1), (at(3), 1, 2)]
    assert versions(enrolled(at(2)), of) == [(at(2), 1, 1), (at(5), 1, 2)]


@pytest.mark.parametrize(
    ("zone", "hour"), [("Pacific/Kiritimati", 10), ("Europe/Amsterdam", 23), ("UTC", 24), ("Pacific/Niue", 11)]
)
def test_next_day_is_each_patients_own_midnight(zone: str, hour: int) -> None:
    # Accepted at 09:30 UTC on the 3rd: 23:30 in Kiritimati, 22:30 on the 2nd in Niue.
    of = ProtocolFacts(
        1, (accepted(1, at(1), version=1), accepted(2, at(3, 9.5), version=2, next_day=True)), {1: A, 2: B}
    )
    assert versions(enrolled(at(2), zone=zone), of)[1] == (at(3, hour), 1, 2)


def test_a_civil_switch_follows_a_patient_into_another_zone() -> None:
    of = ProtocolFacts(
        1,
        (accepted(1, at(1), version=1), accepted(2, at(2, 1), version=2, local=datetime(2026, 3, 4, 9))),
        {1: A, 2: B},
    )
    east = enrolled(at(2), zones=[(at(3), "Asia/Tokyo")])
    assert (at(4, 0), 1, 2) in versions(east, of)
    # Arriving where it is later than that already: from arrival on.
    late = enrolled(at(2), zones=[(at(4, 5), "Asia/Tokyo")])
    assert (at(4, 5), 1, 2) in versions(late, of)


# moves


def test_a_move_concerns_who_is_assigned_at_its_e_and_nobody_later() -> None:
    left = protocol((at(1), A), also=[accepted(2, at(4), target=2)])
    joined = protocol((at(1), B), protocol_id=2)
    assert versions(enrolled(at(2)), left, joined) == [(at(2), 1, 1), (at(4), 2, 1)]
    assert versions(enrolled(at(4)), left, joined)[-1] == (at(4), 2, 1)
    assert versions(enrolled(at(5)), left, joined) == [(at(5), 1, 1)]


def test_moves_chain_and_own_assignments_end_them() -> None:
    first = protocol((at(1), A), also=[accepted(2, at(4), target=2)])
    second = protocol((at(1), B), protocol_id=2, also=[accepted(2, at(6), target=3, protocol_id=2)])
    third = protocol((at(1), C), protocol_id=3)
    facts = enrolled(at(2))
    world = {each.protocol_id: each for each in (first, second, third)}
    assert assignments(facts, world) == (Assigned(at(2), 1), Assigned(at(4), 2), Assigned(at(6), 3))
    assert assignments(enrolled(at(2), assigned=[(at(5), 3)]), world) == (
        Assigned(at(2), 1),
        Assigned(at(4), 2),
        Assigned(at(5), 3),
    )


def test_a_move_back_later_is_no_loop() -> None:
    first = protocol((at(1), A), also=[accepted(2, at(4), target=2)])
    second = protocol((at(1), B), protocol_id=2, also=[accepted(2, at(6), target=1, protocol_id=2)])
    world = {1: first, 2: second}
    assert assignments(enrolled(at(2)), world) == (Assigned(at(2), 1), Assigned(at(4), 2), Assigned(at(6), 1))


def test_moves_that_chase_each_other_at_one_instant_end() -> None:
    first = protocol((at(1), A), also=[accepted(2, at(4), target=2)])
    second = protocol((at(1), B), protocol_id=2, also=[accepted(2, at(4), target=1, protocol_id=2)])
    assert len(assignments(enrolled(at(2)), {1: first, 2: second})) <= 3


# the spans


def test_the_spans_have_no_holes_and_end_with_the_discharge() -> None:
    facts = enrolled(
        at(2), zones=[(at(3), "Asia/Tokyo")], pauses=(Span(at(4), at(5)),), discharged_at=at(7), assigned=[(at(6), 2)]
    )
    found = segments(facts, {1: protocol((at(1), A), (at(3, 12), B)), 2: protocol((at(1), C), protocol_id=2)})
    assert found[0].from_at == at(2)
    assert [each.until_at for each in found[:-1]] == [each.from_at for each in found[1:]]
    assert found[-1].until_at == at(7)
    assert in_force(found, at(7)) is None
    assert in_force(found, at(1)) is None
    paused = in_force(found, at(4, 1))
    assert paused is not None
    assert paused.paused


def test_what_changes_nothing_divides_nothing() -> None:
    facts = enrolled(at(2), zones=[(at(3), "UTC")], pauses=(Span(at(4), at(4)),))
    assert len(segments(facts, {1: protocol((at(1), A))})) == 1


def test_as_of_leaves_out_what_is_scheduled() -> None:
    found = segments(enrolled(at(2)), {1: protocol((at(1), A), (at(5), B))})
    assert [(each.version_number, each.until_at) for each in as_of(found, at(3))] == [(1, None)]
    assert as_of(found, at(5)) == found
    assert next_change(found, at(3)) == at(5)
    assert next_change(found, at(5)) is None


def test_what_is_recorded_replaces_what_was_planned_after_it() -> None:
    plan = [ZoneSpan(at(1), "UTC"), ZoneSpan(at(9), "Asia/Tokyo"), ZoneSpan(at(3), "Europe/Rome")]
    assert recorded_last(plan) == (ZoneSpan(at(1), "UTC"), ZoneSpan(at(3), "Europe/Rome"))


# personal changes (rule 8)


def graced(minutes: int, policy: Policy | None = None, **more: Any) -> Content:
    policies = (("grace_minutes", policy),) if policy else ()
    return content(activity(grace_minutes=minutes, policies=policies, **more))


CHANGE = PersonalChange(1, "weight", "grace_minutes", "90", "60", at(2, 1))


def graces(*said: Content, changes: tuple[PersonalChange, ...] = (CHANGE,), **more: Any) -> list[tuple[int, int, int]]:
    """Day, grace and number of changes that apply, for versions published on the 1st, 3rd, 4th, 5th …"""
    days = [1, *range(3, 3 + len(said))]
    of = protocol(*((at(day), each) for day, each in zip(days, said, strict=False)))
    found = segments(enrolled(at(2), personal_changes=changes), {1: of})
    return [(each.from_at.day, minutes(each), each.personal_changes) for each in found]


def minutes(segment: Segment) -> int:
    assert segment.content is not None
    found = segment.content.activity("weight")
    assert found is not None
    return found.grace_minutes


def test_rule_8_keep_stays_whatever_the_protocol_says() -> None:
    found = graces(graced(60), graced(30, title="other words"), graced(60))
    assert found == [(2, 60, 0), (2, 90, 1), (3, 90, 1), (4, 90, 1)]


def test_follow_ends_at_the_first_e_with_another_value() -> None:
    follow = Policy.FOLLOW
    found = graces(graced(60, follow), graced(60, follow, title="words"), graced(30, follow))
    assert found == [(2, 60, 0), (2, 90, 1), (3, 90, 1), (4, 30, 0)]


def test_rule_8_follow_is_not_revived_by_a_revert() -> None:
    follow = Policy.FOLLOW
    found = graces(graced(60, follow), graced(30, follow), graced(60, follow))
    assert found == [(2, 60, 0), (2, 90, 1), (3, 30, 0), (4, 60, 0)]


def test_the_policy_is_that_of_the_version_in_force() -> None:
    found = graces(graced(60, Policy.FOLLOW), graced(30, Policy.KEEP))
    assert found == [(2, 60, 0), (2, 90, 1), (3, 90, 1)]


def test_locked_does_not_apply_but_does_not_end() -> None:
    found = graces(graced(60), graced(60, Policy.LOCKED), graced(60, title="unlocked"))
    assert found == [(2, 60, 0), (2, 90, 1), (3, 60, 0), (4, 90, 1)]


def test_cleared_gives_the_protocols_value_back() -> None:
    cleared = replace(CHANGE, number=2, value=None, replaced=None, from_at=at(2, 5))
    assert graces(graced(60), changes=(CHANGE, cleared)) == [(2, 60, 0), (2, 90, 1), (2, 60, 0)]


def test_the_last_change_of_a_field_holds() -> None:
    again = replace(CHANGE, number=2, value="15", from_at=at(2, 5))
    assert graces(graced(60), changes=(CHANGE, again)) == [(2, 60, 0), (2, 90, 1), (2, 15, 1)]


def test_a_followed_change_made_again_after_it_ended_holds() -> None:
    follow = Policy.FOLLOW
    again = replace(CHANGE, number=2, replaced="30", from_at=at(3, 5))
    found = graces(graced(60, follow), graced(30, follow), changes=(CHANGE, again))
    assert found == [(2, 60, 0), (2, 90, 1), (3, 30, 0), (3, 90, 1)]


@pytest.mark.parametrize(
    ("policy", "value", "carried"),
    [(Policy.KEEP, 30, True), (Policy.FOLLOW, 60, False), (Policy.FOLLOW, 30, False), (Policy.LOCKED, 60, False)],
)
def test_a_move_carries_what_is_kept(policy: Policy, value: int, carried: bool) -> None:
    left = protocol((at(1), graced(60)), also=[accepted(2, at(4), target=2)])
    joined = protocol((at(1), graced(value, policy)), protocol_id=2)
    found = segments(enrolled(at(2), personal_changes=(CHANGE,)), {1: left, 2: joined})
    assert (minutes(found[-1]), found[-1].personal_changes) == ((90, 1) if carried else (value, 0))


def test_a_version_published_before_the_change_on_the_protocol_joined_later_matters_not() -> None:
    follow = Policy.FOLLOW
    left = protocol((at(1), graced(60, follow)))
    joined = protocol((at(1), graced(30, follow)), (at(2, 2), graced(60)), protocol_id=2)
    facts = enrolled(at(2), personal_changes=(CHANGE,), assigned=[(at(4), 2)])
    assert minutes(segments(facts, {1: left, 2: joined})[-1]) == 90


def test_a_change_of_an_activity_that_is_gone_applies_to_nothing_and_comes_back_with_it() -> None:
    of = protocol((at(1), graced(60)), (at(3), C), (at(4), graced(60, title="back")))
    found = segments(enrolled(at(2), personal_changes=(CHANGE,)), {1: of})
    assert [each.personal_changes for each in found] == [0, 1, 0, 1]


def test_many_versions_stay_cheap() -> None:
    said = [(at(1) + timedelta(hours=n), graced(60 + n % 2)) for n in range(200)]
    assert len(segments(enrolled(at(2), personal_changes=(CHANGE,)), {1: protocol(*said)})) >= 2
