"""Rules: what breaks a limit, and how rules are written down."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.domain.refusal import InvalidMeasurement, InvalidProtocol
from lockstep.domain.rule import (
    OTHER_KINDS,
    SEVERITIES,
    Limit,
    Missed,
    OtherRule,
    Rule,
    breaks,
    judged,
    parse_rule,
    rule_document,
)

PATH = "activities[2].rules[0]"


@pytest.mark.parametrize(
    ("bound", "under", "at", "over"),
    [
        ("below", True, False, False),
        ("at_or_below", True, True, False),
        ("above", False, False, True),
        ("at_or_above", False, True, True),
    ],
)
def test_each_bound_breaks_on_its_side(bound: str, under: bool, at: bool, over: bool) -> None:
    limit = Limit("high", **{bound: Decimal(90)}, unit="mm[Hg]")  # type: ignore[arg-type]
    found = [breaks(limit, Decimal(value), "mmHg") for value in ("89.9", "90", "90.1")]
    assert found == [under, at, over]


@pytest.mark.parametrize(
    ("bound", "unit"), [(Decimal("7.8"), "mmol/L"), (Decimal(140), "mg/dL")], ids=["mmol/L", "mg/dL"]
)
@pytest.mark.parametrize(
    ("value", "given_in"), [(Decimal("7.8"), "mmol/L"), (Decimal(140), "mg/dL")], ids=["mmol/L", "mg/dL"]
)
def test_140_mg_per_dl_decides_like_7_8_mmol_per_l(bound: Decimal, unit: str, value: Decimal, given_in: str) -> None:
    limit = Limit("1 h", at_or_above=bound, unit=unit, decimals=1 if unit == "mmol/L" else 0)
    assert breaks(limit, value, given_in, "14743-9")


@pytest.mark.parametrize(("mg", "broken"), [(139, False), (140, True)])
def test_only_rounding_makes_140_reach_7_8(mg: int, broken: bool) -> None:
    assert not breaks(Limit("1 h", at_or_above=Decimal("7.8"), unit="mmol/L"), Decimal(mg), "mg/dL", "glucose")
    rounded = Limit("1 h", at_or_above=Decimal("7.8"), unit="mmol/L", decimals=1)
    assert breaks(rounded, Decimal(mg), "mg/dL", "glucose") is broken


def test_a_gain_is_compared_in_the_limit_s_pounds() -> None:
    limit = Limit("gain", above=Decimal(3), unit="[lb_av]")
    assert not breaks(limit, Decimal("1.36077711"), "kg")
    assert breaks(limit, Decimal("1.36077712"), "kg")


def test_units_of_different_quantities_are_never_compared() -> None:
    with pytest.raises(InvalidMeasurement):
        breaks(Limit("high", above=Decimal(1), unit="kg"), Decimal(1), "cm")
    with pytest.raises(InvalidMeasurement):
        breaks(Limit("high", above=Decimal(1), unit="mmol/L"), Decimal(1), "mg/dL")


@given(value=st.decimals(min_value=0, max_value=300, places=2), decimals=st.none() | st.integers(0, 2))
def test_inside_and_outside_are_opposites(value: Decimal, decimals: int | None) -> None:
    outside = Limit("outside", below=Decimal(90), above=Decimal(160), unit="mm[Hg]", decimals=decimals)
    halves = [
        Limit("low", below=Decimal(90), unit="mm[Hg]", decimals=decimals),
        Limit("high", above=Decimal(160), unit="mm[Hg]", decimals=decimals),
    ]
    assert breaks(outside, value, "mm[Hg]") is any(breaks(half, value, "mm[Hg]") for half in halves)


def test_a_limit_is_read() -> None:
    document = {
        "key": "high",
        "kind": "limit",
        "above": 160,
        "unit": "mmHg",
        "severity": "red",
        "decimals": 1,
    }
    assert parse_rule(document, PATH) == Limit("high", above=Decimal(160), unit="mm[Hg]", severity="red", decimals=1)


def test_a_limit_is_known_by_its_bounds() -> None:
    assert parse_rule({"key": "low", "below": 3.9, "unit": "mmol/L"}, PATH) == Limit(
        "low", below=Decimal("3.9"), unit="mmol/L"
    )


def test_missed_is_read() -> None:
    assert parse_rule({"key": "silent", "kind": "missed", "in_a_row": 2, "severity": "orange"}, PATH) == Missed(
        "silent", 2, "orange"
    )
    assert parse_rule({"key": "silent", "kind": "missed"}, PATH) == Missed("silent")


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_other_kinds_are_kept_and_said_not_to_be_judged(kind: str) -> None:
    rule = parse_rule({"kind": kind, "key": "k", "within": [1, 2.5, {"b": None, "a": True}]}, PATH)
    assert rule == OtherRule("k", kind, '{"within":[1,2.5,{"a":true,"b":null}]}')
    assert not judged(rule)


def test_limits_and_missed_are_judged() -> None:
    assert judged(Limit("high", above=Decimal(1)))
    assert judged(Missed("silent"))


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ("above 3", ""),
        ([], ""),
        ({"key": "k"}, ".kind"),
        ({"key": "k", "kind": "limt", "above": 1}, ".kind"),
        ({"key": "k", "kind": 3}, ".kind"),
        ({"above": 1}, ".key"),
        ({"key": "", "above": 1}, ".key"),
        ({"key": 7, "above": 1}, ".key"),
        ({"key": "a\x00b", "above": 1}, ".key"),
        ({"key": "k" * 65, "above": 1}, ".key"),
        ({"key": "k", "kind": "limit"}, ""),
        ({"key": "k", "above": "1"}, ".above"),
        ({"key": "k", "above": True}, ".above"),
        ({"key": "k", "above": float("nan")}, ".above"),
        ({"key": "k", "above": float("inf")}, ".above"),
        ({"key": "k", "above": Decimal("1e999")}, ".above"),
        ({"key": "k", "above": 10**5000}, ".above"),
        ({"key": "k", "above": 1, "at_or_above": 2}, ".at_or_above"),
        ({"key": "k", "below": 2, "at_or_below": 2}, ".at_or_below"),
        ({"key": "k", "below": 5, "above": 5}, ".below"),
        ({"key": "k", "at_or_above": 93, "at_or_below": 94}, ".at_or_below"),
        ({"key": "k", "above": 1, "unit": "stones"}, ".unit"),
        ({"key": "k", "above": 1, "unit": None}, ".unit"),
        ({"key": "k", "above": 1, "severity": "crimson"}, ".severity"),
        ({"key": "k", "above": 1, "severity": ["red"]}, ".severity"),
        ({"key": "k", "above": 1, "decimals": -1}, ".decimals"),
        ({"key": "k", "above": 1, "decimals": 1.5}, ".decimals"),
        ({"key": "k", "above": 1, "decimals": True}, ".decimals"),
        ({"key": "k", "above": 1, "abvoe": 2}, ".abvoe"),
        ({"key": "k", "kind": "missed", "in_a_row": 0}, ".in_a_row"),
        ({"key": "k", "kind": "missed", "above": 1}, ".above"),
        ({"key": "k", "kind": "score", "table": {1: 2}}, ".table"),
        ({"key": "k", "kind": "score", "table": {"a": {1, 2}}}, ".table.a"),
        ({"key": "k", "kind": "score", "table": "\ud800"}, ""),
        ({"key": "k", "kind": "score", "table": "x" * 30_000}, ""),
    ],
)
def test_a_faulty_rule_is_refused_with_its_path_and_mend(document: object, path: str) -> None:
    with pytest.raises(InvalidProtocol) as refused:
        parse_rule(document, PATH)
    assert refused.value.where == PATH + path
    assert refused.value.mend


def test_every_fault_of_a_rule_is_named() -> None:
    document = {"abvoe": 1, "above": "x", "unit": "stones", "severity": "crimson", "decimals": 99}
    with pytest.raises(InvalidProtocol) as refused:
        parse_rule(document, PATH)
    assert {fault.path for fault in refused.value.faults} == {
        f"{PATH}.{name}" for name in ("key", "abvoe", "above", "unit", "severity", "decimals")
    }
    assert all(fault.mend for fault in refused.value.faults)


def test_a_misspelt_kind_is_not_kept_as_something_else() -> None:
    with pytest.raises(InvalidProtocol, match="Write limit"):
        parse_rule({"key": "k", "kind": "limits", "above": 1}, PATH)


keys = st.text("abcdefghijk -", min_size=1, max_size=20).filter(lambda key: key.strip())
bounds = st.decimals(min_value=-(10**9), max_value=10**9, places=4)
severities = st.sampled_from(SEVERITIES)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**11), 10**11) | st.text("xyz", max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def limits(draw: st.DrawFn) -> Limit:
    least, most = sorted(draw(st.tuples(bounds, bounds).filter(lambda pair: pair[0] != pair[1])))
    lower = draw(st.sampled_from(["below", "at_or_below", None]))
    upper = draw(st.sampled_from(["above", "at_or_above"]))
    given_bounds = {upper: most} | ({lower: least} if lower else {})
    unit = draw(st.sampled_from(["kg", "mm[Hg]", "", "mmol/L"]))
    decimals = draw(st.none() | st.integers(0, 9))
    return Limit(draw(keys), **given_bounds, unit=unit, severity=draw(severities), decimals=decimals)


others = st.builds(
    lambda key, kind, rest: parse_rule({**rest, "key": key, "kind": kind}, PATH),
    keys,
    st.sampled_from(OTHER_KINDS),
    st.dictionaries(st.text("abc", min_size=1, max_size=3), plain, max_size=4),
)


@given(rule=limits() | st.builds(Missed, keys, st.integers(1, 100), severities) | others)
def test_a_rule_survives_being_written_as_json(rule: Rule) -> None:
    assert parse_rule(json.loads(json.dumps(rule_document(rule))), PATH) == rule


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.decimals() | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=4),
    max_leaves=10,
)
names = st.sampled_from(
    [
        "key",
        "kind",
        "below",
        "above",
        "at_or_below",
        "at_or_above",
        "unit",
        "severity",
        "decimals",
        "in_a_row",
    ]
)
values = anything | st.sampled_from(["limit", "missed", "score", "red", "kg", "k"]) | st.integers(0, 9)


@given(document=anything | st.dictionaries(names, values))
def test_no_document_raises_anything_but_a_refusal(document: object) -> None:
    refused, rule = None, None
    try:
        rule = parse_rule(document, PATH)
    except InvalidProtocol as refusal:
        refused = refusal
    if rule is not None:
        json.dumps(rule_document(rule), allow_nan=False).encode()
    if refused is not None:
        assert refused.where.startswith(PATH)
        assert refused.mend
        str(refused).encode()
