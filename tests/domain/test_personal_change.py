"""Personal changes: which are allowed, what they change, and when they end."""

from dataclasses import dataclass, replace
from datetime import time
from decimal import Decimal

import pytest

from lockstep.domain.protocol import Activity, Content, Policy, applies, personal, require_change, value_of
from lockstep.domain.refusal import InvalidProtocol, LockedField, UnknownField
from lockstep.domain.rule import Limit, Missed
from lockstep.domain.schedule import EveryDays, Schedule, TimeOfDay

DAILY = Schedule(EveryDays(1), (TimeOfDay("morning", time(7), 180),))
HIGH = Limit("high", above=Decimal(120), unit="kg", severity="red")
WEIGHT = Activity("weight", "Weight", "29463-7", "kg", DAILY, rules=(HIGH, Missed("missed")))
CONTENT = Content("hf", "Heart failure", (WEIGHT,))


@dataclass(frozen=True)
class Kept:
    value: str | None
    replaced: str | None = None


def with_policy(policy: Policy, field: str, **fields: object) -> Content:
    activity = replace(WEIGHT, policies=((field, policy),), **fields)  # type: ignore[arg-type]
    return replace(CONTENT, activities=(activity,))


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        ("quantity", 3, "3"),
        ("grace_minutes", 45, "45"),
        ("plausible", {"low": 30, "high": 200.50}, '{"high":200.5,"low":30}'),
        ("plausible", None, "null"),
        ("rules", [], "[]"),
        (
            "rules.high",
            {"key": "high", "above": Decimal("110.0"), "severity": "red"},
            '{"above":110,"key":"high","kind":"limit","severity":"red","unit":"kg"}',
        ),
        (
            "schedule",
            {"every": "2 days", "times": [{"opens": "08:00", "lasts": "1h"}]},
            '{"every":"2 days","times":[{"closes":"09:00","label":"08:00","opens":"08:00"}]}',
        ),
    ],
)
def test_a_change_is_kept_canonically_and_applied(field: str, value: object, kept: str) -> None:
    assert require_change(CONTENT, "weight", field, value) == kept
    changed, count = personal(CONTENT, {("weight", field): Kept(kept)})
    assert count == 1
    assert value_of(changed, "weight", field) == kept
    # Applied to a content that says so already it changes nothing more.
    assert personal(changed, {("weight", field): Kept(kept)})[0] == changed


def test_a_rule_is_changed_alone() -> None:
    value = require_change(CONTENT, "weight", "rules.high", {"key": "high", "above": 100, "severity": "red"})
    changed, _ = personal(CONTENT, {("weight", "rules.high"): Kept(value)})
    assert changed.activities[0].rules == (replace(HIGH, above=Decimal(100)), Missed("missed"))


def test_unknown_fields_are_refused_with_what_there_is() -> None:
    for activity, field in (
        ("wieght", "quantity"),
        ("weight", "title"),
        ("weight", "rules.low"),
        ("weight", ""),
    ):
        with pytest.raises(UnknownField) as refused:
            require_change(CONTENT, activity, field, 1)
        assert refused.value.mend


def test_a_locked_field_is_refused() -> None:
    with pytest.raises(LockedField):
        require_change(with_policy(Policy.LOCKED, "rules"), "weight", "rules.high", {"key": "high", "above": 1})
    assert require_change(with_policy(Policy.LOCKED, "rules"), "weight", "quantity", 2) == "2"


@pytest.mark.parametrize(
    ("field", "value", "path"),
    [
        ("quantity", 0, "activities.weight.quantity"),
        ("grace_minutes", "2h", "activities.weight.grace_minutes"),
        ("schedule", {"every": "1 day"}, "activities.weight.schedule.times"),
        ("rules.high", {"key": "low", "above": 1}, "activities.weight.rules.high.key"),
        ("rules.high", {"key": "high", "above": 1, "unit": "Cel"}, "activities.weight.rules.high.unit"),
    ],
)
def test_a_faulty_value_is_refused_with_its_path(field: str, value: object, path: str) -> None:
    with pytest.raises(InvalidProtocol) as refused:
        require_change(CONTENT, "weight", field, value)
    assert refused.value.faults[0].path == path


def test_a_change_to_keep_stays_when_the_protocol_changes() -> None:
    after = with_policy(Policy.KEEP, "quantity", quantity=5)
    assert personal(after, {("weight", "quantity"): Kept("3", "1")})[0].activities[0].quantity == 3


def test_a_change_that_follows_ends_when_the_value_it_replaced_changes() -> None:
    same, other = with_policy(Policy.FOLLOW, "quantity"), with_policy(Policy.FOLLOW, "quantity", quantity=5)
    change = {("weight", "quantity"): Kept("3", "1")}
    assert (personal(same, change)[0].activities[0].quantity, personal(same, change)[1]) == (3, 1)
    assert (personal(other, change)[0].activities[0].quantity, personal(other, change)[1]) == (5, 0)
    assert applies(same, "weight", "quantity", "1")
    assert not applies(other, "weight", "quantity", "1")


def test_what_was_replaced_is_compared_as_json_not_as_text() -> None:
    content = with_policy(Policy.FOLLOW, "plausible", plausible=(Decimal(25), Decimal("350.5")))
    assert applies(content, "weight", "plausible", '{ "low": 25, "high": 350.50 }')
    assert not applies(content, "weight", "plausible", '{ "low": 25, "high": 350.51 }')
    assert not applies(content, "weight", "plausible", None)


def test_a_change_that_cannot_apply_is_left_out_without_an_error() -> None:
    locked = with_policy(Policy.LOCKED, "quantity")
    unit_changed = replace(CONTENT, activities=(replace(WEIGHT, unit="/min", rules=(HIGH,)),))
    value = '{"above":110,"key":"high","kind":"limit","severity":"red","unit":"kg"}'
    for content, key, kept in (
        (locked, ("weight", "quantity"), Kept("3", "1")),
        (CONTENT, ("pulse", "quantity"), Kept("3", "1")),
        (CONTENT, ("weight", "rules.low"), Kept("{}", "{}")),
        (CONTENT, ("weight", "quantity"), Kept(None, "1")),
        (unit_changed, ("weight", "rules.high"), Kept(value, value)),
    ):
        assert personal(content, {key: kept}) == (content, 0)
