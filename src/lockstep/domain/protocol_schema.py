"""The JSON Schema of protocol documents, made from the same limits as the reading of them."""

from typing import Any

from lockstep.domain import document, duration, schedule
from lockstep.domain import protocol_document as protocol
from lockstep.domain import schedule_document as recurrence
from lockstep.domain.rule import KINDS, OTHER_KINDS, SEVERITIES

ADDRESS = "https://lockstep.example/protocol.schema.json"
_KEY = {"type": "string", "pattern": document.KEY}
_TIME = {"type": "string", "pattern": document.TIME, "examples": ["07:30"]}
_DATE = {"type": "string", "pattern": document.DATE, "examples": ["2026-11-23"]}
_LENGTH = {
    "anyOf": [{"type": "string", "pattern": duration.PATTERN}, {"const": 0}],
    "description": "A length of time with its unit.",
    "examples": ["90 min", "2h", "1 day 12h"],
}
_NUMBER = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^-?[0-9]{1,15}(\.[0-9]{1,15})?$"}]}


def json_schema() -> dict[str, Any]:
    """The schema (draft 2020-12); what it refuses `parse` refuses, which knows more than a schema can."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ADDRESS,
        "title": "Protocol",
        "description": "The content of one version of a protocol.",
        **_object(
            {
                "key": _KEY,
                "title": _text(1),
                "note": _text(0, "Words for people: sources, warnings."),
                "on_switch": {"$ref": "#/$defs/on_switch"},
                "activities": _list({"$ref": "#/$defs/activity"}, 0, protocol.MOST_ACTIVITIES),
            },
            ("key", "title", "activities"),
        ),
        "$defs": {
            "activity": _activity(),
            "schedule": {"oneOf": [_after(), _recurring()]},
            "window": _window(),
            "rule": {"oneOf": [_limit(), _missed(), _other()]},
            "on_switch": _on_switch(),
        },
    }


def _activity() -> dict[str, Any]:
    properties = {
        "key": _KEY,
        "title": _text(1),
        "note": _text(0),
        "code": _text(1, "What is measured: a LOINC code, or a local one."),
        "unit": _text(0, "UCUM; left out for answers."),
        "plausible": _object({"low": _NUMBER, "high": _NUMBER}, ("low", "high")),
        "schedule": {"$ref": "#/$defs/schedule"},
        "grace": {**_LENGTH, "description": "How long after its close an answer still counts, as late."},
        "quantity": _whole(1, protocol.MOST_QUANTITY),
        "rules": _list({"$ref": "#/$defs/rule"}, 0, protocol.MOST_RULES),
        "personal": _object({name: {"enum": list(protocol.POLICIES)} for name in protocol.POLICY_FIELDS}),
    }
    return _object(properties, ("key", "title", "code", "schedule"))


def _after() -> dict[str, Any]:
    inner = _object({"event": _text(1), "delay": _LENGTH, "lasts": _LENGTH}, ("event", "lasts"))
    return _object({"after": inner}, ("after",))


def _recurring() -> dict[str, Any]:
    properties = {
        "every": {"type": "string", "pattern": recurrence.EVERY, "examples": ["1 day", "2 weeks", "1 month"]},
        "offset_days": _whole(0, schedule.MOST_DAYS),
        "weekdays": _list({"enum": list(recurrence.WEEKDAYS)}, 1, 7),
        "month_days": _list(_whole(-31, 31), 1, recurrence.MOST_DAYS),
        "month_weekdays": _list({"type": "string", "pattern": recurrence.MONTH_WEEKDAY}, 1, 49),
        "days": {
            **_list(_whole(0, schedule.MOST_DAYS), 1, recurrence.MOST_DAYS),
            "description": "Days after the anchor, which is 0; repeated if every is given.",
        },
        "times": _list({"$ref": "#/$defs/window"}, 1, recurrence.MOST_TIMES),
        "anchor": _DATE,
        "from_day": _whole(0, schedule.MOST_DAYS),
        "for_days": _whole(1, schedule.MOST_DAYS),
        "from": _DATE,
        "until": _DATE,
        "count": _whole(1, schedule.MOST_WINDOWS),
    }
    assert tuple(sorted(properties)) == tuple(sorted(recurrence.FIELDS))
    return {**_object(properties, ("times",)), "anyOf": [{"required": ["every"]}, {"required": ["days"]}]}


def _window() -> dict[str, Any]:
    closes = {
        "anyOf": [_TIME, {"const": "24:00"}],
        "description": "On the next day when not after the opening.",
    }
    properties = {"label": _text(1), "opens": _TIME, "closes": closes, "lasts": _LENGTH}
    ends = [{"required": ["closes"]}, {"required": ["lasts"]}]
    return {**_object(properties, ("opens",)), "oneOf": ends}


def _limit() -> dict[str, Any]:
    bounds = {name: {"type": "number"} for name in ("below", "above", "at_or_below", "at_or_above")}
    properties = {
        "key": _KEY,
        "kind": {"const": "limit"},
        **bounds,
        "unit": _text(0, "That of the activity if left out."),
        "severity": {"enum": list(SEVERITIES)},
        "decimals": {"anyOf": [_whole(0, 9), {"type": "null"}]},
    }
    properties |= {name: {"anyOf": [bound, {"type": "null"}]} for name, bound in bounds.items()}
    return {**_object(properties, ("key",)), "anyOf": [{"required": [name]} for name in bounds]}


def _missed() -> dict[str, Any]:
    properties = {
        "key": _KEY,
        "kind": {"const": "missed"},
        "in_a_row": _whole(1, 100),
        "severity": {"enum": list(SEVERITIES)},
    }
    return _object(properties, ("key", "kind"))


def _other() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "Kept and shown, not judged by this release.",
        "properties": {"key": _KEY, "kind": {"enum": list(OTHER_KINDS)}},
        "required": ["key", "kind"],
    }


def _on_switch() -> dict[str, Any]:
    share = {"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "string"}]}
    quiet = _object({"from": _TIME, "until": _TIME}, ("from", "until"))
    properties = {"ask_at_once": share, "quiet": quiet, "keep_alerts_of_removed": {"type": "boolean"}}
    return _object(properties)


def _object(properties: dict[str, Any], required: tuple[str, ...] = ()) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    return made | ({"required": list(required)} if required else {})


def _list(items: dict[str, Any], least: int, most: int) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


def _text(least: int, description: str = "") -> dict[str, Any]:
    made: dict[str, Any] = {"type": "string", "minLength": least}
    return made | ({"description": description} if description else {})


def _whole(least: int, most: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": most}


assert set(KINDS) == {"limit", "missed", *OTHER_KINDS}
