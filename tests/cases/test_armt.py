"""RADAR-base aRMT protocol files: each is imported and due as its numbers say, or refused with paths."""

import json
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from lockstep.domain.armt import import_armt, is_armt
from lockstep.domain.protocol import Content, load, parse, to_document
from lockstep.domain.refusal import InvalidProtocol
from lockstep.domain.schedule import AfterEvent, windows

CASES = Path(__file__).parents[2].parent / "shared" / "cases" / "radar-armt-protocols"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the published cases are not beside the project")

ANCHOR = date(2026, 1, 15)
MINUTES = {"min": 1, "hour": 60, "day": 1440}
HEADS = sorted((CASES / "head").glob("*.json")) if CASES.is_dir() else []

# Every file that is refused, with the paths of what cannot be honoured.
REPEAT, WINDOW = "protocol.repeatProtocol.unit", "protocol.completionWindow.amount"
REFUSED = {
    "CoTEDS-Smart": {0: WINDOW},
    "RADAR-ART-Transition-s1__participant_group__medication": {14: WINDOW},
    "RADAR-ART-Transition-s1__participant_group__non_medication": {13: WINDOW},
    "RADAR-ARTCARMA-KCL-s1": {9: REPEAT, 13: REPEAT},
    "RADAR-ARTCARMA-KCL-s1__participant_group__no_weight_diet_q": {9: REPEAT, 11: REPEAT},
    "RADAR-ARTCARMA-KCL-s1__participant_group__no_weight_q": {9: REPEAT, 12: REPEAT},
    "RADAR-ARTCARMA-VHIR-s1": {9: REPEAT, 13: REPEAT},
    "RADAR-GLAD-KCL-s1": {0: WINDOW},
    "RALPMH-COPD-Lon-s1": {1: REPEAT},
    "RALPMH-COVID-Lon-s1": {0: REPEAT},
    "RALPMH-ILD-Lon-s1": {3: REPEAT},
    "RECURRENT-GB": {2: REPEAT, 3: REPEAT},
    "RECURRENT-GB-Proxy": {0: REPEAT, 1: REPEAT, 2: REPEAT},
    "RECURRENT-GB-Proxy__participant_group__audio_questionnaires": {0: REPEAT, 1: REPEAT, 2: REPEAT},
    "RECURRENT-GB__group__audio_questionnaires": {2: REPEAT, 3: REPEAT},
    "STAGING_PROJECT__arm__test_health": {0: WINDOW},
    "paprka": {0: WINDOW},
}


def name_of(path: Path) -> str:
    return path.stem.removesuffix("__protocol")


@cache
def read(path: Path) -> tuple[dict[str, Any], Content | InvalidProtocol]:
    """A file and what became of it."""
    document = load(path.read_text(), format="json")
    assert is_armt(document)
    try:
        return document, import_armt(document)
    except InvalidProtocol as refusal:
        return document, refusal


def imported() -> list[tuple[dict[str, Any], Content]]:
    return [(document, made) for document, made in map(read, HEADS) if isinstance(made, Content)]


def test_every_file_is_imported_or_refused_with_the_exact_paths() -> None:
    refused = {}
    for path in HEADS:
        _, made = read(path)
        if isinstance(made, InvalidProtocol):
            assert all(fault.what and fault.mend for fault in made.faults)
            refused[name_of(path)] = [fault.path for fault in made.faults]
    assert refused == {
        name: [f"protocols[{index}].{inner}" for index, inner in faults.items()] for name, faults in REFUSED.items()
    }
    assert len(HEADS) == 74
    assert len(imported()) == 57
    assert len(refused) == 17


def test_how_many_activities_of_which_kind_are_made() -> None:
    kinds: Counter[str] = Counter()
    for _, content in imported():
        for activity in content.activities:
            schedule = activity.schedule
            kinds[schedule.event if isinstance(schedule, AfterEvent) else "schedule"] += 1
    assert kinds == {"schedule": 431, "on demand": 32, "clinic visit": 18, "trigger": 1}


def test_what_is_left_out_is_said() -> None:
    left_out = Counter(
        line.rpartition(": ")[2]
        for _, content in imported()
        for line in content.note.splitlines()
        if line.startswith("Left out: ")
    )
    demonstrations = sum(
        questionnaire.get("isDemo", False) for document, _ in imported() for questionnaire in document["protocols"]
    )
    assert left_out == {"a demonstration, its answers are never sent.": demonstrations, "never due.": 1}


