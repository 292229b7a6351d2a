"""Occurrences across switches, pauses, zones and outages: each rule of "What happens around E" by its number."""

import time as clock
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest
from tests.domain.timelines import (
    accepted,
    activity,
    at,
    content,
    course,
    enrolled,
    protocol,
    told,
    walk,
    window,
)

from lockstep.domain.agenda import earliest_undecided, occurrences
from lockstep.domain.content import Content
from lockstep.domain.occurrence import Fate
from lockstep.domain.schedule import AfterEvent, EveryDays, OnDays, Schedule
from lockstep.domain.timeline import PatientEvent, Span

MORNING = activity()  # 08:00 to 12:00, grace until 13:00
AFTERNOON = activity("weight", window("afternoon", 14, 4))


def switched(switch_at: datetime, before: Content, after: Content) -> list[tuple[int, str, str, datetime, datetime]]:
    """What a patient enrolled on the 2nd is asked from the 2nd to the 5th, across one switch."""
    found = course(enrolled(at(2)), protocol((at(1), before), (switch_at, after)))
    return [told(each) for each in walk(found, until_at=at(6))]


def test_rule_1_what_was_judged_before_stays_with_its_version() -> None:
    found = course(enrolled(at(2)), protocol((at(1), content(MORNING)), (at(4, 15), content(AFTERNOON))))
    before = [each for each in walk(found) if each.judge_at <= at(4, 15)]
    assert [(each.on.day, each.version_number, each.fate) for each in before] == [
        (2, 1, Fate.ASKED),
        (3, 1, Fate.ASKED),
        (4, 1, Fate.ASKED),
    ]


def test_rule_2_an_open_one_of_the_same_timing_goes_on_under_its_version() -> None:
    told_otherwise = activity(title="another title")
    found = course(enrolled(at(2)), protocol((at(1), content(MORNING)), (at(3, 9), content(told_otherwise))))
    of_the_third = [each for each in walk(found) if each.on.day == 3]
    assert [(each.version_number, each.fate, each.opens_at) for each in of_the_third] == [(1, Fate.ASKED, at(3, 8))]
    assert [each.version_number for each in walk(found, until_at=at(6))] == [1, 1, 2, 2]


@pytest.mark.parametrize(
    "changed",
    [
        activity("weight", window("morning", 8, 5)),
        activity(grace_minutes=30),
        activity(quantity=2),
        activity(every=2),
    ],
    ids=["window", "grace", "quantity", "schedule"],
)
def test_rule_2_schedule_window_grace_and_quantity_make_another_timing(changed: object) -> None:
    assert isinstance(changed, type(MORNING))
    found = course(enrolled(at(2)), protocol((at(1), content(MORNING)), (at(4, 9), content(changed))))
    first = next(each for each in walk(found) if each.on.day == 4)
    assert (first.version_number, first.fate, first.ended_at) == (1, Fate.SUPERSEDED, at(4, 9))


def test_rule_2_one_in_its_grace_is_finished_under_its_version() -> None:
    assert switched(at(3, 12.5), content(MORNING), content(AFTERNOON))[:3] == [
        (2, "morning", "asked", at(2, 8), at(2, 12)),
        (3, "morning", "asked", at(3, 8), at(3, 12)),
        (3, "afternoon", "asked", at(3, 14), at(3, 18)),
    ]


def test_rule_3_another_open_one_is_superseded() -> None:
    found = switched(at(3, 10), content(MORNING), content(AFTERNOON))
    assert (3, "morning", "superseded", at(3, 8), at(3, 12)) in found
    assert (3, "afternoon", "asked", at(3, 14), at(3, 18)) in found


def test_rule_3_one_of_a_removed_activity_is_superseded_and_not_asked_again() -> None:
    found = switched(at(3, 10), content(MORNING), content(activity("pulse")))
    assert found == [
        (2, "morning", "asked", at(2, 8), at(2, 12)),
        (3, "morning", "superseded", at(3, 8), at(3, 12)),
    ]


