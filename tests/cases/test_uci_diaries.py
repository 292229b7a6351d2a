"""The 25 home glucose diaries of UCI data set 34: every row stored, duplicate, set aside or refused."""

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from importlib import resources
from itertools import takewhile
from pathlib import Path

import pytest

from lockstep.domain.matching import Candidate, match
from lockstep.domain.measurement import ABOVE_RANGE, BELOW_RANGE, Measurement, Outcome
from lockstep.domain.measurement_file import Row, SetAside, outcomes, rows, tally
from lockstep.domain.measurement_mapping import FileMapping, read_mapping
from lockstep.domain.occurrence import Window
from lockstep.domain.refusal import Refusal
from lockstep.domain.schedule import EveryDays, Schedule, TimeOfDay, windows

DIARIES = Path(__file__).parents[2].parent / "shared" / "cases" / "uci-diabetes-home-glucose"
pytestmark = pytest.mark.skipif(not DIARIES.is_dir(), reason="the cases are not on this machine")

# diary, rows, stored, duplicate, set aside, refused
EXPECTED = [
    ("data-01", 943, 943, 0, 0, 0),
    ("data-02", 761, 761, 0, 0, 0),
    ("data-03", 300, 288, 2, 0, 10),
    ("data-04", 300, 294, 0, 0, 6),
    ("data-05", 300, 294, 0, 0, 6),
    ("data-06", 149, 149, 0, 0, 0),
    ("data-07", 242, 242, 0, 0, 0),
    ("data-08", 177, 175, 2, 0, 0),
    ("data-09", 206, 205, 0, 1, 0),
    ("data-10", 247, 247, 0, 0, 0),
    ("data-11", 236, 235, 0, 0, 1),
    ("data-12", 300, 299, 0, 0, 1),
    ("data-13", 300, 300, 0, 0, 0),
    ("data-14", 230, 230, 0, 0, 0),
    ("data-15", 300, 300, 0, 0, 0),
    ("data-16", 300, 300, 0, 0, 0),
    ("data-17", 251, 228, 1, 0, 22),
    ("data-18", 300, 296, 0, 0, 4),
    ("data-19", 300, 296, 0, 0, 4),
    ("data-20", 1003, 995, 0, 7, 1),
    ("data-21", 517, 517, 0, 0, 0),
    ("data-22", 300, 298, 0, 0, 2),
    ("data-23", 300, 297, 0, 0, 3),
    ("data-24", 300, 300, 0, 0, 0),
    ("data-25", 110, 109, 0, 0, 1),
]
GLUCOSE = {"48", "57", "58", "59", "60", "61", "62", "63", "64"}
DOCUMENTED = {str(code) for code in (33, 34, 35, 48, *range(57, 73))}


@pytest.fixture(scope="module")
def mapping() -> FileMapping:
    text = resources.files("lockstep.proof").joinpath("mappings", "uci-diabetes.yaml").read_text(encoding="utf-8")
    return read_mapping(text)


def lines(diary: str) -> list[str]:
    return (DIARIES / diary).read_text(encoding="ascii").splitlines()


def read(diary: str, mapping: FileMapping) -> list[Row]:
    return list(rows(lines(diary), mapping, file=diary))


def read_all(mapping: FileMapping) -> list[Row]:
    return [row for diary, *_ in EXPECTED for row in read(diary, mapping)]


def naive(diary: str) -> Counter[Outcome]:
    """The same counts from the text alone, without any of our code."""
    found: Counter[Outcome] = Counter()
    seen = set()
    for line in lines(diary):
        if line.startswith("Date"):
            continue
        day, _, code, value = line.split("\t")
        if code not in DOCUMENTED:
            found[Outcome.REFUSED] += 1
        elif line in seen:
            found[Outcome.DUPLICATE] += 1
        elif day.startswith("06-31") or (code in GLUCOSE and value.strip("0") == ""):
            found[Outcome.SET_ASIDE] += 1
        else:
            found[Outcome.STORED] += 1
        seen.add(line)
    return found


@pytest.mark.parametrize(("diary", "count", "stored", "duplicate", "set_aside", "refused"), EXPECTED)
def test_each_diary_comes_to_its_counts(
    diary: str, count: int, stored: int, duplicate: int, set_aside: int, refused: int, mapping: FileMapping
) -> None:
    found = tally(read(diary, mapping))
    assert found == naive(diary)
    assert found == Counter(
        {
            Outcome.STORED: stored,
            Outcome.DUPLICATE: duplicate,
            Outcome.SET_ASIDE: set_aside,
            Outcome.REFUSED: refused,
        }
    )
    assert stored + duplicate + set_aside + refused == count
    headers = 1 if diary == "data-01" else 0
    assert count + headers == len(lines(diary))


def test_every_diary_is_there() -> None:
    assert [diary for diary, *_ in EXPECTED] == sorted(path.name for path in DIARIES.glob("data-*"))


def test_all_diaries_together(mapping: FileMapping) -> None:
    found = tally(read_all(mapping))
    assert found == Counter({Outcome.STORED: 8598, Outcome.REFUSED: 61, Outcome.SET_ASIDE: 8, Outcome.DUPLICATE: 5})
    assert sum(found.values()) == 8672


