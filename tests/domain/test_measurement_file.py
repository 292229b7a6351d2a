"""Files of measurements: each row becomes a measurement, is set aside, or is refused; none is lost."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.domain.measurement import Measurement, Outcome
from lockstep.domain.measurement_file import Result, SetAside, outcomes, rows, tally
from lockstep.domain.measurement_mapping import FileMapping, parse_mapping, read_mapping
from lockstep.domain.refusal import InvalidMapping, Refusal, UnknownZone

BASIC: dict[str, Any] = {
    "source": "clinic",
    "header": "no",
    "columns": ["patient", "date", "time", "what", "value"],
    "taken": {"date": "date", "date_format": "%Y-%m-%d", "time": "time", "time_format": "%H:%M"},
    "zone": "Europe/Amsterdam",
    "patient": "{patient}",
    "identifier": "{patient}/{content}",
    "code": "what",
    "value": "value",
    "words": {"Hi": "above range", "Lo": "below range"},
    "codes": {
        "w": {"code": "29463-7", "unit": "kg"},
        "g": {"code": "14743-9", "unit": "mmol/L", "plausible": [1, 40]},
        "m": {"code": "meal", "finding": "typical"},
    },
}


def mapping(**changes: object) -> FileMapping:
    return parse_mapping({name: value for name, value in {**BASIC, **changes}.items() if value is not None})


def read(*lines: str, **changes: object) -> list[Result]:
    found = rows(lines, mapping(**changes), file="diary.csv")
    return [result for _, result in found]


def one(*lines: str, **changes: Any) -> Measurement:
    (result,) = read(*lines, **changes)
    assert isinstance(result, Measurement), result
    return result


def aside(line: str, **changes: Any) -> SetAside:
    (result,) = read(line, **changes)
    assert isinstance(result, SetAside), result
    return result


def refused(line: str, **changes: Any) -> Refusal:
    (result,) = read(line, **changes)
    assert isinstance(result, Refusal), result
    assert result.where == "row 1"
    assert result.mend
    return result


def test_a_row_becomes_a_measurement() -> None:
    found = one("p1,2026-03-02,08:05,w,81.40")
    assert found == Measurement(
        source="clinic",
        identifier=found.identifier,
        patient="p1",
        code="29463-7",
        value=Decimal("81.40"),
        finding=None,
        unit="kg",
        taken_at=datetime(2026, 3, 2, 7, 5, tzinfo=UTC),
        history=True,
    )
    assert found.identifier.startswith("p1/")


@pytest.mark.parametrize(
    ("day", "time", "instant"),
    [
        ("2026-03-29", "01:59", datetime(2026, 3, 29, 0, 59, tzinfo=UTC)),
        ("2026-03-29", "02:30", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),  # does not exist: moves forward
        ("2026-03-29", "03:00", datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),
        ("2026-10-25", "02:30", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),  # exists twice: the first
    ],
)
def test_local_times_are_of_the_civil_zone(day: str, time: str, instant: datetime) -> None:
    assert one(f"p1,{day},{time},w,81").taken_at == instant


def test_the_caller_s_zone_goes_before_the_mapping_s() -> None:
    found = rows(["p1,2026-03-02,08:05,w,81"], mapping(), file="f", zone="Asia/Tokyo")
    instants = [result.taken_at for _, result in found if isinstance(result, Measurement)]
    assert instants == [datetime(2026, 3, 1, 23, 5, tzinfo=UTC)]


def test_an_unknown_zone_of_the_caller_refuses_the_file() -> None:
    with pytest.raises(UnknownZone):
        list(rows(["p1,2026-03-02,08:05,w,81"], mapping(), file="f", zone="Europe/Amsterdm"))


def test_without_a_zone_a_local_time_is_refused() -> None:
    found = list(rows(["p1,2026-03-02,08:05,w,81"], mapping(zone=None), file="f"))
    assert isinstance(found[0][1], Refusal)
    assert "zone" in found[0][1].mend


ISO = {"taken": {"date": "date", "date_format": "iso"}}
STAMP = {"taken": {"date": "date", "date_format": "%Y-%m-%d %H:%M:%S%z"}}
NOON = {"taken": {"date": "date", "date_format": "%d/%m/%Y", "time": "time", "time_format": "%I:%M %p"}}


@pytest.mark.parametrize(
    ("taken", "day", "time", "instant"),
    [
        (ISO, "2026-03-02T08:05:00+01:00", "", datetime(2026, 3, 2, 7, 5, tzinfo=UTC)),
        (STAMP, "2026-03-02 08:05:09+0530", "", datetime(2026, 3, 2, 2, 35, 9, tzinfo=UTC)),
        (NOON, "02/03/2026", "12:05 AM", datetime(2026, 3, 1, 23, 5, tzinfo=UTC)),
    ],
)
def test_dates_are_read_in_their_format(taken: dict[str, Any], day: str, time: str, instant: datetime) -> None:
    assert one(f"p1,{day},{time},w,81", **taken).taken_at == instant


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ("p1,2026-02-30,08:05,w,81", "date"),
        ("p1,02-03-2026,08:05,w,81", "date"),
        ("p1,,08:05,w,81", "date"),
        ("p1,1026-03-02,08:05,w,81", "date"),
        ("p1,2026-03-02,25:05,w,81", "time"),
        ("p1,2026-03-02,08:60,w,81", "time"),
        ("p1,2026-03-02,,w,81", "time"),
        ("p1,2026-03-02,08:05,w,", "value"),
        ("p1,2026-03-02,08:05,w,heavy", "value"),
        ("p1,2026-03-02,08:05,w,8 1", "value"),
        ("p1,2026-03-02,08:05,w,NaN", "value"),
        ("p1,2026-03-02,08:05,w,inf", "value"),
        ("p1,2026-03-02,08:05,w,1e2", "value"),
        ("p1,2026-03-02,08:05,w,٨١", "value"),
        ("p1,2026-03-02,08:05,w,123456789012345", "value"),
        ("p1,2026-03-02,08:05,w,0", "value"),
        ("p1,2026-03-02,08:05,w,814", "value"),
        ("p1,2026-03-02,08:05,g,0.9", "value"),
        ("p1,2026-03-02,08:05,m,3", "value"),
    ],
)
def test_what_is_impossible_is_set_aside_with_its_reason(row: str, kind: str) -> None:
    found = aside(row)
    assert (found.kind, found.text, found.patient, found.source) == (kind, row, "p1", "clinic")
    assert found.reason
    assert found.identifier.startswith("p1/")
    assert aside(row, impossible={kind: "set aside"}) == found
    refused(row, impossible={kind: "refuse"})


@pytest.mark.parametrize(("word", "finding"), [("Hi", "above range"), ("LO", "below range")])
def test_words_are_findings(word: str, finding: str) -> None:
    found = one(f"p1,2026-03-02,08:05,g,{word}")
    assert (found.value, found.finding, found.unit) == (None, finding, "mmol/L")


@pytest.mark.parametrize("value", ["", "0", "000", "0.0"])
def test_an_event_needs_no_value(value: str) -> None:
    found = one(f"p1,2026-03-02,08:05,m,{value}")
    assert (found.code, found.value, found.finding, found.unit) == ("meal", None, "typical", "")


@pytest.mark.parametrize(
    "row",
    [
        "p1,2026-03-02,08:05,x,81",
        ",2026-03-02,08:05,w,81",
        "p\x001,2026-03-02,08:05,w,81",
        f"{'p' * 101},2026-03-02,08:05,w,81",
        "p1,2026-03-02,08:05,w",
        "p1,2026-03-02,08:05,w,81,82",
        'p1,2026-03-02,08:05,w,"81',
        "just words",
        "x" * 200_000,
    ],
)
def test_what_cannot_be_read_is_refused_with_its_row(row: str) -> None:
    refused(row)


def test_a_stray_quote_swallows_no_other_row() -> None:
    found = read('p1,2026-03-02,08:05,w,"81', "p1,2026-03-03,08:05,w,81")
    assert [isinstance(result, Measurement) for result in found] == [False, True]


def test_a_decimal_comma_is_read() -> None:
    changed = {"decimal": ",", "delimiter": "semicolon"}
    assert one("p1;2026-03-02;08:05;w;81,4", **changed).value == Decimal("81.4")
    assert aside("p1;2026-03-02;08:05;w;81.4", **changed).kind == "value"


def test_quoted_fields_are_read() -> None:
    assert one('"p1","2026-03-02","08:05","w","81.4"').value == Decimal("81.4")


def test_a_unit_may_stand_in_the_row() -> None:
    columns = [*BASIC["columns"], "unit"]
    assert one("p1,2026-03-02,08:05,w,180,lb", columns=columns, unit="unit").unit == "[lb_av]"
    assert one("p1,2026-03-02,08:05,w,81,", columns=columns, unit="unit").unit == "kg"
    refused("p1,2026-03-02,08:05,w,81,stones", columns=columns, unit="unit")
    refused("p1,2026-03-02,08:05,w,81,cm", columns=columns, unit="unit")


def test_one_meaning_needs_no_column_of_codes() -> None:
    changed = {"code": None, "codes": {"*": {"code": "29463-7", "unit": "kg"}}}
    assert one("p1,2026-03-02,08:05,whatever,81", **changed).code == "29463-7"


HEADED = {"header": "yes", "columns": None}
HEADER = "value,what,patient,date,time"


def test_the_header_names_the_columns_in_any_order() -> None:
    found = one(HEADER, "81,w,p1,2026-03-02,08:05", **HEADED)
    assert (found.value, found.patient) == (Decimal(81), "p1")


@pytest.mark.parametrize("header", ["value,what,patient,date", "value,what,patient,date,time,time", "", '"a'])
def test_a_header_that_does_not_fit_refuses_the_file(header: str) -> None:
    with pytest.raises(InvalidMapping) as refusal:
        read(header, "81,w,p1,2026-03-02,08:05", **HEADED)
    assert refusal.value.mend


@pytest.mark.parametrize("first", ["Patient,Date,Time,What,Value", "patient,,date,time,what,value"])
def test_a_header_may_be_there_or_not(first: str) -> None:
    row = "p1,2026-03-02,08:05,w,81"
    assert len(read(first, row, header="when present")) == 1
    assert len(read(row, row, header="when present")) == 2
    assert len(read(row, first, header="when present")) == 2


def test_empty_lines_and_marks_of_the_encoding_are_no_rows() -> None:
    lines = ["\ufeffp1,2026-03-02,08:05,w,81\r\n", "\n", "   ", "p1,2026-03-03,08:05,w,81\n"]
    found = list(rows(lines, mapping(), file="f"))
    assert [number for number, _ in found] == [1, 4]
    assert all(isinstance(result, Measurement) for _, result in found)


def test_the_patient_may_be_given_or_come_from_the_file_s_name() -> None:
    found = rows(["p1,2026-03-02,08:05,w,81"], mapping(patient="{given}"), file="f", patient="anna")
    assert [result.patient for _, result in found if isinstance(result, Measurement)] == ["anna"]
    found = rows(["p1,2026-03-02,08:05,w,81"], mapping(patient="home-{file}"), file="diary-7")
    assert [result.patient for _, result in found if isinstance(result, Measurement)] == ["home-diary-7"]


@pytest.mark.parametrize(
    ("template", "identifier"),
    [("{file}:{row}", "diary.csv:1"), ("{patient} {date} {what}", "p1 2026-03-02 w"), ("fixed", "fixed")],
)
def test_the_identifier_follows_its_template(template: str, identifier: str) -> None:
    assert one("p1,2026-03-02,08:05,w,81", identifier=template).identifier == identifier


def test_the_digest_of_the_content_is_the_same_in_every_file() -> None:
    row = "p1,2026-03-02,08:05,w,81"
    first, second = one(row), one("", row, delimiter="comma")
    assert first.identifier == second.identifier
    assert one("p1,2026-03-02,08:05,w,82").identifier != first.identifier
    assert len(first.identifier) == len("p1/") + 32


def test_rows_come_to_the_four_outcomes_and_none_is_lost() -> None:
    lines = [
        "p1,2026-03-02,08:05,w,81",
        "p1,2026-03-02,08:05,w,81",
        "p2,2026-03-02,08:05,w,81",
        "p1,2026-02-30,08:05,w,81",
        "p1,2026-02-30,08:05,w,81",
        "p1,2026-03-02,08:05,x,81",
        "p1,2026-03-02,08:05,x,81",
    ]
    found = [outcome for _, outcome, _ in outcomes(rows(lines, mapping(), file="f"))]
    stored, duplicate, set_aside, unread = (
        Outcome.STORED,
        Outcome.DUPLICATE,
        Outcome.SET_ASIDE,
        Outcome.REFUSED,
    )
    assert found == [stored, duplicate, stored, set_aside, duplicate, unread, unread]


def test_an_identifier_that_stands_for_something_else_is_refused() -> None:
    lines = ["p1,2026-03-02,08:05,w,81", "p1,2026-03-02,08:05,w,82"]
    found = list(outcomes(rows(lines, mapping(identifier="{patient} {date}"), file="f")))
    assert [outcome for _, outcome, _ in found] == [Outcome.STORED, Outcome.REFUSED]


pieces = st.sampled_from(
    ["p1", "2026-03-02", "2026-02-30", "08:05", "99:99", "w", "g", "m", "x", "81", "Hi", "", '"', ",", "\x00"]
)
lines_of_any_kind = st.lists(st.text(max_size=30) | st.lists(pieces, max_size=7).map(",".join), max_size=8)


@given(lines=lines_of_any_kind, header=st.sampled_from(["no", "when present"]))
def test_whatever_the_lines_every_row_has_one_outcome(lines: Iterable[str], header: str) -> None:
    lines = list(lines)
    found = list(rows(lines, mapping(header=header), file="f"))
    lines_with_content = sum(1 for line in lines if line.removeprefix("\ufeff").strip())
    assert len(found) == lines_with_content
    assert sum(tally(found).values()) == len(found)
    assert [number for number, _ in found] == sorted({number for number, _ in found})


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"source": None}, "source"),
        ({"codes": None}, "codes"),
        ({"source": 7}, "source"),
        ({"soruce": "x"}, "soruce"),
        ({"delimiter": "tabs"}, "delimiter"),
        ({"delimiter": '"'}, "delimiter"),
        ({"delimiter": ",", "decimal": ","}, "decimal"),
        ({"decimal": ";"}, "decimal"),
        ({"header": "maybe"}, "header"),
        ({"header": 1}, "header"),
        ({"columns": "patient,date"}, "columns"),
        ({"columns": None}, "columns"),
        ({"columns": ["patient", "date", "time", "what"]}, "columns"),
        ({"columns": ["patient", "date", "time", "what", "value", "value"]}, "columns[5]"),
        ({"columns": ["file", "patient", "date", "time", "what", "value"]}, "columns[0]"),
        ({"taken": "date"}, "taken"),
        ({"taken": {"date": "date"}}, "taken.date_format"),
        ({"taken": {"date": "date", "date_format": "%Y-%m-%d"}}, "taken.date_format"),
        ({"taken": {"date": "date", "date_format": "%y-%m-%d %H:%M"}}, "taken.date_format"),
        ({"taken": {"date": "date", "date_format": "%c"}}, "taken.date_format"),
        ({"taken": {"date": "date", "date_format": "%Y-%m-%d", "time": "time"}}, "taken.time_format"),
        (
            {"taken": {"date": "date", "date_format": "%Y-%m-%d", "time": "time", "time_format": "%I:%M"}},
            "taken.time_format",
        ),
        ({"taken": {**BASIC["taken"], "tmie": 1}}, "taken.tmie"),
        ({"taken": {**BASIC["taken"], "date": "dat"}}, "columns"),
        ({"zone": "Amsterdam"}, "zone"),
        ({"zone": 3}, "zone"),
        ({"patient": "{patien}"}, "columns"),
        ({"patient": "{patient"}, "patient"),
        ({"patient": ""}, "patient"),
        ({"identifier": "{row!r}"}, "columns"),
        ({"identifier": 3}, "identifier"),
        ({"code": None}, "code"),
        ({"code": "wat"}, "columns"),
        ({"value": ["value"]}, "value"),
        ({"unit": "unit"}, "columns"),
        ({"words": {"Hi": 7}}, "words.Hi"),
        ({"words": ["Hi"]}, "words"),
        ({"impossible": {"day": "refuse"}}, "impossible.day"),
        ({"impossible": {"date": "ignore"}}, "impossible.date"),
        ({"codes": {}}, "codes"),
        ({"codes": {"w": "29463-7"}}, "codes.w"),
        ({"codes": {"w": {"unit": "kg"}}}, "codes.w.code"),
        ({"codes": {"w": {"code": "x"}}}, "codes.w"),
        ({"codes": {"w": {"code": "x", "unit": "kg", "finding": "y"}}}, "codes.w"),
        ({"codes": {"w": {"code": "x", "unit": "stones"}}}, "codes.w.unit"),
        ({"codes": {"w": {"code": "x", "unit": "kg", "plausible": [3, 2]}}}, "codes.w.plausible"),
        ({"codes": {"w": {"code": "x", "unit": "kg", "plausible": [3]}}}, "codes.w.plausible"),
        ({"codes": {"w": {"code": "x", "unit": "kg", "plausible": ["a", 2]}}}, "codes.w.plausible[0]"),
        ({"codes": {"w": {"code": "x", "unit": "kg", "plausble": [1, 2]}}}, "codes.w.plausble"),
        ({"device": ""}, "device"),
    ],
)
def test_a_faulty_mapping_is_refused_with_its_path_and_mend(changes: dict[str, object], path: str) -> None:
    with pytest.raises(InvalidMapping) as refusal:
        mapping(**changes)
    assert refusal.value.where == path
    assert refusal.value.mend


@pytest.mark.parametrize("text", ["", "- a", "a: b: c", "source: x\nsource: y", "{", "&a [*a]", "x: 2026-13-45"])
def test_what_is_no_mapping_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidMapping):
        read_mapping(text)


def test_a_mapping_may_be_json() -> None:
    assert read_mapping(json.dumps(BASIC), format="json") == mapping()


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from([*BASIC, "delimiter", "decimal", "unit", "impossible", "device"])


@given(changes=st.dictionaries(names, anything, max_size=3))
def test_no_mapping_raises_anything_but_a_refusal(changes: dict[str, object]) -> None:
    refusal = None
    try:
        parse_mapping({**BASIC, **changes})
    except InvalidMapping as fault:
        refusal = fault
    if refusal is not None:
        assert refusal.where
        assert refusal.mend
        str(refusal).encode()


@given(text=st.text(max_size=80))
def test_no_text_raises_anything_but_a_refusal(text: str) -> None:
    with pytest.raises(InvalidMapping):
        read_mapping(text)
