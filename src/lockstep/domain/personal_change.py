"""A value of the protocol changed for one patient: which fields can be, and what the changed activity is."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, Protocol

from lockstep.domain.content import Activity, Content, Policy
from lockstep.domain.document import Reading
from lockstep.domain.protocol_document import (
    MOST_GRACE_MINUTES,
    MOST_QUANTITY,
    canonical_json,
    plausible_document,
    read_plausible,
    read_rule,
    read_rules,
)
from lockstep.domain.refusal import LockedField, UnknownField
from lockstep.domain.rule import rule_document
from lockstep.domain.schedule_document import read_schedule, schedule_document

FIELDS = ("schedule", "grace_minutes", "quantity", "plausible", "rules")


class Stored(Protocol):
    """A personal change as it is kept: canonical JSON of its value, and of the protocol's at that time."""

    @property
    def value(self) -> str | None: ...
    @property
    def replaced(self) -> str | None: ...


def personal(content: Content, changes: Mapping[tuple[str, str], Stored]) -> tuple[Content, int]:
    """The content with the changes that still apply, and how many they are; never raises.

    A change does not apply when its activity or field is gone, when the field is locked, or when the policy
    is *follow* and the protocol's value is no longer the one it replaced. Acceptance refuses versions that
    would lock or remove a field with live changes, so the first two happen only where a clinician signed.
    """
    applied = 0
    activities = {activity.key: activity for activity in content.activities}
    for (key, field), change in sorted(changes.items()):
        activity = activities.get(key)
        if activity is not None and change.value is not None and applies(content, key, field, change.replaced):
            changed = _changed(activity, field, change.value)
            applied += changed is not None
            activities[key] = changed or activity
    return replace(content, activities=tuple(activities.values())), applied


def applies(content: Content, activity_key: str, field: str, replaced: str | None) -> bool:
    """Whether a change of this field, made when the protocol said `replaced`, applies under this content."""
    try:
        activity = _activity(content, activity_key)
        own = _own(activity, field)
    except UnknownField:
        return False
    policy = activity.policy(field)
    return policy is Policy.KEEP or (policy is Policy.FOLLOW and own == _canonical(replaced))


def fits(content: Content, activity_key: str, field: str, value: str | None) -> bool:
    """Whether the stored value can be read for this activity of the content (its unit may be another now)."""
    activity = content.activity(activity_key)
    return activity is not None and value is not None and _changed(activity, field, value) is not None


def value_of(content: Content, activity_key: str, field: str) -> str:
    """The protocol's own value of a field as canonical JSON; raises UnknownField."""
    return _own(_activity(content, activity_key), field)


def require_change(content: Content, activity_key: str, field: str, value: object) -> str:
    """The canonical JSON of a value that may be set for one patient.

    Fields: schedule, grace_minutes (minutes), quantity, plausible, rules (all of them) or rules.<key> (one).
    Raises UnknownField, LockedField, or InvalidProtocol with every fault of the value.
    """
    activity = _activity(content, activity_key)
    _own(activity, field)
    where = f"activities.{activity_key}.{field}"
    if activity.policy(field) is Policy.LOCKED:
        raise LockedField(where=where, mend="Change the protocol instead.")
    reading = Reading()
    changed = _read(activity, field, value, where, reading)
    reading.finish()
    assert changed is not None
    return _own(changed, field)


def _activity(content: Content, key: str) -> Activity:
    activity = content.activity(key)
    if activity is None:
        known = ", ".join(each.key for each in content.activities)
        raise UnknownField(f"There is no activity {key[:80]!r}", where="activities", mend=f"It has: {known}.")
    return activity


def _own(activity: Activity, field: str) -> str:
    made: dict[str, Callable[[], Any]] = {
        "schedule": lambda: schedule_document(activity.schedule),
        "grace_minutes": lambda: activity.grace_minutes,
        "quantity": lambda: activity.quantity,
        "plausible": lambda: plausible_document(activity.plausible) if activity.plausible else None,
        "rules": lambda: [rule_document(rule) for rule in activity.rules],
    }
    made |= {f"rules.{rule.key}": (lambda rule=rule: rule_document(rule)) for rule in activity.rules}  # type: ignore[misc]
    if field not in made:
        mend = f"These can be changed: {', '.join(made)}."
        raise UnknownField(f"There is no field {field[:80]!r}", where=f"activities.{activity.key}", mend=mend)
    return canonical_json(made[field]())


@lru_cache(maxsize=20_000)
def _canonical(text: str | None) -> str | None:
    """The canonical text of stored JSON: jsonb comes back with blanks and in an order of its own."""
    return None if text is None else canonical_json(json.loads(text))


@lru_cache(maxsize=20_000)
def _changed(activity: Activity, field: str, value: str) -> Activity | None:
    """The activity with the stored value, or None when it no longer fits (the unit changed, say)."""
    reading = Reading()
    changed = _read(activity, field, json.loads(value), "value", reading)
    return None if reading.faults else changed


def _read(activity: Activity, field: str, value: object, path: str, reading: Reading) -> Activity | None:
    if field == "schedule":
        schedule = read_schedule(value, path, reading)
        return None if schedule is None else replace(activity, schedule=schedule)
    if field == "grace_minutes":
        grace = reading.whole(value, path, least=0, most=MOST_GRACE_MINUTES)
        return None if grace is None else replace(activity, grace_minutes=grace)
    if field == "quantity":
        quantity = reading.whole(value, path, least=1, most=MOST_QUANTITY)
        return None if quantity is None else replace(activity, quantity=quantity)
    if field == "plausible":
        plausible = None if value is None else read_plausible(value, path, reading)
        return replace(activity, plausible=plausible)
    if field == "rules":
        rules = read_rules(value, path, reading, unit=activity.unit, code=activity.code)
        return replace(activity, rules=rules)
    return _with_rule(activity, field.removeprefix("rules."), value, path, reading)


def _with_rule(activity: Activity, key: str, value: object, path: str, reading: Reading) -> Activity | None:
    rule = read_rule(value, path, reading, unit=activity.unit, code=activity.code)
    if rule is None:
        return None
    if rule.key != key:
        reading.fault(f"{path}.key", f"This is the rule {rule.key}, not {key}", "Keep the rule's key.")
        return None
    return replace(activity, rules=tuple(rule if own.key == key else own for own in activity.rules))
