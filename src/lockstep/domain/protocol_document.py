"""The protocol document: plain values in, content out, and back, with every fault named."""

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from lockstep.domain import duration
from lockstep.domain.content import Activity, Content, OnSwitch, Policy
from lockstep.domain.document import Reading, joined, plain
from lockstep.domain.refusal import InvalidMeasurement
from lockstep.domain.rule import Limit, Rule, parse_rule, rule_document
from lockstep.domain.schedule_document import read_schedule, schedule_document
from lockstep.domain.unit import convertible, require_unit

CONTENT_FIELDS = ("key", "title", "note", "on_switch", "activities")
ACTIVITY_FIELDS = (
    "key", "title", "note", "code", "unit", "plausible", "schedule", "grace", "quantity", "rules", "personal",
)  # fmt: skip
ON_SWITCH_FIELDS = ("ask_at_once", "quiet", "keep_alerts_of_removed")
# A field of an activity as the document names it, and as personal changes do (units stand last in a name).
POLICY_FIELDS = {
    "schedule": "schedule",
    "grace": "grace_minutes",
    "quantity": "quantity",
    "rules": "rules",
    "plausible": "plausible",
}
POLICIES = tuple(policy.value for policy in Policy)
MOST_ACTIVITIES = 200
MOST_RULES = 50
MOST_QUANTITY = 100
MOST_GRACE_MINUTES = 60 * 1440
MOST_NOTE = 20_000
MOST_DEPTH = 12


def parse(document: Mapping[str, Any]) -> Content:
    """The content that the document describes; raises InvalidProtocol with every fault, path and mend."""
    reading = Reading()
    content = _content(document, reading)
    reading.finish()
    return content


def to_document(content: Content) -> dict[str, Any]:
    """The document of a content in plain JSON values, without defaults; parse gives the content back."""
    document: dict[str, Any] = {"key": content.key, "title": content.title}
    if content.note:
        document["note"] = content.note
    if on_switch := _on_switch_document(content.on_switch):
        document["on_switch"] = on_switch
    document["activities"] = [activity_document(activity) for activity in content.activities]
    return document


def canonical(content: Content) -> str:
    """The one text of a content: JSON, keys sorted, no blanks."""
    return canonical_json(to_document(content))