@pytest.mark.parametrize(
    ("switch_hour", "fate"), [(14.5, "asked"), (16, "asked"), (16.01, "waived"), (17.99, "waived")]
)
def test_rule_4_one_that_contains_e_is_asked_at_once_if_half_of_it_remains(switch_hour: float, fate: str) -> None:
    found = switched(at(3, switch_hour), content(MORNING), content(AFTERNOON))
    assert (3, "afternoon", fate, at(3, switch_hour), at(3, 18)) in found
    assert (4, "afternoon", "asked", at(4, 14), at(4, 18)) in found


def test_rule_4_the_share_is_a_setting() -> None:
    found = switched(at(3, 17), content(MORNING), content(AFTERNOON, ask_at_once=Decimal("0.25")))
    assert (3, "afternoon", "asked", at(3, 17), at(3, 18)) in found


@pytest.mark.parametrize(("quiet_until", "fate"), [(time(16), "asked"), (time(16, 1), "waived")])
def test_rule_4_what_remains_is_counted_after_quiet_hours(quiet_until: time, fate: str) -> None:
    after = content(AFTERNOON, quiet_from=time(13), quiet_until=quiet_until)
    assert (3, "afternoon", fate, at(3, 14.5), at(3, 18)) in switched(at(3, 14.5), content(MORNING), after)


def test_rule_4_quiet_hours_over_midnight() -> None:
    night = activity("weight", window("night", 22, 10))
    after = content(night, quiet_from=time(21), quiet_until=time(3))
    found = switched(at(3, 23), content(MORNING), after)
    assert (3, "night", "asked", at(3, 23), at(4, 8)) in found
    later = content(night, quiet_from=time(21), quiet_until=time(3, 1))
    assert (3, "night", "waived", at(3, 23), at(4, 8)) in switched(at(3, 23), content(MORNING), later)


def test_rule_4_holds_at_enrolment_too() -> None:
    early = walk(course(enrolled(at(2, 9)), protocol((at(1), content(MORNING)))))
    late = walk(course(enrolled(at(2, 11)), protocol((at(1), content(MORNING)))))
    assert told(early[0]) == (2, "morning", "asked", at(2, 9), at(2, 12))
    assert told(late[0]) == (2, "morning", "waived", at(2, 11), at(2, 12))
    assert early[0].nominal_at == at(2, 8)


def test_rule_5_nothing_of_the_new_version_that_ended_before_e_exists() -> None:
    found = switched(at(3, 19), content(MORNING), content(AFTERNOON))
    assert [each[:2] for each in found] == [(2, "morning"), (3, "morning"), (4, "afternoon"), (5, "afternoon")]


def test_rule_5_a_key_that_was_asked_and_closed_is_not_asked_again() -> None:
    later = activity("weight", window("morning", 13, 4))
    found = switched(at(3, 12.5), content(MORNING), content(later))
    assert [each for each in found if each[0] == 3] == [(3, "morning", "asked", at(3, 8), at(3, 12))]


def test_a_superseded_key_is_asked_again_under_the_new_timing() -> None:
    longer = activity("weight", window("morning", 8, 6))
    found = switched(at(3, 10), content(MORNING), content(longer))
    assert [each for each in found if each[0] == 3] == [
        (3, "morning", "superseded", at(3, 8), at(3, 12)),
        (3, "morning", "asked", at(3, 10), at(3, 14)),
    ]


def test_there_and_back_within_one_window() -> None:
    world = protocol((at(1), content(MORNING)), (at(3, 8.5), content(AFTERNOON)), (at(3, 9), content(MORNING)))
    found = walk(course(enrolled(at(2)), world), until_at=at(4))
    assert [told(each) for each in found] == [
        (2, "morning", "asked", at(2, 8), at(2, 12)),
        (3, "morning", "superseded", at(3, 8), at(3, 12)),
        (3, "morning", "asked", at(3, 9), at(3, 12)),
    ]