def test_hi_and_lo_are_findings(mapping: FileMapping) -> None:
    found = [
        result
        for _, result in read_all(mapping)
        if isinstance(result, Measurement) and "range" in (result.finding or "")
    ]
    assert Counter(result.finding for result in found) == {ABOVE_RANGE: 6, BELOW_RANGE: 1}
    assert all(result.value is None and result.unit == "mg/dL" for result in found)


def test_what_is_stored_is_by_code(mapping: FileMapping) -> None:
    stored = [result for _, outcome, result in outcomes(read_all(mapping)) if outcome is Outcome.STORED]
    assert Counter(result.code for result in stored if isinstance(result, Measurement)) == {
        "41653-7": 3618,
        "insulin-regular": 2752,
        "insulin-nph": 1506,
        "insulin-ultralente": 192,
        "hypoglycaemia": 178,
        "meal": 182,
        "exercise": 124,
        "event": 46,
    }


def test_what_is_set_aside_has_its_reason_and_its_row(mapping: FileMapping) -> None:
    aside = [result for _, result in read_all(mapping) if isinstance(result, SetAside)]
    assert Counter((result.patient, result.kind) for result in aside) == {
        ("uci-data-20", "date"): 7,  # 31 June 1991
        ("uci-data-09", "value"): 1,  # a glucose of 0
    }
    assert all(result.text in lines(result.patient.removeprefix("uci-")) for result in aside)
    assert any("06-31-1991" in result.reason for result in aside)
    assert any("0 mg/dL" in result.reason for result in aside)


def test_what_is_refused_names_its_code_and_its_row(mapping: FileMapping) -> None:
    refused = [(number, result) for number, result in read_all(mapping) if isinstance(result, Refusal)]
    assert Counter(result.what for _, result in refused) == {
        "The code '56' is not in the mapping": 59,
        "The code '4' is not in the mapping": 1,
        "The code '36' is not in the mapping": 1,
    }
    assert all(result.where == f"row {number}" and result.mend for number, result in refused)


def test_a_diary_imported_again_changes_nothing(mapping: FileMapping) -> None:
    again = tally([*read_all(mapping), *read_all(mapping)])
    assert again == Counter(
        {
            Outcome.STORED: 8598,
            Outcome.REFUSED: 2 * 61,
            Outcome.SET_ASIDE: 8,
            Outcome.DUPLICATE: 5 + 8598 + 8 + 5,
        }
    )


def test_every_value_is_the_number_in_its_row(mapping: FileMapping) -> None:
    for diary, *_ in EXPECTED:
        text = lines(diary)
        for number, result in read(diary, mapping):
            if isinstance(result, Measurement) and result.value is not None:
                day, time, _, value = text[number - 1].split("\t")
                assert result.value == Decimal(value)
                # St. Louis is six hours behind in winter, five in summer.
                behind = datetime.strptime(f"{day} {time}", "%m-%d-%Y %H:%M").replace(tzinfo=UTC)
                assert result.taken_at - behind in (timedelta(hours=5), timedelta(hours=6))


FOUR_A_DAY = Schedule(
    EveryDays(1),
    (
        TimeOfDay("breakfast", time(5), 6 * 60),
        TimeOfDay("lunch", time(11), 4 * 60),
        TimeOfDay("supper", time(15), 5 * 60),
        TimeOfDay("bedtime", time(20), 9 * 60),
    ),
)


def slot_of(day: str, at: str) -> tuple[date, str]:
    """The date and slot of a reading, from the text alone; the small hours belong to the evening before."""
    local = datetime.strptime(f"{day} {at}", "%m-%d-%Y %H:%M")  # noqa: DTZ007 - civil
    hour = local.hour
    slot = "breakfast" if 5 <= hour < 11 else "lunch" if 11 <= hour < 15 else "supper" if 15 <= hour < 20 else "bedtime"
    return (local - timedelta(hours=5)).date(), slot


def missed(due: list[Window], taken: list[datetime]) -> set[tuple[date, str]]:
    """The windows that nothing fulfilled, by the rules of matching."""
    undecided = [
        Candidate("glucose", window.on, window.slot, window.opens_at, window.closes_at, window.closes_at)
        for window in due
    ]
    for instant in taken:
        found = match(undecided, instant)
        if found is not None:
            undecided.remove(found.candidate)
    return {(candidate.on, candidate.slot) for candidate in undecided}


@pytest.mark.parametrize("diary", [diary for diary, *_ in EXPECTED])
def test_four_a_day_misses_exactly_what_was_not_measured(diary: str, mapping: FileMapping) -> None:
    read_in = [(number, result) for number, result in read(diary, mapping) if isinstance(result, Measurement)]
    readings = [(number, result) for number, result in read_in if result.code == "41653-7"]
    text = lines(diary)
    measured = {slot_of(*text[number - 1].split("\t")[:2]) for number, _ in readings}
    first, last = min(on for on, _ in measured), max(on for on, _ in measured)
    zone = mapping.zone
    assert zone is not None
    from_at = min(result.taken_at for _, result in readings) - timedelta(days=3)
    all_due = windows(FOUR_A_DAY, anchor_on=first, zone=zone, from_at=from_at)
    due = list(takewhile(lambda window: window.on <= last, all_due))
    expected = {(window.on, window.slot) for window in due} - measured
    assert missed(due, [result.taken_at for _, result in readings]) == expected
    assert len(due) == 4 * ((last - first).days + 1)
    assert len(expected) + len(measured) == len(due)
