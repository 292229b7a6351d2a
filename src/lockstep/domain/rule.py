"""What makes a measurement, or its absence, an alert."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import Literal, TypeVar, get_args

from lockstep.domain.refusal import Fault, InvalidMeasurement, InvalidProtocol, short, shown
from lockstep.domain.unit import convert, require_number, require_unit, round_half_up

Severity = Literal["red", "orange", "grey"]
T = TypeVar("T")
SEVERITIES: tuple[Severity, ...] = get_args(Severity)

# The kinds of rules that protocols.md names beyond limits and missed occurrences: kept, not yet judged.
OTHER_KINDS = (
    "limit per context",
    "change",
    "average",
    "baseline",
    "n of m",
    "combination",
    "score",
    "recheck",
    "minimum of data",
    "personal best",
    "move",
)
KINDS = ("limit", "missed", *OTHER_KINDS)


@dataclass(frozen=True, slots=True)
class Limit:
    """An alert for a value beyond a bound, in `unit`, after rounding half up to `decimals` when given."""

    key: str
    below: Decimal | None = None
    above: Decimal | None = None
    at_or_below: Decimal | None = None
    at_or_above: Decimal | None = None
    unit: str = ""
    severity: Severity = "orange"
    decimals: int | None = None


@dataclass(frozen=True, slots=True)
class Missed:
    """An alert for missed occurrences, `in_a_row` of them."""

    key: str
    in_a_row: int = 1
    severity: Severity = "grey"


@dataclass(frozen=True, slots=True)
class OtherRule:
    """A rule of a kind this release keeps and shows but does not judge; `body` is its canonical JSON."""

    key: str
    kind: str
    body: str


Rule = Limit | Missed | OtherRule

_BOUNDS = ("below", "above", "at_or_below", "at_or_above")
_LONGEST_KEY = 64
_LONGEST_BODY = 20_000


def is_severer(one: Severity, other: Severity) -> bool:
    """Whether the one is more severe than the other: red than orange than grey."""
    return SEVERITIES.index(one) < SEVERITIES.index(other)


def breaks(limit: Limit, value: Decimal, unit: str, code: str = "") -> bool:
    """Whether `value`, given in `unit`, is beyond the limit; `code` says of what, for mg/dL against mmol/L.

    The value is converted to the limit's unit and, when the limit says so, rounded half up first: 140 mg/dL
    glucose is 7.8 mmol/L to one decimal and decides like 7.8 (NICE NG3 gives its targets in mmol/L to one
    decimal). Raises InvalidMeasurement when the units measure different things.
    """
    own = convert(value, unit, limit.unit, code)
    if limit.decimals is not None:
        own = round_half_up(own, limit.decimals)
    return (
        (limit.below is not None and own < limit.below)
        or (limit.at_or_below is not None and own <= limit.at_or_below)
        or (limit.above is not None and own > limit.above)
        or (limit.at_or_above is not None and own >= limit.at_or_above)
    )


def judged(rule: Rule) -> bool:
    """Whether this release judges the rule; a preview says of the others that it does not."""
    return not isinstance(rule, OtherRule)


def parse_rule(document: object, path: str) -> Rule:
    """The rule that a document describes, e.g. {key: high, kind: limit, above: 160, unit: "mm[Hg]", severity:
    red}.

    `kind` may be left out of a limit, which is known by its bounds. `missed` takes `in_a_row`. Any of
    OTHER_KINDS is kept as it stands. Raises InvalidProtocol with every fault, its path and its mend.
    """
    if not isinstance(document, Mapping):
        mend = "Write for example {key: high, above: 160, severity: red}."
        raise _fault("A rule must be a mapping", path, mend)
    faults = _Faults()
    key = faults.take(lambda: _text(document, "key", path), "")
    kind = faults.take(lambda: _kind(document, path), "")
    rule: Rule
    if kind == "limit":
        rule = _limit(document, key, path, faults)
    elif kind == "missed":
        rule = _missed(document, key, path, faults)
    else:
        rest = {name: value for name, value in document.items() if name not in ("key", "kind")}
        rule = OtherRule(key, kind, faults.take(lambda: _canonical(rest, path), ""))
    faults.refuse_any()
    return rule


def rule_document(rule: Rule) -> dict[str, object]:
    """The document of a rule, in plain JSON values; parse_rule gives the same rule back."""
    if isinstance(rule, OtherRule):
        return {"key": rule.key, "kind": rule.kind, **json.loads(rule.body)}
    if isinstance(rule, Missed):
        return {"key": rule.key, "kind": "missed", "in_a_row": rule.in_a_row, "severity": rule.severity}
    bounds = {name: _plain(bound) for name in _BOUNDS if (bound := getattr(rule, name)) is not None}
    document: dict[str, object] = {"key": rule.key, "kind": "limit", **bounds, "unit": rule.unit}
    if rule.decimals is not None:
        document["decimals"] = rule.decimals
    return {**document, "severity": rule.severity}


def _kind(document: Mapping[object, object], path: str) -> str:
    kind = document.get("kind", "limit" if any(bound in document for bound in _BOUNDS) else None)
    if isinstance(kind, str) and kind in KINDS:
        return kind
    if kind is None:
        raise _fault("The rule has no kind", f"{path}.kind", f"Write one of {', '.join(KINDS)}.")
    near = get_close_matches(short(kind), KINDS, n=1, cutoff=0.5) or [f"one of {', '.join(KINDS)}"]
    raise _fault(f"The rule's kind {shown(kind)} is not known", f"{path}.kind", f"Write {near[0]}.")


def _limit(document: Mapping[object, object], key: str, path: str, faults: "_Faults") -> Limit:
    known = {"key", "kind", "unit", "severity", "decimals", *_BOUNDS}
    faults.take(lambda: _only(document, known, path), None)
    orange: Severity = "orange"
    unbounded: dict[str, Decimal] = {}
    return Limit(
        key,
        **faults.take(lambda: _bounds(document, path), unbounded),
        unit=faults.take(lambda: _unit(document, path), ""),
        severity=faults.take(lambda: _severity(document, orange, path), orange),
        decimals=faults.take(lambda: _decimals(document, path), None),
    )


def _missed(document: Mapping[object, object], key: str, path: str, faults: "_Faults") -> Missed:
    faults.take(lambda: _only(document, {"key", "kind", "in_a_row", "severity"}, path), None)
    grey: Severity = "grey"
    in_a_row = faults.take(lambda: _whole(document.get("in_a_row", 1), "in_a_row", 1, 100, path), 1)
    return Missed(key, in_a_row, faults.take(lambda: _severity(document, grey, path), grey))


def _bounds(document: Mapping[object, object], path: str) -> dict[str, Decimal]:
    present = [name for name in _BOUNDS if document.get(name) is not None]
    given = {name: number(document[name], f"{path}.{name}") for name in present}
    _require_order(given, path)
    return given


def _decimals(document: Mapping[object, object], path: str) -> int | None:
    given = document.get("decimals")
    return None if given is None else _whole(given, "decimals", 0, 9, path)


def _require_order(bounds: Mapping[str, Decimal], path: str) -> None:
    lower = [name for name in ("below", "at_or_below") if name in bounds]
    upper = [name for name in ("above", "at_or_above") if name in bounds]
    if not lower and not upper:
        raise _fault("The limit has no bound", path, f"Write at least one of {', '.join(_BOUNDS)}.")
    for names in (lower, upper):
        if len(names) > 1:
            raise _fault(f"The limit has both {names[0]} and {names[1]}", f"{path}.{names[1]}", "Keep one of them.")
    if lower and upper and bounds[lower[0]] >= bounds[upper[0]]:
        mend = f"Make {lower[0]} smaller than {upper[0]}; a band between two numbers is two limits."
        raise _fault("Every value would break the limit", f"{path}.{lower[0]}", mend)


def number(given: object, path: str) -> Decimal:
    """The decimal that a document's number stands for, digit by digit as written; raises InvalidProtocol
    otherwise.
    """
    if isinstance(given, bool) or not isinstance(given, int | float | Decimal):
        raise _fault(f"{shown(given)} is not a number", path, "Write a number without quotes.")
    # repr of a float is the shortest decimal that reads back as it, which is what was written.
    try:
        return require_number(given if isinstance(given, Decimal) else Decimal(repr(given)), path)
    except (InvalidMeasurement, ValueError) as refused:
        mend = refused.mend if isinstance(refused, InvalidMeasurement) else "Write a number below 10^12."
        raise _fault("The number has no sensible size", path, mend) from refused


def _plain(value: Decimal) -> int | float:
    """A JSON number; a float carries 15 digits through JSON and back unchanged, and no bound has more."""
    return int(value) if value == value.to_integral_value() else float(value)


def _canonical(rest: Mapping[object, object], path: str) -> str:
    try:
        body = json.dumps(_json(rest, path), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        body.encode()
    except (ValueError, RecursionError) as fault:
        raise _fault("The rule is not plain JSON", path, "Use texts, finite numbers, lists and mappings.") from fault
    if len(body) > _LONGEST_BODY:
        raise _fault("The rule is too long", path, f"Keep it under {_LONGEST_BODY} characters.")
    return body


def _json(value: object, path: str) -> object:
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise _fault(f"The name {shown(key)} is not a text", path, "Put it in quotes.")
        return {key: _json(inner, f"{path}.{key}") for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_json(inner, f"{path}[{index}]") for index, inner in enumerate(value)]
    if value is None or isinstance(value, str | bool):
        return value
    return _plain(number(value, path))


def _unit(document: Mapping[object, object], path: str) -> str:
    unit = document.get("unit", "")
    if not isinstance(unit, str):
        raise _fault("The unit is not a text", f"{path}.unit", "Write a UCUM code such as mm[Hg].")
    try:
        return require_unit(unit, f"{path}.unit")
    except InvalidMeasurement as refused:
        raise _fault(refused.what, f"{path}.unit", refused.mend) from refused


def _severity(document: Mapping[object, object], default: Severity, path: str) -> Severity:
    given = document.get("severity", default)
    for severity in SEVERITIES:
        if given == severity:
            return severity
    what = f"The severity {shown(given)} is not known"
    raise _fault(what, f"{path}.severity", f"Write {', '.join(SEVERITIES[:-1])} or {SEVERITIES[-1]}.")


def _whole(given: object, name: str, least: int, most: int, path: str) -> int:
    whole = given
    if isinstance(given, Decimal) and given.is_finite() and given in range(least, most + 1):
        whole = int(given)
    if isinstance(whole, bool) or not isinstance(whole, int) or not least <= whole <= most:
        mend = f"Write a whole number from {least} to {most}."
        raise _fault(f"{name} is {shown(given)}", f"{path}.{name}", mend)
    return whole


def _text(document: Mapping[object, object], name: str, path: str) -> str:
    given = document.get(name)
    if not isinstance(given, str) or not given.strip() or len(given) > _LONGEST_KEY or not given.isprintable():
        mend = f"Write a {name} of 1 to {_LONGEST_KEY} printable characters, unique within the activity."
        raise _fault(f"The rule has no proper {name}", f"{path}.{name}", mend)
    return given


def _only(document: Mapping[object, object], known: set[str], path: str) -> None:
    faults = []
    for name in document:
        if name not in known:
            near = get_close_matches(short(name), sorted(known), n=1, cutoff=0.5)
            mend = f"Did you mean {near[0]}?" if near else f"Use only {', '.join(sorted(known))}."
            faults.append(Fault(f"{path}.{short(name)}", f"{shown(name)} is not part of this rule", mend))
    if faults:
        raise InvalidProtocol(faults=tuple(faults))


class _Faults:
    """The faults of one rule, gathered so that people see all of them at once."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def take(self, read: Callable[[], T], otherwise: T) -> T:
        """What `read` returns, or `otherwise` after noting its faults."""
        try:
            return read()
        except InvalidProtocol as refused:
            self._faults.extend(refused.faults)
            return otherwise

    def refuse_any(self) -> None:
        if self._faults:
            raise InvalidProtocol(faults=tuple(self._faults))


def _fault(what: str, where: str, mend: str) -> InvalidProtocol:
    return InvalidProtocol(what, where=where, mend=mend)
