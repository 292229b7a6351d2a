"""Which rules a change of content makes looser or takes away."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from lockstep.domain.content import Activity, Content
from lockstep.domain.refusal import Refusal
from lockstep.domain.rule import Limit, Missed, OtherRule, Rule
from lockstep.domain.unit import convert

_SEVERITY = {"grey": 0, "orange": 1, "red": 2}


@dataclass(frozen=True, slots=True)
class Loosened:
    """A rule that will alert later, less severely, or no longer; `limit` tells a limit from a rule about misses."""

    activity_key: str
    rule_key: str
    sentence: str
    limit: bool


def loosened(before: Content, after: Content) -> tuple[Loosened, ...]:
    """The rules that are looser in `after`, those of activities that are gone among them, in order of `before`."""
    return tuple(
        found for activity in before.activities for found in _of_activity(activity, after.activity(activity.key))
    )


def _of_activity(before: Activity, after: Activity | None) -> Iterator[Loosened]:
    others: dict[str, Rule] = {} if after is None else {rule.key: rule for rule in after.rules}
    for rule in before.rules:
        if isinstance(rule, OtherRule):
            continue
        how = _how(rule, others.get(rule.key), after)
        if how:
            words = f"{before.title}: the rule {rule.key} {how}"
            yield Loosened(before.key, rule.key, words, isinstance(rule, Limit))


def _how(rule: Limit | Missed, other: Rule | None, after: Activity | None) -> str:
    if other is None or isinstance(other, OtherRule) or isinstance(other, Limit) != isinstance(rule, Limit):
        return "is removed"
    if _SEVERITY[other.severity] < _SEVERITY[rule.severity]:
        return f"is {other.severity} instead of {rule.severity}"
    if isinstance(rule, Missed):
        assert isinstance(other, Missed)
        return f"waits for {other.in_a_row} misses instead of {rule.in_a_row}" if other.in_a_row > rule.in_a_row else ""
    assert isinstance(other, Limit)
    return _limit(rule, other, after.code if after else "")


def _limit(rule: Limit, other: Limit, code: str) -> str:
    low, other_low = _bound(rule.below, rule.at_or_below), _bound(other.below, other.at_or_below)
    high, other_high = _bound(rule.above, rule.at_or_above), _bound(other.above, other.at_or_above)
    try:
        other_low, other_high = (_in_unit(bound, other.unit, rule.unit, code) for bound in (other_low, other_high))
    except Refusal:
        return f"is in {other.unit} instead of {rule.unit}, which cannot be compared"
    if low is not None and (other_low is None or (other_low[0], other_low[1]) < (low[0], low[1])):
        return _words("below", low, other_low)
    if high is not None and (other_high is None or (-other_high[0], other_high[1]) < (-high[0], high[1])):
        return _words("above", high, other_high)
    return ""


Bound = tuple[Decimal, bool]


def _bound(beyond: Decimal | None, reached: Decimal | None) -> Bound | None:
    """The limit, and whether reaching it is enough."""
    if reached is not None:
        return reached, True
    return None if beyond is None else (beyond, False)


def _in_unit(bound: Bound | None, unit: str, to: str, code: str) -> Bound | None:
    if bound is None or unit == to:
        return bound
    return convert(bound[0], unit, to, code), bound[1]


def _words(side: str, was: Bound, becomes: Bound | None) -> str:
    then = "nothing" if becomes is None else f"{'at ' if becomes[1] else ''}{becomes[0]}"
    return f"alerts {side} {then} instead of {'at ' if was[1] else ''}{was[0]}"
