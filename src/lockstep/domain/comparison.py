"""What differs between two contents, and whether it concerns schedules, rules or only words."""

from dataclasses import dataclass
from typing import Any, Literal

from lockstep.domain.content import Activity, Content, Policy, timing
from lockstep.domain.protocol_document import activity_document, to_document
from lockstep.domain.rule import Rule, rule_document

Concern = Literal["schedule", "rules", "words"]

# What a field of the activity's document concerns. A code decides which measurements count, a unit what
# limits mean.
_CONCERNS: dict[str, Concern] = {
    "title": "words",
    "note": "words",
    "code": "rules",
    "unit": "rules",
    "plausible": "rules",
    "schedule": "schedule",
    "grace": "schedule",
    "quantity": "schedule",
}


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: `before` and `after` are plain JSON values, None where there was or is nothing."""

    path: str
    before: Any
    after: Any
    concerns: Concern


def compare(before: Content, after: Content) -> tuple[Change, ...]:
    """Every difference, with paths by activity and rule key (activities.weight.grace), in document order."""
    changes = [*_words(before, after), *_on_switch(before, after)]
    for activity in before.activities:
        path = f"activities.{activity.key}"
        other = after.activity(activity.key)
        if other is None:
            changes.append(Change(path, activity_document(activity), None, "schedule"))
        else:
            changes.extend(_activity(path, activity, other))
    for activity in after.activities:
        if before.activity(activity.key) is None:
            changes.append(Change(f"activities.{activity.key}", None, activity_document(activity), "schedule"))
    return (*changes, *_order(before, after))


def concerns_schedules(before: Content, after: Content) -> bool:
    """Whether the difference matters to schedules, so that a switch draws a generation for them."""
    return any(change.concerns == "schedule" for change in compare(before, after))


def same_timing(before: Content, after: Content) -> frozenset[str]:
    """The keys of the activities in both whose schedule, grace and quantity are equal."""
    pairs = ((activity, after.activity(activity.key)) for activity in before.activities)
    return frozenset(one.key for one, other in pairs if other is not None and timing(one) == timing(other))


def _words(before: Content, after: Content) -> list[Change]:
    fields = ("key", "title", "note")
    pairs = ((name, getattr(before, name), getattr(after, name)) for name in fields)
    return [Change(name, one, other, "words") for name, one, other in pairs if one != other]


def _on_switch(before: Content, after: Content) -> list[Change]:
    one, other = to_document(before).get("on_switch", {}), to_document(after).get("on_switch", {})
    # What is asked at once after a switch or a pause depends on the first two; one recalculation too many
    # harms nobody.
    concerns: dict[str, Concern] = {
        "ask_at_once": "schedule",
        "quiet": "schedule",
        "keep_alerts_of_removed": "rules",
    }
    return [
        Change(f"on_switch.{name}", one.get(name), other.get(name), concern)
        for name, concern in concerns.items()
        if one.get(name) != other.get(name)
    ]


def _activity(path: str, before: Activity, after: Activity) -> list[Change]:
    if before == after:
        return []
    one, other = activity_document(before), activity_document(after)
    changes = [
        Change(f"{path}.{name}", one.get(name), other.get(name), concern)
        for name, concern in _CONCERNS.items()
        if one.get(name) != other.get(name)
    ]
    return [*changes, *_rules(path, before.rules, after.rules), *_policies(path, before, after)]


def _rules(path: str, before: tuple[Rule, ...], after: tuple[Rule, ...]) -> list[Change]:
    one = {rule.key: rule_document(rule) for rule in before}
    other = {rule.key: rule_document(rule) for rule in after}
    changes = [
        Change(f"{path}.rules.{key}", one.get(key), other.get(key), "rules")
        for key in dict.fromkeys((*one, *other))
        if one.get(key) != other.get(key)
    ]
    if list(one) != list(other) and set(one) == set(other):
        changes.append(Change(f"{path}.rules", list(one), list(other), "words"))
    return changes


def _policies(path: str, before: Activity, after: Activity) -> list[Change]:
    one, other = dict(before.policies), dict(after.policies)
    timed = ("schedule", "grace_minutes", "quantity")
    return [
        Change(
            f"{path}.personal.{field}",
            one.get(field, Policy.KEEP).value,
            other.get(field, Policy.KEEP).value,
            "schedule" if field in timed else "rules",
        )
        for field in sorted({*one, *other})
        if one.get(field) != other.get(field)
    ]


def _order(before: Content, after: Content) -> list[Change]:
    one = [activity.key for activity in before.activities]
    other = [activity.key for activity in after.activities]
    if one == other or set(one) != set(other):
        return []
    return [Change("activities", one, other, "words")]