def test_documents_of_imported_files_give_the_same_content_back() -> None:
    for _, content in imported():
        assert parse(to_document(content)) == content
        assert parse(json.loads(json.dumps(to_document(content)))) == content


@pytest.mark.parametrize("path", [path for path in HEADS if name_of(path) not in REFUSED], ids=lambda path: path.stem)
def test_a_year_of_windows_is_what_the_numbers_of_radar_say(path: Path) -> None:
    document, made = read(path)
    assert isinstance(made, Content)
    expected: list[tuple[str, datetime, int]] = []
    for questionnaire in document["protocols"]:
        expected += naive(questionnaire)
    found = []
    for activity in made.activities:
        if isinstance(activity.schedule, AfterEvent):
            continue
        begins = activity.schedule.anchor_on or ANCHOR
        from_at = datetime.combine(begins, time(), UTC)
        until_at = from_at + timedelta(days=365)
        for window in windows(activity.schedule, anchor_on=ANCHOR, zone="Europe/London", from_at=from_at):
            if window.opens_at >= until_at:
                break
            local = datetime.combine(window.on, time.fromisoformat(window.slot))
            lasts = next(at.lasts_minutes for at in activity.schedule.times if at.label == window.slot)
            if local < datetime.combine(begins, time()) + timedelta(days=364):
                found.append((activity.code, local, lasts))
    assert Counter(found) == Counter(expected)


def naive(questionnaire: dict[str, Any]) -> list[tuple[str, datetime, int]]:
    """Every moment of 364 days, by adding RADAR's numbers one after the other in civil time."""
    timing = questionnaire["protocol"]
    if questionnaire.get("isDemo") or "clinicalProtocol" in timing:
        return []
    if questionnaire.get("type", "scheduled") != "scheduled":
        return []
    begins = ANCHOR
    if "referenceTimestamp" in timing:
        begins = date.fromisoformat(timing["referenceTimestamp"]["timestamp"])
    midnight = datetime.combine(begins, time())
    repeat, offsets = timing["repeatProtocol"], timing["repeatQuestionnaire"]
    if offsets["unit"] == "year":
        return []
    window = timing.get("completionWindow", {"unit": "day", "amount": 1})
    lasts = window["amount"] * MINUTES[window["unit"]]
    moments = []
    start = midnight
    while start < midnight + timedelta(days=364):
        for offset in offsets["unitsFromZero"]:
            moment = start + timedelta(minutes=offset * MINUTES[offsets["unit"]])
            if moment < midnight + timedelta(days=364):
                moments.append((questionnaire["questionnaire"]["name"], moment, lasts))
        if repeat["amount"] in (999, 9999):
            break
        start += timedelta(days=repeat["amount"] * {"day": 1, "week": 7}[repeat["unit"]])
    return moments


def test_texts_that_are_not_json_are_refused_with_their_line() -> None:
    files = sorted((CASES / "invalid").glob("*.txt"))
    for path in files:
        with pytest.raises(InvalidProtocol) as refused:
            load(path.read_text(), format="json")
        assert refused.value.faults[0].path.startswith("line "), path.name
    assert len(files) == 3


def test_revisions_are_imported_or_refused_with_paths() -> None:
    counted: Counter[str] = Counter()
    for line in (CASES / "revisions.jsonl").read_text().splitlines():
        revision = json.loads(line)
        if "assessments" not in revision:
            counted["no protocol"] += 1
            continue
        try:
            content = import_armt(as_file(revision))
        except InvalidProtocol as refusal:
            unclear = [fault for fault in refusal.faults if not (fault.path and fault.mend)]
            counted["refused" if not unclear else "refused without a mend"] += 1
        else:
            assert parse(to_document(content)) == content
            counted["imported"] += 1
    assert counted == {"imported": 348, "refused": 88, "no protocol": 7}


def as_file(revision: dict[str, Any]) -> dict[str, Any]:
    """The revision, whose texts were removed, in the shape of a protocol file."""
    timing = ("repeatProtocol", "repeatQuestionnaire", "reminders", "completionWindow", "clinicalProtocol")
    return {
        "version": revision["version"] or "none",
        "name": revision["name"] or revision["path"],
        "protocols": [
            {
                "name": each["name"],
                "questionnaire": {"name": each["name"]},
                "protocol": {key: each[key] for key in (*timing, "referenceTimestamp") if each.get(key) is not None},
            }
            | ({"type": each["type"]} if each.get("type") else {})
            for each in revision["assessments"]
        ],
    }