def canonical_json(value: object) -> str:
    """The one JSON text of a plain value: keys sorted, no blanks."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def content_hash(content: Content) -> str:
    """SHA-256 of the canonical text, in hexadecimal; equal contents have equal hashes."""
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def _content(document: object, reading: Reading) -> Content:
    found = reading.mapping(document, "", CONTENT_FIELDS, ("key", "title", "activities"))
    key = reading.key(found["key"], "key") if "key" in found else ""
    title = reading.text(found["title"], "title", least=1) if "title" in found else ""
    note = reading.text(found.get("note", ""), "note", most=MOST_NOTE)
    on_switch = _on_switch(found["on_switch"], "on_switch", reading) if "on_switch" in found else OnSwitch()
    activities = _activities(found["activities"], "activities", reading) if "activities" in found else ()
    return Content(key, title, activities, on_switch, note)


def _activities(value: object, path: str, reading: Reading) -> tuple[Activity, ...]:
    made: list[Activity] = []
    seen: dict[str, str] = {}
    for where, item in reading.items(value, path, most=MOST_ACTIVITIES):
        activity = _activity(item, where, reading)
        if activity.key and activity.key in seen:
            what = f"The key {activity.key} is used already at {seen[activity.key]}"
            reading.fault(joined(where, "key"), what, "Give every activity a key of its own.")
        seen.setdefault(activity.key, where)
        made.append(activity)
    return tuple(made)


def _activity(value: object, path: str, reading: Reading) -> Activity:
    found = reading.mapping(value, path, ACTIVITY_FIELDS, ("key", "title", "code", "schedule"))
    unit = read_unit(found.get("unit", ""), joined(path, "unit"), reading)
    code = reading.text(found["code"], joined(path, "code"), least=1, most=80) if "code" in found else ""
    rules = read_rules(found.get("rules", []), joined(path, "rules"), reading, unit=unit, code=code)
    schedule = read_schedule(found["schedule"], joined(path, "schedule"), reading) if "schedule" in found else None
    grace = reading.minutes(found.get("grace", 0), joined(path, "grace"), most=MOST_GRACE_MINUTES)
    quantity = reading.whole(found.get("quantity", 1), joined(path, "quantity"), least=1, most=MOST_QUANTITY)
    plausible = read_plausible(found["plausible"], joined(path, "plausible"), reading) if "plausible" in found else None
    policies = _policies(found["personal"], joined(path, "personal"), reading) if "personal" in found else ()
    return Activity(
        key=reading.key(found["key"], joined(path, "key")) if "key" in found else "",
        title=reading.text(found["title"], joined(path, "title"), least=1) if "title" in found else "",
        code=code,
        unit=unit,
        # Where the schedule is faulty the content is never handed out: the reading ends in a refusal.
        schedule=schedule,  # type: ignore[arg-type]
        grace_minutes=grace or 0,
        quantity=quantity or 1,
        rules=rules,
        policies=policies,
        plausible=plausible,
        note=reading.text(found.get("note", ""), joined(path, "note"), most=MOST_NOTE),
    )


def read_unit(value: object, path: str, reading: Reading) -> str:
    """The UCUM code of a unit; empty for answers."""
    text = reading.text(value, path, most=40)
    try:
        return require_unit(text)
    except InvalidMeasurement as refusal:
        reading.fault(path, refusal.what, refusal.mend)
        return ""


def read_plausible(value: object, path: str, reading: Reading) -> tuple[Decimal, Decimal] | None:
    """The lowest and the highest believable value."""
    found = reading.mapping(value, path, ("low", "high"), ("low", "high"))
    if "low" not in found or "high" not in found:
        return None
    low = reading.number(found["low"], joined(path, "low"))
    high = reading.number(found["high"], joined(path, "high"))
    if low is None or high is None:
        return None
    if low >= high:
        reading.fault(path, "low is not below high", "Exchange them.")
        return None
    return (low, high)


def read_rules(value: object, path: str, reading: Reading, *, unit: str, code: str) -> tuple[Rule, ...]:
    """The rules of an activity; a limit without a unit is in that of the activity."""
    made: list[Rule] = []
    for where, item in reading.items(value, path, most=MOST_RULES):
        rule = read_rule(item, where, reading, unit=unit, code=code)
        if rule is None:
            continue
        if any(rule.key == other.key for other in made):
            reading.fault(joined(where, "key"), f"The key {rule.key} is used already", "Give every rule its own.")
        made.append(rule)
    return tuple(made)


def read_rule(value: object, path: str, reading: Reading, *, unit: str, code: str) -> Rule | None:
    """One rule, or None after writing its faults down."""
    if not _is_plain(value, path, reading):
        return None
    if isinstance(value, Mapping) and "unit" not in value and value.get("kind", "limit") == "limit":
        value = {**value, "unit": unit}
    rule = reading.attempt(path, lambda: parse_rule(value, path))
    if rule is None:
        return None
    if not reading.key(rule.key, joined(path, "key")):
        return None
    if isinstance(rule, Limit) and not convertible(rule.unit, unit, code):
        what = f"A limit in {rule.unit or 'no unit'} cannot be held against values in {unit or 'no unit'}"
        reading.fault(joined(path, "unit"), what, f"Write the limit in {unit}." if unit else "Remove the unit.")
        return None
    return rule


def _is_plain(value: object, path: str, reading: Reading, depth: int = 0) -> bool:
    """Whether all texts within can be stored; rules of other kinds are kept as they stand."""
    if depth > MOST_DEPTH:
        reading.fault(path, "This is nested too deeply", f"Keep it within {MOST_DEPTH} levels.")
        return False
    if isinstance(value, str):
        before = len(reading.faults)
        reading.text(value, path, most=MOST_NOTE)
        return len(reading.faults) == before
    if isinstance(value, Mapping):
        inner = [(joined(path, str(key)), part) for key, item in value.items() for part in (key, item)]
    else:
        inner = [(f"{path}[{n}]", item) for n, item in enumerate(value)] if isinstance(value, list | tuple) else []
    found = [_is_plain(item, where, reading, depth + 1) for where, item in inner]
    return all(found)


def _policies(value: object, path: str, reading: Reading) -> tuple[tuple[str, Policy], ...]:
    found = reading.mapping(value, path, tuple(POLICY_FIELDS))
    made = []
    for name, field in POLICY_FIELDS.items():
        if name in found and (word := reading.choice(found[name], joined(path, name), POLICIES)) is not None:
            made.append((field, Policy(word)))
    # Keep is the default: said or not said, the content is the same.
    return tuple(sorted(pair for pair in made if pair[1] is not Policy.KEEP))


def _on_switch(value: object, path: str, reading: Reading) -> OnSwitch:
    found = reading.mapping(value, path, ON_SWITCH_FIELDS)
    share = reading.number(found.get("ask_at_once", "0.5"), joined(path, "ask_at_once"))
    if share is not None and not 0 <= share <= 1:
        reading.fault(joined(path, "ask_at_once"), f"{share} is not a share", "Write a number from 0 to 1.")
    keep = reading.flag(found.get("keep_alerts_of_removed", True), joined(path, "keep_alerts_of_removed"))
    quiet_from = quiet_until = None
    if "quiet" in found:
        inner = joined(path, "quiet")
        quiet = reading.mapping(found["quiet"], inner, ("from", "until"), ("from", "until"))
        quiet_from = reading.time(quiet["from"], joined(inner, "from")) if "from" in quiet else None
        quiet_until = reading.time(quiet["until"], joined(inner, "until")) if "until" in quiet else None
        if quiet_from is not None and quiet_from == quiet_until:
            reading.fault(inner, "The quiet hours end when they begin", "Leave quiet out, or write two times.")
    return OnSwitch(Decimal(0) if share is None else share, quiet_from, quiet_until, bool(keep))


def activity_document(activity: Activity) -> dict[str, Any]:
    """The document of one activity, defaults left out."""
    document: dict[str, Any] = {"key": activity.key, "title": activity.title, "code": activity.code}
    if activity.unit:
        document["unit"] = activity.unit
    if activity.note:
        document["note"] = activity.note
    if activity.plausible is not None:
        document["plausible"] = plausible_document(activity.plausible)
    document["schedule"] = schedule_document(activity.schedule)
    if activity.grace_minutes:
        document["grace"] = duration.in_words(activity.grace_minutes)
    if activity.quantity != 1:
        document["quantity"] = activity.quantity
    if activity.rules:
        document["rules"] = [rule_document(rule) for rule in activity.rules]
    if activity.policies:
        names = {field: name for name, field in POLICY_FIELDS.items()}
        document["personal"] = {names[field]: policy.value for field, policy in activity.policies}
    return document


def plausible_document(plausible: tuple[Decimal, Decimal]) -> dict[str, Any]:
    """The document of a plausible range."""
    return {"low": plain(plausible[0]), "high": plain(plausible[1])}


def _on_switch_document(on_switch: OnSwitch) -> dict[str, Any]:
    document: dict[str, Any] = {}
    if on_switch.ask_at_once != Decimal("0.5"):
        document["ask_at_once"] = plain(on_switch.ask_at_once)
    if on_switch.quiet_from is not None and on_switch.quiet_until is not None:
        document["quiet"] = {
            "from": on_switch.quiet_from.isoformat("minutes" if not on_switch.quiet_from.second else "seconds"),
            "until": on_switch.quiet_until.isoformat("minutes" if not on_switch.quiet_until.second else "seconds"),
        }
    if not on_switch.keep_alerts_of_removed:
        document["keep_alerts_of_removed"] = False
    return document
