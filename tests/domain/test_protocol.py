"""Protocol documents: every fault is named, what is read can be written, equal contents have equal texts."""

import copy
import json
from collections.abc import Callable
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.domain import duration, schedule
from lockstep.domain.protocol import (
    Activity,
    Content,
    OnSwitch,
    Policy,
    canonical,
    content_hash,
    json_schema,
    parse,
    read_text,
    timing,
    to_document,
)
from lockstep.domain.refusal import InvalidProtocol
from lockstep.domain.rule import Limit, Missed, OtherRule
from lockstep.domain.schedule import (
    AfterEvent,
    EveryDays,
    Monthly,
    OnDays,
    Schedule,
    TimeOfDay,
    Weekly,
)

HAND_WRITTEN = """
key: heart-failure
title: Heart failure
activities:
  - key: weight
    title: Weight
    code: 29463-7
    unit: kg
    plausible: {low: 25, high: 350.5}
    schedule: {every: 1 day, times: [{label: morning, opens: 07:00, closes: "10:00"}]}
    grace: 2h
    quantity: 2
    rules:
      - {key: high, above: 120.50, severity: red}
      - {key: missed, kind: missed, in_a_row: 2}
      - {key: gain, kind: change, over: 3 days, above: 2}
    personal: {schedule: locked, grace: keep, rules: follow}
on_switch: {ask_at_once: 0.25, quiet: {from: "22:00", until: "07:00"}}
"""


def faults_of(text: str) -> dict[str, str]:
    with pytest.raises(InvalidProtocol) as refused:
        read_text(text, format="yaml")
    assert all(fault.what for fault in refused.value.faults)
    return {fault.path: fault.mend for fault in refused.value.faults}


def with_schedule(text: str) -> str:
    return HAND_WRITTEN.replace('{every: 1 day, times: [{label: morning, opens: 07:00, closes: "10:00"}]}', text)


def schedule_of(text: str) -> Schedule | AfterEvent:
    return read_text(with_schedule(text), format="yaml").activities[0].schedule


def test_what_is_written_by_hand_is_read() -> None:
    content = read_text(HAND_WRITTEN, format="yaml")
    assert content.on_switch == OnSwitch(Decimal("0.25"), time(22), time(7))
    (weight,) = content.activities
    assert weight == Activity(
        key="weight",
        title="Weight",
        code="29463-7",
        unit="kg",
        schedule=Schedule(EveryDays(1), (TimeOfDay("morning", time(7), 180),)),
        grace_minutes=120,
        quantity=2,
        rules=(
            Limit("high", above=Decimal("120.5"), unit="kg", severity="red"),
            Missed("missed", 2),
            OtherRule("gain", "change", '{"above":2,"over":"3 days"}'),
        ),
        policies=(("rules", Policy.FOLLOW), ("schedule", Policy.LOCKED)),
        plausible=(Decimal(25), Decimal("350.5")),
    )
    assert weight.policy("rules.high") is Policy.FOLLOW
    assert weight.policy("quantity") is Policy.KEEP
    assert timing(weight) == (weight.schedule, 120, 2)


def test_yaml_and_json_say_the_same() -> None:
    content = read_text(HAND_WRITTEN, format="yaml")
    assert read_text(json.dumps(to_document(content)), format="json") == content
    assert read_text(canonical(content), format="yaml") == content


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("every: 2 days, offset_days: 1", EveryDays(2, 1)),
        ("every: 2 weeks, weekdays: [friday, monday]", Weekly(2, (0, 4))),
        ("every: 1 month, month_days: [15, -1]", Monthly(1, (-1, 15))),
        ('every: 3 months, month_weekdays: ["first monday", last friday]', Monthly(3, (), ((-1, 4), (1, 0)))),
        ("days: [0, 3, 7]", OnDays((0, 3, 7), None)),
        ("days: [0, 3], every: 28 days", OnDays((0, 3), 28)),
    ],
)
def test_each_way_to_name_days(text: str, days: object) -> None:
    made = schedule_of(f'{{{text}, times: [{{opens: "08:00", lasts: 1h}}]}}')
    assert isinstance(made, Schedule)
    assert made.days == days
    assert made.times == (TimeOfDay("08:00", time(8), 60),)


@pytest.mark.parametrize(
    ("text", "lasts"),
    [
        ('opens: "22:00", closes: "02:00"', 240),
        ('opens: "00:00", closes: "24:00"', 1440),
        ('opens: "20:00", closes: "24:00"', 240),
        ('opens: "08:00", lasts: 3 days', 4320),
        ('opens: "08:00:30", closes: "08:10:30"', 10),
    ],
)
def test_each_way_to_end_a_window(text: str, lasts: int) -> None:
    made = schedule_of(f"{{every: 1 day, times: [{{{text}}}]}}")
    assert isinstance(made, Schedule)
    assert made.times[0].lasts_minutes == lasts