def test_rule_9_blocks_run_from_their_anchor_whatever_is_switched() -> None:
    block = Schedule(days=OnDays((0, 1, 2), every_days=7), times=(window(),))
    before, after = activity(schedule=block), activity(schedule=block, grace_minutes=30)
    found = walk(course(enrolled(at(2)), protocol((at(1), content(before)), (at(10), content(after)))))
    assert [each.on.day for each in found] == [2, 3, 4, 9, 10, 11, 16, 17, 18, 23, 24, 25, 30]


def test_rule_9_a_count_goes_on_over_a_switch() -> None:
    five = Schedule(days=EveryDays(1), times=(window(),), count=5)
    before, after = activity(schedule=five), activity(schedule=five, quantity=2)
    found = walk(course(enrolled(at(2)), protocol((at(1), content(before)), (at(4), content(after)))))
    assert [(each.on.day, each.quantity) for each in found] == [(2, 1), (3, 1), (4, 2), (5, 2), (6, 2)]


def test_a_move_is_a_switch_like_any_other() -> None:
    left = protocol((at(1), content(MORNING)), also=[accepted(2, at(3, 9), target=2)])
    joined = protocol((at(1), content(activity(title="same timing"), AFTERNOON)), protocol_id=2)
    found = walk(course(enrolled(at(2)), left, joined), until_at=at(5))
    assert [(each.on.day, each.protocol_id, each.fate) for each in found] == [
        (2, 1, Fate.ASKED),
        (3, 1, Fate.ASKED),
        (4, 2, Fate.ASKED),
    ]


def test_nothing_is_asked_while_no_version_is_in_force() -> None:
    found = walk(course(enrolled(at(2)), protocol((at(4), content(MORNING)))), until_at=at(6))
    assert [each.on.day for each in found] == [4, 5]


# pauses, discharge


def test_a_pause_waives_what_is_open_and_what_opens_in_it() -> None:
    facts = enrolled(at(2), pauses=(Span(at(3, 9), at(5, 13)),))
    found = walk(course(facts, protocol((at(1), content(MORNING)))), until_at=at(7))
    assert [(each.on.day, each.fate, each.ended_at) for each in found] == [
        (2, Fate.ASKED, None),
        (3, Fate.WAIVED, at(3, 9)),
        (4, Fate.WAIVED, at(4, 8)),
        (5, Fate.WAIVED, at(5, 8)),
        (6, Fate.ASKED, None),
    ]


@pytest.mark.parametrize(("resumed_hour", "fate"), [(10, "asked"), (10.5, "waived")])
def test_on_resumption_only_windows_with_half_left_are_asked(resumed_hour: float, fate: str) -> None:
    facts = enrolled(at(2), pauses=(Span(at(3), at(4, resumed_hour)),))
    found = walk(course(facts, protocol((at(1), content(MORNING)))), until_at=at(5))
    assert told(found[-1]) == (4, "morning", fate, at(4, resumed_hour), at(4, 12))


def test_a_pause_within_a_window_asks_it_again_for_the_rest() -> None:
    facts = enrolled(at(2), pauses=(Span(at(3, 8.5), at(3, 9.5)),))
    found = walk(course(facts, protocol((at(1), content(MORNING)))), until_at=at(4))
    assert [(told(each), each.ended_at) for each in found[1:]] == [
        ((3, "morning", "waived", at(3, 8), at(3, 12)), at(3, 8.5)),
        ((3, "morning", "asked", at(3, 9.5), at(3, 12)), None),
    ]


def test_what_closed_before_a_pause_was_entered_into_is_finished() -> None:
    facts = enrolled(at(2), pauses=(Span(at(3, 12), None),))
    found = walk(course(facts, protocol((at(1), content(MORNING)))), until_at=at(4))
    assert [each.fate for each in found] == [Fate.ASKED, Fate.ASKED]


def test_a_discharge_waives_what_is_open_and_ends_everything() -> None:
    found = walk(course(enrolled(at(2), discharged_at=at(3, 9)), protocol((at(1), content(MORNING)))))
    assert [(each.on.day, each.fate, each.ended_at) for each in found] == [
        (2, Fate.ASKED, None),
        (3, Fate.WAIVED, at(3, 9)),
    ]


