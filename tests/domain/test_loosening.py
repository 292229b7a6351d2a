"""A rule is looser when it alerts later, less severely or no longer."""

import pytest

from lockstep.domain.loosening import loosened
from lockstep.domain.protocol import Content, parse


def content(*rules: dict[str, object], unit: str = "kg") -> Content:
    schedule = {"every": "1 day", "times": [{"label": "morning", "opens": "08:00", "closes": "10:00"}]}
    activity = {"key": "w", "title": "Weight", "code": "29463-7", "unit": unit, "schedule": schedule}
    return parse({"key": "p", "title": "P", "activities": [{**activity, "rules": list(rules)}]})


LIMIT: dict[str, object] = {"key": "r", "below": 50, "above": 100, "severity": "orange"}
MISSED: dict[str, object] = {"key": "r", "kind": "missed", "in_a_row": 2, "severity": "orange"}


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (LIMIT, LIMIT, ""),
        (LIMIT, {**LIMIT, "above": 101}, "alerts above 101 instead of 100"),
        (LIMIT, {**LIMIT, "above": 99}, ""),
        (LIMIT, {**LIMIT, "below": 49}, "alerts below 49 instead of 50"),
        (LIMIT, {**LIMIT, "below": 51}, ""),
        (LIMIT, {**LIMIT, "severity": "grey"}, "is grey instead of orange"),
        (LIMIT, {**LIMIT, "severity": "red"}, ""),
        (LIMIT, {"key": "r", "above": 100, "severity": "orange"}, "alerts below nothing instead of 50"),
        (LIMIT, {"key": "r", "below": 50, "at_or_above": 100, "severity": "orange"}, ""),
        ({"key": "r", "at_or_above": 100}, {"key": "r", "above": 100}, "alerts above 100 instead of at 100"),
        (LIMIT, {**LIMIT, "key": "other"}, "is removed"),
        (MISSED, {**MISSED, "in_a_row": 3}, "waits for 3 misses instead of 2"),
        (MISSED, {**MISSED, "in_a_row": 1}, ""),
        (LIMIT, MISSED, "is removed"),
    ],
)
def test_looser(before: dict[str, object], after: dict[str, object], words: str) -> None:
    found = loosened(content(before), content(after))
    assert [each.sentence for each in found] == ([f"Weight: the rule r {words}"] if words else [])
    assert all(each.limit == (before is not MISSED) for each in found)


def test_limits_in_another_unit_are_converted() -> None:
    kilograms = content({"key": "r", "above": 100})
    pounds = [content({"key": "r", "above": value, "unit": "[lb_av]"}) for value in (220, 221)]
    assert [len(loosened(kilograms, each)) for each in pounds] == [0, 1]


def test_rules_of_a_removed_activity_are_removed() -> None:
    none = Content("p", "P", ())
    assert [each.sentence for each in loosened(content(LIMIT), none)] == ["Weight: the rule r is removed"]
    assert loosened(none, content(LIMIT)) == ()