def test_bounds_and_events() -> None:
    made = schedule_of(
        '{every: 1 day, times: [{opens: "08:00", lasts: 1h}], anchor: 2026-01-02, from_day: 1, for_days: 7,'
        ' from: "2026-01-01", until: "2027-01-01", count: 9}'
    )
    assert isinstance(made, Schedule)
    bounds = (made.anchor_on, made.from_day, made.for_days, made.from_on, made.until_on, made.count)
    assert bounds == (date(2026, 1, 2), 1, 7, date(2026, 1, 1), date(2027, 1, 1), 9)
    assert schedule_of("{after: {event: meal, delay: 1h, lasts: 30 min}}") == AfterEvent("meal", 60, 30)


@pytest.mark.parametrize(
    ("old", "new", "path", "mend"),
    [
        ("key: heart-failure", "key: Heart Failure", "key", "small letters"),
        ("title: Weight", "titel: Weight", "activities[0].titel", "title"),
        ("title: Weight", "title: 7", "activities[0].title", "quotes"),
        ("code: 29463-7", "note: none", "activities[0].code", "Add code"),
        ("unit: kg", "unit: kilo", "activities[0].unit", "UCUM"),
        ("low: 25", "low: 400", "activities[0].plausible", "Exchange"),
        ("low: 25", "low: .nan", "activities[0].plausible.low", "36.5"),
        ("grace: 2h", "grace: 2", "activities[0].grace", "unit"),
        ("grace: 2h", "grace: 100 days", "activities[0].grace", "60 days"),
        ("quantity: 2", "quantity: 0", "activities[0].quantity", "1 to 100"),
        ("quantity: 2", "quantity: true", "activities[0].quantity", "1 to 100"),
        ("opens: 07:00", "opens: 700", "activities[0].schedule.times[0].opens", "07:30"),
        ("opens: 07:00", "opens: 0700", "activities[0].schedule.times[0].opens", "07:30"),
        ('closes: "10:00"', 'closes: "07:00"', "activities[0].schedule.times[0].closes", "lasts"),
        ('closes: "10:00"', "lasts: 3h, closes: 10:00", "activities[0].schedule.times[0].closes", "either"),
        ("every: 1 day", "every: day", "activities[0].schedule.every", "1 day"),
        ("every: 1 day", "every: 0 days", "activities[0].schedule.every", "1 day"),
        ("every: 1 day", "every: 1 week", "activities[0].schedule.weekdays", "list"),
        ("every: 1 day", "every: 1 day, weekdays: [monday]", "activities[0].schedule.weekdays", "Remove"),
        ("every: 1 day", "every: 1 month", "activities[0].schedule.month_days", "month_days"),
        ("every: 1 day", "every: 1 month, month_days: [0]", "activities[0].schedule.days.days[0]", "1 to 31"),
        ("every: 1 day", "every: 1 day, anchor: 2026-02-30", "activities[0].schedule.anchor", "2026-11-23"),
        ("severity: red", "severity: rot", "activities[0].rules[0].severity", "red"),
        ("above: 120.50,", "above: 120, unit: mm Hg,", "activities[0].rules[0].unit", "in kg"),
        ("key: missed,", "key: high,", "activities[0].rules[1].key", "its own"),
        ("kind: change", "kind: chnage", "activities[0].rules[2].kind", "change"),
        ("schedule: locked", "schedule: lock", "activities[0].personal.schedule", "locked"),
        ("ask_at_once: 0.25", "ask_at_once: 25", "on_switch.ask_at_once", "0 to 1"),
        ('until: "07:00"', 'until: "22:00"', "on_switch.quiet", "two times"),
    ],
)
def test_a_fault_has_its_path_and_its_mend(old: str, new: str, path: str, mend: str) -> None:
    assert old in HAND_WRITTEN
    faults = faults_of(HAND_WRITTEN.replace(old, new, 1))
    assert path in faults
    assert mend in faults[path]


def test_every_fault_is_listed() -> None:
    text = HAND_WRITTEN.replace("2h", "2").replace("quantity: 2", "quantity: x").replace("unit: kg", "unit: kilo")
    assert list(faults_of(text)) == [
        "activities[0].unit",
        "activities[0].grace",
        "activities[0].quantity",
    ]


def test_two_activities_with_one_key() -> None:
    document = to_document(read_text(HAND_WRITTEN, format="yaml"))
    document["activities"] *= 2
    with pytest.raises(InvalidProtocol, match="used already at activities\\[0\\]"):
        parse(document)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("key: a\nkey: b", "line 2, column 1"),
        ("key: &a x\ntitle: *a", "line 2, column 8"),
        ("key: !!python/object/apply:os.getcwd []", "line 1, column 6"),
        ("key: !!timestamp 2020-01-01", "line 1, column 6"),
        ("key: [", "line 1, column 7"),
        ("[" * 100, "line 1, column 41"),
        ("--- 1\n--- 2", "line 2, column 1"),
    ],
)
def test_yaml_that_surprises_is_refused_with_its_place(text: str, where: str) -> None:
    assert where in faults_of(text)