# zones


def test_an_open_one_keeps_the_zone_in_which_it_opened() -> None:
    # 08:00 to 12:00 in Amsterdam is 07:00 to 11:00 UTC in winter; the patient flies east at 09:00 UTC.
    facts = enrolled(at(2), zone="Europe/Amsterdam", zones=[(at(3, 9), "Asia/Tokyo")])
    found = walk(course(facts, protocol((at(1), content(MORNING)))), until_at=at(5))
    assert [told(each) for each in found] == [
        (2, "morning", "asked", at(2, 7), at(2, 11)),
        (3, "morning", "asked", at(3, 7), at(3, 11)),
        (4, "morning", "asked", at(3, 23), at(4, 3)),
        (5, "morning", "asked", at(4, 23), at(5, 3)),
    ]


def test_going_west_repeats_no_key() -> None:
    facts = enrolled(at(2), zone="Asia/Tokyo", zones=[(at(3, 4), "America/New_York")])
    found = walk(course(facts, protocol((at(1), content(MORNING)))), until_at=at(5))
    # Tokyo's morning of the 3rd was 23:00 to 03:00 UTC; New York's (13:00 to 17:00 UTC) is the same key.
    assert [told(each) for each in found if each.on.day >= 3] == [
        (3, "morning", "asked", at(2, 23), at(3, 3)),
        (4, "morning", "asked", at(4, 13), at(4, 17)),
    ]


@pytest.mark.parametrize(("west", "hours"), [("Pacific/Niue", 25), ("Etc/GMT+12", 26)])
def test_going_as_far_west_as_there_is_repeats_no_key(west: str, hours: int) -> None:
    short = activity("weight", window("noon", 12, 0.25), grace_minutes=0)
    # Noon of the 3rd in Kiritimati (UTC+14) is 22:00 UTC of the 2nd.
    facts = enrolled(at(1), zone="Pacific/Kiritimati", zones=[(at(2, 22.5), west)])
    found = walk(course(facts, protocol((at(1), content(short)))), until_at=at(6))
    assert len({each.key for each in found}) == len(found)
    assert [each.opens_at for each in found if each.on.day in (3, 4)] == [at(2, 22), at(3, 22 + hours)]


def test_what_went_on_over_a_move_is_not_asked_again_when_a_switch_supersedes_it_later() -> None:
    night = activity("weight", window("night", 20, 12))
    # Open from 20:00 UTC; in Amsterdam the same night began an hour earlier and ends an hour before the switch's E.
    facts = enrolled(at(2), zones=[(at(3, 21), "Europe/Amsterdam")])
    found = walk(course(facts, protocol((at(1), content(night)), (at(4, 7.5), content(MORNING)))), until_at=at(4, 7))
    assert [told(each) for each in found if each.on.day == 3] == [(3, "night", "superseded", at(3, 20), at(4, 8))]


def test_going_east_over_a_window_asks_it_at_once_or_not() -> None:
    # In New York at 06:00 (11:00 UTC) nothing opened yet; in Amsterdam it is 12:00 and the morning is over.
    facts = enrolled(at(2), zone="America/New_York", zones=[(at(3, 11), "Europe/Amsterdam")])
    found = walk(course(facts, protocol((at(1), content(MORNING)))), until_at=at(5))
    assert [each.on.day for each in found] == [2, 4]
    # At 09:00 UTC it is 10:00 in Amsterdam: half of the morning is left.
    facts = enrolled(at(2), zone="America/New_York", zones=[(at(3, 9), "Europe/Amsterdam")])
    found = walk(course(facts, protocol((at(1), content(MORNING)))), until_at=at(5))
    assert told(found[1]) == (3, "morning", "asked", at(3, 9), at(3, 11))


