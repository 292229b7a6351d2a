"""The example protocols: readable, honest about what they are, in one language with the schema."""

import re
from importlib.resources import files

import jsonschema
import pytest

from lockstep.domain.protocol import Content, json_schema, load, parse, read_text, to_document
from lockstep.domain.rule import OTHER_KINDS, OtherRule
from lockstep.domain.schedule import AfterEvent
from lockstep.proof.example import example_protocols

FOLDER = files("lockstep.proof").joinpath("protocols")
KEYS = sorted(entry.name.removesuffix(".yaml") for entry in FOLDER.iterdir() if entry.name.endswith(".yaml"))


def text_of(key: str) -> str:
    return FOLDER.joinpath(f"{key}.yaml").read_text("utf-8")


def content_of(key: str) -> Content:
    return read_text(text_of(key), format="yaml")


def test_all_protocols_of_the_design_are_there() -> None:
    assert list(example_protocols()) == [
        "asthma-peak-flow",
        "blood-pressure-diagnostic",
        "blood-pressure-maintenance",
        "copd",
        "covid-oximetry",
        "gestational-diabetes",
        "heart-failure-stable",
        "heart-failure-titration",
        "virtual-ward-news2",
    ]


@pytest.mark.parametrize("key", KEYS)
def test_an_example_reads_back_and_satisfies_the_schema(key: str) -> None:
    content = content_of(key)
    assert content.key == key
    assert parse(to_document(content)) == content
    jsonschema.validate(to_document(content), json_schema())
    # The hand-written form, too: an editor that knows the schema must not complain.
    jsonschema.validate(_without_decimals(load(text_of(key), format="yaml")), json_schema())


@pytest.mark.parametrize("key", KEYS)
def test_an_example_says_that_it_is_one(key: str) -> None:
    assert content_of(key).note.startswith("Example, not medical advice.")
    assert text_of(key).startswith("# Example, not medical advice.")


@pytest.mark.parametrize("key", KEYS)
def test_every_number_of_a_rule_has_a_source(key: str) -> None:
    text, content = text_of(key), content_of(key)
    for activity in content.activities:
        for rule in activity.rules:
            if isinstance(rule, OtherRule):
                assert '"source":' in rule.body or rule.kind == "move", (activity.key, rule.key)
    for line in text.splitlines():
        if re.search(r"\{key: .*(at_or_)?(below|above): [0-9]", line) and "kind:" not in line:
            said = "#" in line or any(f'note: "{word}' in text for word in ("Without symptoms", "Below 80", "Below 40"))
            assert said, line


def test_the_examples_use_the_whole_rule_language() -> None:
    used = {
        rule.kind
        for content in example_protocols().values()
        for activity in content.activities
        for rule in activity.rules
        if isinstance(rule, OtherRule)
    }
    assert used == set(OTHER_KINDS)


def test_the_meal_begins_the_glucose_measurement_after_it() -> None:
    activity = content_of("gestational-diabetes").activity("glucose-after-meal")
    assert activity is not None
    assert activity.schedule == AfterEvent("meal", 50, 40)


def test_two_readings_morning_and_evening_for_a_week() -> None:
    activity = content_of("blood-pressure-diagnostic").activity("systolic")
    assert activity is not None
    assert not isinstance(activity.schedule, AfterEvent)
    assert [(each.label, each.lasts_minutes) for each in activity.schedule.times] == [
        ("morning", 240),
        ("evening", 240),
    ]
    assert (activity.schedule.for_days, activity.quantity) == (7, 2)


def _without_decimals(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_decimals(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_decimals(item) for item in value]
    return float(value) if type(value).__name__ == "Decimal" else value  # type: ignore[arg-type]
