"""What differs between two versions, and whether schedules are concerned."""

from dataclasses import replace
from datetime import time
from decimal import Decimal

from lockstep.domain.protocol import (
    Activity,
    Change,
    Content,
    OnSwitch,
    Policy,
    compare,
    concerns_schedules,
    same_timing,
)
from lockstep.domain.rule import Limit, Missed
from lockstep.domain.schedule import EveryDays, Schedule, TimeOfDay

DAILY = Schedule(EveryDays(1), (TimeOfDay("morning", time(7), 180),))
WEIGHT = Activity("weight", "Weight", "29463-7", "kg", DAILY, rules=(Limit("high", above=Decimal(120), unit="kg"),))
PULSE = Activity("pulse", "Pulse", "8867-4", "/min", DAILY)
BEFORE = Content("hf", "Heart failure", (WEIGHT, PULSE))


def with_weight(**fields: object) -> Content:
    return replace(BEFORE, activities=(replace(WEIGHT, **fields), PULSE))  # type: ignore[arg-type]


def only(after: Content) -> Change:
    (change,) = compare(BEFORE, after)
    return change


def test_equal_contents_do_not_differ() -> None:
    assert compare(BEFORE, BEFORE) == ()


def test_words_concern_nobody() -> None:
    assert only(replace(BEFORE, note="new")) == Change("note", "", "new", "words")
    assert only(with_weight(title="Body weight")).concerns == "words"
    assert not concerns_schedules(BEFORE, with_weight(note="measure it undressed"))


def test_what_is_asked_concerns_schedules() -> None:
    every_second = replace(DAILY, days=EveryDays(2))
    change = only(with_weight(schedule=every_second))
    assert (change.path, change.concerns) == ("activities.weight.schedule", "schedule")
    assert change.after["every"] == "2 days"
    assert only(with_weight(grace_minutes=60)) == Change("activities.weight.grace", None, "1h", "schedule")
    assert only(with_weight(quantity=2)) == Change("activities.weight.quantity", None, 2, "schedule")
    assert only(replace(BEFORE, on_switch=OnSwitch(Decimal("0.25")))).concerns == "schedule"


def test_an_activity_more_or_less_concerns_schedules() -> None:
    less = replace(BEFORE, activities=(WEIGHT,))
    assert only(less).path == "activities.pulse"
    assert only(less).after is None
    assert compare(less, BEFORE)[0].before is None
    assert concerns_schedules(less, BEFORE)


def test_rules_are_compared_by_key() -> None:
    higher = Limit("high", above=Decimal(130), unit="kg")
    change = only(with_weight(rules=(higher,)))
    assert (change.path, change.concerns) == ("activities.weight.rules.high", "rules")
    assert (change.before["above"], change.after["above"]) == (120, 130)
    assert only(with_weight(rules=(*WEIGHT.rules, Missed("missed")))).path == "activities.weight.rules.missed"
    assert not concerns_schedules(BEFORE, with_weight(rules=()))


def test_policies_are_compared_by_field() -> None:
    change = only(with_weight(policies=(("rules", Policy.LOCKED),)))
    assert change == Change("activities.weight.personal.rules", "keep", "locked", "rules")


def test_an_order_is_only_words() -> None:
    change = only(replace(BEFORE, activities=(PULSE, WEIGHT)))
    assert (change.path, change.concerns) == ("activities", "words")


def test_which_activities_keep_their_timing() -> None:
    assert same_timing(BEFORE, with_weight(title="x", rules=())) == {"weight", "pulse"}
    assert same_timing(BEFORE, with_weight(grace_minutes=5)) == {"pulse"}