def test_a_local_date_that_was_skipped_has_no_occurrence() -> None:
    begins = datetime(2011, 12, 28, 12, tzinfo=UTC)
    facts = enrolled(begins, zone="Pacific/Apia", anchor_on=date(2011, 12, 28))
    found = course(facts, protocol((begins, content(activity()))))
    days = [
        each.on.day
        for each in walk(found, from_at=begins, until_at=datetime(2012, 1, 1, 12, tzinfo=UTC))
        if each.on.year == 2011
    ]
    assert days == [28, 29, 31]


# outages


def test_a_window_is_longer_by_the_outage_it_met() -> None:
    found = course(enrolled(at(2)), protocol((at(1), content(MORNING))), outages=[Span(at(3, 9), at(3, 10.5))])
    assert [(each.closes_at, each.judge_at) for each in walk(found, until_at=at(5))] == [
        (at(2, 12), at(2, 13)),
        (at(3, 13.5), at(3, 14.5)),
        (at(4, 12), at(4, 13)),
    ]


def test_an_outage_over_the_close_gives_back_what_it_took() -> None:
    found = course(enrolled(at(2)), protocol((at(1), content(MORNING))), outages=[Span(at(3, 11), at(3, 15))])
    assert walk(found)[1].closes_at == at(3, 16)
    # It can still be fulfilled after its nominal close, so whoever asks from there must find it.
    assert walk(found, from_at=at(3, 15.5))[0].on.day == 3


def test_what_was_not_asked_at_e_is_not_asked_because_of_a_later_outage() -> None:
    # Enrolled at 11:00 with a quarter of the window 08:00 to 12:00 left; the outage doubles what is left.
    found = course(enrolled(at(2, 11)), protocol((at(1), content(MORNING))), outages=[Span(at(2, 11.5), at(2, 15))])
    first, second = walk(found, until_at=at(4))
    assert (first.on.day, first.fate) == (2, Fate.WAIVED)
    assert (second.on.day, second.fate) == (3, Fate.ASKED)


def test_two_outages_add_up_also_when_the_second_falls_into_the_extension() -> None:
    outages = [Span(at(3, 11), at(3, 13)), Span(at(3, 13.5), at(3, 15))]
    found = course(enrolled(at(2)), protocol((at(1), content(MORNING))), outages=outages)
    assert walk(found)[1].closes_at == at(3, 15.5)


def test_an_extension_never_goes_past_the_next_opening() -> None:
    twice = activity("weight", window("morning", 8, 4), window("afternoon", 14, 4))
    found = course(enrolled(at(2)), protocol((at(1), content(twice))), outages=[Span(at(3, 9), at(3, 13))])
    assert [told(each) for each in walk(found) if each.on.day == 3] == [
        (3, "morning", "asked", at(3, 8), at(3, 14)),
        (3, "afternoon", "asked", at(3, 14), at(3, 18)),
    ]


def test_an_outage_while_nothing_is_open_changes_nothing() -> None:
    plain = course(enrolled(at(2)), protocol((at(1), content(MORNING))))
    found = course(enrolled(at(2)), protocol((at(1), content(MORNING))), outages=[Span(at(3, 12), at(4, 8))])
    assert walk(found) == walk(plain)


# events

AFTER_MEAL = activity(schedule=AfterEvent("meal", delay_minutes=60, lasts_minutes=60), grace_minutes=0)


def test_what_starts_with_an_event_is_asked_under_the_version_of_the_event() -> None:
    facts = enrolled(at(2), events=(PatientEvent("meal", at(3, 11.5)), PatientEvent("sleep", at(3, 12))))
    for after in (content(MORNING), content()):
        found = course(facts, protocol((at(1), content(AFTER_MEAL)), (at(3, 12), after)))
        first = walk(found)[0]
        assert told(first) == (3, "meal 11:30:00", "asked", at(3, 12.5), at(3, 13.5))
        assert first.version_number == 1


def test_an_event_under_the_new_version_starts_what_that_asks() -> None:
    facts = enrolled(at(2), events=(PatientEvent("meal", at(3, 12)),))
    assert walk(course(facts, protocol((at(1), content(AFTER_MEAL)), (at(3, 12), content(activity("pulse")))))) == []