@pytest.mark.parametrize(
    "text",
    ['{"key": 1, "key": 2}', "[" * 100_000, "NaN", '{"a": Infinity}', "{", "", '"' + "x" * 1_000_001 + '"'],
)
def test_json_that_surprises_is_refused(text: str) -> None:
    with pytest.raises(InvalidProtocol):
        read_text(text, format="json")


@pytest.mark.parametrize("text", ["\x00", "\ud800", "a\x1bb", "x" * 201])
def test_a_text_that_cannot_be_stored_is_refused(text: str) -> None:
    document = to_document(read_text(HAND_WRITTEN, format="yaml"))
    for change in ({"title": text}, {"activities": [document["activities"][0] | {"title": text}]}):
        with pytest.raises(InvalidProtocol):
            parse(document | change)
    rules = [{"key": "x", "kind": "combination", "all": [text[:2]]}]
    if len(text) < 200:
        with pytest.raises(InvalidProtocol):
            parse(document | {"activities": [document["activities"][0] | {"rules": rules}]})


@pytest.mark.parametrize(
    "number",
    [10**5000, -(10**5000), Decimal("1e9999999"), Decimal("sNaN"), float("inf")],
    ids=lambda _: "number",
)
@pytest.mark.parametrize("field", ["quantity", "plausible", "grace", "rules", "title"])
def test_a_number_of_absurd_size_is_refused(field: str, number: object) -> None:
    document = to_document(read_text(HAND_WRITTEN, format="yaml"))
    values = {"plausible": {"low": number, "high": 5}, "rules": [{"key": "x", "above": number}]}
    document["activities"][0][field] = values.get(field, number)
    with pytest.raises(InvalidProtocol):
        parse(document)


def test_equal_contents_have_one_text_and_one_hash() -> None:
    content = read_text(HAND_WRITTEN, format="yaml")
    same = read_text(HAND_WRITTEN.replace("120.50", "120.5").replace("2h", "120 min"), format="yaml")
    other = read_text(HAND_WRITTEN.replace("120.50", "120.51"), format="yaml")
    assert canonical(same) == canonical(content)
    assert content_hash(same) == content_hash(content)
    assert len({content_hash(content), content_hash(other)}) == 2
    assert hash(same) == hash(content)


def test_the_published_schema_is_that_of_the_code() -> None:
    published = Path(__file__).parents[2] / "docs" / "reference" / "protocol.schema.json"
    assert json.loads(published.read_text()) == json_schema()
    jsonschema.Draft202012Validator.check_schema(json_schema())


# --- many inputs ---

keys = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,12}", fullmatch=True)
words = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=20).filter(
    lambda text: text == text.strip() and text != ""
)
numbers = st.decimals(-10_000, 10_000, places=3).map(lambda value: value + 0)
dates = st.none() | st.dates(date(1990, 1, 1), date(2100, 1, 1))
times_of_day = st.builds(
    TimeOfDay, words, st.times().map(lambda at: at.replace(microsecond=0)), st.integers(1, 366 * 1440)
)
days = st.one_of(
    st.builds(EveryDays, st.integers(1, 400), st.integers(0, 400)),
    st.builds(Weekly, st.integers(1, 50), st.sets(st.integers(0, 6), min_size=1).map(lambda s: tuple(sorted(s)))),
    st.builds(
        Monthly,
        st.integers(1, 50),
        st.sets(st.integers(1, 31) | st.integers(-31, -1), min_size=1).map(lambda s: tuple(sorted(s))),
        st.sets(st.tuples(st.sampled_from([1, 2, 3, 4, 5, -1, -2]), st.integers(0, 6))).map(lambda s: tuple(sorted(s))),
    ),
    st.builds(
        OnDays,
        st.sets(st.integers(0, 400), min_size=1, max_size=9).map(lambda s: tuple(sorted(s))),
        st.none() | st.integers(1, 400),
    ),
)
schedules = st.one_of(
    st.builds(AfterEvent, words, st.integers(0, 5000), st.integers(1, 5000)),
    st.builds(
        Schedule,
        days,
        st.lists(times_of_day, min_size=1, max_size=4, unique_by=lambda each: each.label).map(
            lambda made: tuple(sorted(made, key=lambda each: (each.opens, each.label)))
        ),
        anchor_on=dates,
        from_day=st.integers(0, 30),
        for_days=st.none() | st.integers(1, 60),
        from_on=dates,
        until_on=dates,
        count=st.none() | st.integers(1, 500),
    ),
).filter(lambda made: not list(schedule.faults(made)))
rules = st.one_of(
    st.builds(Limit, keys, above=numbers, unit=st.just("kg"), severity=st.sampled_from(["red", "orange", "grey"])),
    st.builds(Missed, keys, st.integers(1, 9)),
)
activities = st.builds(
    Activity,
    key=keys,
    title=words,
    code=words,
    unit=st.just("kg"),
    schedule=schedules,
    grace_minutes=st.integers(0, 5000),
    quantity=st.integers(1, 9),
    rules=st.lists(rules, max_size=3, unique_by=lambda rule: rule.key).map(tuple),
    policies=st.sets(st.sampled_from(["schedule", "grace_minutes", "quantity", "rules", "plausible"])).map(
        lambda names: tuple((name, Policy.LOCKED) for name in sorted(names))
    ),
    plausible=st.none() | st.tuples(numbers, numbers).filter(lambda pair: pair[0] < pair[1]),
    note=st.just("") | words,
)
contents = st.builds(
    Content,
    key=keys,
    title=words,
    activities=st.lists(activities, max_size=3, unique_by=lambda activity: activity.key).map(tuple),
    on_switch=st.builds(OnSwitch, st.decimals(0, 1, places=2), keep_alerts_of_removed=st.booleans()),
    note=st.just("") | words,
)


