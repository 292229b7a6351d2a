"""A RADAR-base aRMT protocol file as a protocol of ours, or a refusal that lists what cannot be honoured."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from lockstep.domain.armt_timing import DEFAULT_WINDOW_MINUTES, read_parts
from lockstep.domain.content import Activity, Content
from lockstep.domain.document import Reading, joined, shown
from lockstep.domain.protocol_document import MOST_ACTIVITIES, MOST_NOTE

FILE_FIELDS = ("version", "schemaVersion", "name", "healthIssues", "protocols")
QUESTIONNAIRE_FIELDS = (
    "name", "type", "order", "questionnaire", "protocol", "estimatedCompletionTime", "isDemo",
    "showInCalendar", "showIntroduction", "startText", "endText", "warn",
)  # fmt: skip
TIMING_FIELDS = (
    "repeatProtocol", "repeatQuestionnaire", "reminders", "completionWindow", "referenceTimestamp",
    "clinicalProtocol", "notification", "metaData", "healthkitQuery",
)  # fmt: skip


def is_armt(document: object) -> bool:
    """Whether a document looks like an aRMT protocol file."""
    return isinstance(document, Mapping) and "protocols" in document and "activities" not in document


def import_armt(document: Mapping[str, Any]) -> Content:
    """The content of an aRMT protocol file; raises InvalidProtocol with every path it cannot honour.

    Offsets are civil (08:00 stays 08:00) and count from the anchor's midnight. Questionnaires whose answers
    RADAR never sends (isDemo) and those never due are left out; `note` says which. Reminders become words.
    """
    reading = Reading()
    found = reading.mapping(document, "", FILE_FIELDS, ("name", "protocols"))
    name = reading.text(found.get("name"), "name", least=1)
    activities: list[Activity] = []
    left_out: list[str] = []
    for path, value in reading.items(found.get("protocols"), "protocols", most=MOST_ACTIVITIES):
        made = _questionnaire(value, path, reading, {activity.key for activity in activities})
        activities.extend(made if isinstance(made, list) else ())
        left_out.extend([made] if isinstance(made, str) else ())
    if len(activities) > MOST_ACTIVITIES:
        mend = f"Split the file; a protocol has at most {MOST_ACTIVITIES}."
        reading.fault("protocols", f"It makes {len(activities)} activities", mend)
    note = reading.text(_file_note(found, left_out), "protocols", most=MOST_NOTE)
    reading.finish()
    return Content(key_of(name), name, tuple(activities), note=note)


def key_of(name: str) -> str:
    """The key made of a name: small letters and digits, everything else a dash."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-") or "unnamed"


def _questionnaire(value: object, path: str, reading: Reading, taken: set[str]) -> list[Activity] | str:
    """The activities of a questionnaire, or the sentence why there is none."""
    found = reading.mapping(value, path, QUESTIONNAIRE_FIELDS, ("name", "questionnaire", "protocol"))
    if not found:
        return []
    name = reading.text(found.get("name"), joined(path, "name"), least=1, most=150)
    if found.get("isDemo") is True:
        return f"{name}: a demonstration, its answers are never sent."
    before = len(reading.faults)
    inner = joined(path, "protocol")
    needed = ("repeatProtocol", "repeatQuestionnaire")
    timing = reading.mapping(found.get("protocol"), inner, TIMING_FIELDS, needed)
    code = _code(found.get("questionnaire"), joined(path, "questionnaire"), reading)
    parts = read_parts(found.get("type"), timing, inner, reading)
    note = reading.text(_note(found, timing, len(parts)), inner, most=MOST_NOTE)
    if len(reading.faults) > before:
        return []
    if not parts:
        return f"{name}: never due."
    key = _free(key_of(name), taken)
    return [
        Activity(
            key=f"{key}.{suffix}" if suffix else key,
            title=f"{name} ({suffix.replace('-', ' ')})" if suffix else name,
            code=code,
            unit="",
            schedule=schedule,
            note=note,
        )
        for suffix, schedule in parts
    ]


def _free(key: str, taken: set[str]) -> str:
    """The key itself, or with the first number that makes it its own; parts of a key count as the key."""
    used = {each.partition(".")[0] for each in taken}
    number, free = 2, key
    while free in used:
        free, number = f"{key}-{number}", number + 1
    return free


def _code(value: object, path: str, reading: Reading) -> str:
    if not isinstance(value, Mapping):
        reading.fault(path, "The questionnaire is not a mapping", "It has repository, name and avsc.")
        return ""
    return reading.text(value.get("name"), joined(path, "name"), least=1, most=80)


def _note(found: Mapping[str, Any], timing: Mapping[str, Any], parts: int) -> str:
    lines = []
    minutes = found.get("estimatedCompletionTime")
    if isinstance(minutes, int) and 0 < minutes < 10_000:
        lines.append(f"Takes about {minutes} min.")
    if timing.get("completionWindow") is None:
        lines.append(f"No completion window given: {DEFAULT_WINDOW_MINUTES // 60} hours, RADAR's own default.")
    if found.get("showInCalendar") is False:
        lines.append("Not shown in the calendar of RADAR's app.")
    if timing.get("clinicalProtocol") is not None:
        lines.append("Due after a clinic visit only, as in RADAR's app; its repeats do not count.")
    if found.get("type") in ("on_demand", "triggered"):
        lines.append("Begins with an event only, as in RADAR's app; its repeats do not count.")
    if "healthkitQuery" in timing:
        lines.append("RADAR's app collects this from the phone's health data; the query is not kept.")
    if parts > 1:
        lines.append(f"One of {parts} parts of a questionnaire whose days differ in their times.")
    return " ".join([*lines, *_reminders(timing.get("reminders"))])


def _reminders(value: object) -> list[str]:
    """Reminders are messages, not schedules: kept as words."""
    lines = []
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, Mapping) and each.get("repeat"):
            words = [shown(each.get(name)).strip("'") for name in ("repeat", "amount", "unit")]
            lines.append(f"RADAR's app reminded {words[0]} times, {words[1]} {words[2]} apart.")
    return lines


def _file_note(found: Mapping[str, Any], left_out: list[str]) -> str:
    version = shown(found.get("version", "")).strip("'")
    lines = [
        f"Imported from a RADAR-base aRMT protocol, version {version}.",
        "Texts, notifications and reminders of RADAR's app are not sent.",
        *(f"Left out: {line}" for line in left_out),
    ]
    return "\n".join(lines)