def test_an_unrecorded_event_asks_nothing() -> None:
    assert walk(course(enrolled(at(2)), protocol((at(1), content(AFTER_MEAL))))) == []


def test_a_pause_waives_what_an_event_started() -> None:
    facts = enrolled(at(2), events=(PatientEvent("meal", at(3, 11)),), pauses=(Span(at(3, 12.5), None),))
    (found,) = walk(course(facts, protocol((at(1), content(AFTER_MEAL)))))
    assert (found.fate, found.ended_at) == (Fate.WAIVED, at(3, 12.5))


def test_a_pause_over_before_the_window_waives_nothing() -> None:
    facts = enrolled(at(2), events=(PatientEvent("meal", at(3, 11)),), pauses=(Span(at(3, 11.25), at(3, 11.75)),))
    (found,) = walk(course(facts, protocol((at(1), content(AFTER_MEAL)))))
    assert found.fate is Fate.ASKED


# the earliest undecided one


def test_the_earliest_undecided_is_the_one_judged_first() -> None:
    long_first = activity("weight", window("day", 6, 14), window("noon", 12, 1))
    found = course(enrolled(at(2)), protocol((at(1), content(long_first))))
    first = earliest_undecided(found, "weight", from_at=at(2), decided=set())
    assert first is not None
    assert first.slot == "noon"
    second = earliest_undecided(found, "weight", from_at=at(2), decided={first.key})
    assert second is not None
    assert (second.slot, second.on.day) == ("day", 2)


def test_many_decided_ones_do_not_hide_the_next() -> None:
    often = activity("weight", *(window(f"{hour}", hour, 0.5) for hour in range(24)), grace_minutes=0)
    found = course(enrolled(at(2)), protocol((at(1), content(often))))
    decided = {each.key for each in walk(found, until_at=at(2) + timedelta(days=60))}
    assert len(decided) == 1440
    first = earliest_undecided(found, "weight", from_at=at(2), decided=decided)
    assert first is not None
    assert first.opens_at == at(2) + timedelta(days=60)


def test_an_event_far_ahead_does_not_hide_what_a_later_version_asks_earlier() -> None:
    slow = activity(schedule=AfterEvent("meal", delay_minutes=600, lasts_minutes=60), grace_minutes=0)
    events = (PatientEvent("meal", at(2, 22.5)), PatientEvent("meal", at(3, 8)))
    quick = activity("weight", window("morning", 8.25, 0.25), grace_minutes=0)
    found = course(enrolled(at(2), events=events), protocol((at(1), content(slow)), (at(3, 8.1), content(quick))))
    first = earliest_undecided(found, "weight", from_at=at(2), decided=set())
    assert first is not None
    assert first.opens_at == at(3, 8.25)


def test_nothing_undecided_after_the_last_one() -> None:
    once = activity(schedule=Schedule(days=EveryDays(1), times=(window(),), count=1))
    found = course(enrolled(at(2)), protocol((at(1), content(once))))
    assert earliest_undecided(found, "weight", from_at=at(2), decided={(date(2026, 3, 2), "morning")}) is None


def test_cost_does_not_depend_on_how_long_ago_it_began() -> None:
    found = course(enrolled(at(2)), protocol((at(1), content(MORNING))))
    begun = clock.process_time()
    late = next(occurrences(found, "weight", from_at=at(2) + timedelta(days=20_000)))
    assert late.opens_at == at(2, 8) + timedelta(days=20_000)
    assert clock.process_time() - begun < 0.05


def test_many_switches_in_one_day_stay_cheap() -> None:
    often = [
        activity("weight", *(window(f"{hour}", hour, 3) for hour in range(24)), quantity=1 + n % 2) for n in range(40)
    ]
    world = protocol((at(1), content(MORNING)), *((at(3, n / 10), content(each)) for n, each in enumerate(often)))
    begun = clock.process_time()
    found = walk(course(enrolled(at(2)), world), until_at=at(6))
    assert clock.process_time() - begun < 3
    asked = [each.key for each in found if each.fate is Fate.ASKED]
    assert len(asked) == len(set(asked))