@settings(max_examples=150, deadline=None)
@given(contents)
def test_a_document_gives_its_content_back(content: Content) -> None:
    document = to_document(content)
    assert parse(document) == content
    assert parse(json.loads(json.dumps(document))) == content
    assert read_text(canonical(content), format="json") == content
    assert content_hash(parse(document)) == content_hash(content)
    jsonschema.validate(document, json_schema())


junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**40)
    | st.floats()
    | st.decimals()
    | st.text(max_size=10)
    | st.sampled_from(["1 day", "2h", "07:00", "2026-01-01", "limit", "missed", "change", "monday", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_mutated_document_is_read_or_refused_and_the_schema_refuses_no_more(data: st.DataObject) -> None:
    document = mutated(to_document(read_text(HAND_WRITTEN, format="yaml")), data)
    content = attempt(lambda: parse(document))
    if content is not None:
        assert parse(to_document(content)) == content
        canonical(content).encode()
        jsonschema.validate(to_document(content), json_schema())


@settings(max_examples=150, deadline=None)
@given(junk)
def test_anything_else_is_refused(document: Any) -> None:
    with pytest.raises(InvalidProtocol):
        parse(document)


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from(["yaml", "json"]))
def test_a_mutated_text_is_read_or_refused(data: st.DataObject, format: str) -> None:  # noqa: A002
    text = HAND_WRITTEN if format == "yaml" else canonical(read_text(HAND_WRITTEN, format="yaml"))
    at = data.draw(st.integers(0, len(text)))
    until = data.draw(st.integers(at, min(len(text), at + 12)))
    text = (
        text[:at]
        + data.draw(st.text(max_size=5) | st.sampled_from(["!!", "&a ", "*a", "{", "1e9999", "- "]))
        + text[until:]
    )
    attempt(lambda: read_text(text, format=format))  # type: ignore[arg-type]


def attempt(made: Callable[[], Content]) -> Content | None:
    """What is made, or None after a refusal that names its faults in sentences of bearable length."""
    try:
        return made()
    except InvalidProtocol as refusal:
        refused = refusal
    assert refused.faults
    assert all(len(fault.what) < 400 for fault in refused.faults)
    str(refused).encode()
    return None


def mutated(document: Any, data: st.DataObject) -> Any:
    """The document with one value somewhere replaced, removed, or added."""
    made = copy.deepcopy(document)
    places: list[tuple[Any, Any]] = []

    def walk(value: Any) -> None:
        pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, inner in pairs:
            places.append((value, key))
            walk(inner)

    walk(made)
    holder, key = data.draw(st.sampled_from(places))
    how = data.draw(st.sampled_from(["replace", "remove", "add"]))
    if how == "remove":
        del holder[key]
    elif how == "replace" or isinstance(holder, list):
        holder[key] = data.draw(junk)
    else:
        holder[data.draw(st.text(max_size=8))] = data.draw(junk)
    return made


@given(st.integers(0, 10_000_000))
def test_a_length_of_time_in_words_reads_back(minutes: int) -> None:
    assert duration.minutes_of(duration.in_words(minutes)) == minutes


@pytest.mark.parametrize("text", ["", "2", "h", "2 h 3", "-2h", "2.5h", "2h ", "2 fortnights", "٣h"])
def test_what_is_not_a_length_of_time(text: str) -> None:
    assert duration.minutes_of(text) is None
