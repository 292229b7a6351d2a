"""How a file of measurements is to be read: its columns, codes, civil zone and identifiers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Literal, TypeVar

from lockstep.domain.civil import require_zone
from lockstep.domain.measurement import Bounds, require_text
from lockstep.domain.protocol_text import load
from lockstep.domain.refusal import InvalidMapping, InvalidProtocol, Refusal, short, shown
from lockstep.domain.rule import number
from lockstep.domain.unit import require_unit

Header = Literal["yes", "no", "when present"]
Treatment = Literal["set aside", "refuse"]
Kind = Literal["date", "time", "value"]
KINDS: tuple[Kind, ...] = ("date", "time", "value")

# What a template may name besides columns: the file's name, the row's number, a digest of the row's content,
# and the patient that the caller gave. In an identifier, `patient` is the patient identifier just made.
RESERVED = frozenset({"file", "row", "content", "given"})
NAMED = re.compile(r"\{([^{}]*)\}")

_DELIMITERS = {"comma": ",", "tab": "\t", "semicolon": ";", "pipe": "|"}
_HEADERS: dict[object, Header] = {
    True: "yes",
    False: "no",
    "yes": "yes",
    "no": "no",
    "when present": "when present",
}
_DATE_DIRECTIVES = {"Y", "m", "d"}
_TIME_DIRECTIVES = {"H", "I", "p", "M", "S", "f", "z"}
_REQUIRED = ("source", "taken", "patient", "identifier", "codes", "value")
_OPTIONAL = (
    "delimiter",
    "decimal",
    "header",
    "columns",
    "zone",
    "code",
    "unit",
    "words",
    "impossible",
    "device",
)
_MOST_ENTRIES = 10_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Taken:
    """Where the instant of taking stands, in strptime's directives; "iso" is RFC 3339 with its offset."""

    date: str
    date_format: str
    time: str | None = None
    time_format: str | None = None


@dataclass(frozen=True, slots=True)
class Coded:
    """What a code of the file means: a measurement in `unit`, or a finding in words that needs no value."""

    code: str
    unit: str = ""
    finding: str | None = None
    plausible: Bounds | None = None


@dataclass(frozen=True, slots=True)
class FileMapping:
    """How the rows of a file become measurements; columns are named here, or by the header when empty."""

    source: str
    taken: Taken
    patient: str
    identifier: str
    codes: Mapping[str, Coded]
    value: str
    code: str | None = None
    unit: str | None = None
    zone: str | None = None
    delimiter: str = ","
    decimal: str = "."
    header: Header = "yes"
    columns: tuple[str, ...] = ()
    words: Mapping[str, str] = field(default_factory=dict)
    impossible: Mapping[Kind, Treatment] = field(default_factory=dict)
    device: str = ""

    def needs(self) -> frozenset[str]:
        """The columns without which no row can be read."""
        named = {*NAMED.findall(self.patient), *NAMED.findall(self.identifier)} - {"patient"}
        if "{patient}" in self.patient:
            named.add("patient")
        places = {self.value, self.taken.date, self.taken.time, self.code, self.unit} - {None}
        return frozenset(named | {place for place in places if place}) - RESERVED


def read_mapping(text: str, *, format: Literal["yaml", "json"] = "yaml") -> FileMapping:  # noqa: A002
    """The mapping that a YAML or JSON text holds; raises InvalidMapping with path and mend."""
    try:
        document = load(text, format=format)
    except InvalidProtocol as refused:
        where = refused.where or "mapping"
        raise InvalidMapping(refused.what, where=where, mend=refused.mend) from refused
    return parse_mapping(document)


def parse_mapping(document: object) -> FileMapping:
    """The mapping that a document describes; raises InvalidMapping with the path of the first fault and its
    mend.
    """
    entries = _mapping(document, "mapping")
    _only(entries, (*_REQUIRED, *_OPTIONAL), "")
    for name in _REQUIRED:
        if name not in entries:
            raise _fault(f"{name} is missing", name, f"A mapping needs {', '.join(_REQUIRED)}.")
    try:
        mapping = FileMapping(
            source=require_text(entries["source"], "source", "source"),
            taken=_taken(entries["taken"]),
            patient=_template(entries, "patient"),
            identifier=_template(entries, "identifier"),
            codes=_codes(entries["codes"]),
            value=_column(entries["value"], "value"),
            code=_column(entries["code"], "code") if "code" in entries else None,
            unit=_column(entries["unit"], "unit") if "unit" in entries else None,
            zone=require_zone(_text(entries["zone"], "zone")) if "zone" in entries else None,
            delimiter=_delimiter(entries.get("delimiter", ",")),
            decimal=_one_of(entries.get("decimal", "."), {".": ".", ",": ","}, "decimal"),
            header=_one_of(entries.get("header", "yes"), _HEADERS, "header"),
            columns=_columns(entries.get("columns", [])),
            words=_words(entries.get("words", {})),
            impossible=_impossible(entries.get("impossible", {})),
            device=require_text(entries["device"], "device", "device") if "device" in entries else "",
        )
    except InvalidMapping:
        raise
    except Refusal as refused:
        raise InvalidMapping(refused.what, where=refused.where or "zone", mend=refused.mend) from refused
    _require_agreement(mapping)
    return mapping


def _require_agreement(mapping: FileMapping) -> None:
    """What the parts of a mapping must have in common."""
    if not mapping.columns and mapping.header != "yes":
        raise _fault("The columns have no names", "columns", "List them in order, or say header: yes.")
    if mapping.columns:
        require_columns(mapping, mapping.columns)
    if mapping.code is None and set(mapping.codes) != {"*"}:
        mend = 'Name the column as code, or give the one meaning as codes: {"*": ...}.'
        raise _fault("There are codes but no column that holds them", "code", mend)
    if mapping.decimal == mapping.delimiter:
        raise _fault("Decimal mark and delimiter are the same", "decimal", "Use another delimiter.")


def require_columns(mapping: FileMapping, columns: tuple[str, ...]) -> None:
    """Every column that the mapping needs is there; raises InvalidMapping otherwise."""
    missing = sorted(mapping.needs() - set(columns))
    if missing:
        mend = f"The columns are {', '.join(columns)}; templates may also name {', '.join(sorted(RESERVED))}."
        for name, mark in _DELIMITERS.items():
            if len(columns) == 1 and mark in columns[0]:
                mend = f"There is one column, {shown(columns[0])}: say delimiter: {name} in the mapping."
        raise _fault(f"There is no column {missing[0]!r}", "columns", mend)


def _taken(document: object) -> Taken:
    entries = _mapping(document, "taken")
    _only(entries, ("date", "date_format", "time", "time_format"), "taken.")
    for name in ("date", "date_format"):
        if name not in entries:
            raise _fault(f"{name} is missing", f"taken.{name}", "Name a column and its format, or iso.")
    date_format = _text(entries["date_format"], "taken.date_format")
    if ("time" in entries) != ("time_format" in entries):
        raise _fault("time and time_format go together", "taken.time_format", "Write both or neither.")
    if "time" not in entries:
        if date_format != "iso":
            _directives(date_format, _DATE_DIRECTIVES | {"H", "M"}, "taken.date_format")
        return Taken(_column(entries["date"], "taken.date"), date_format)
    _directives(date_format, _DATE_DIRECTIVES, "taken.date_format", also=set())
    time_format = _text(entries["time_format"], "taken.time_format")
    _directives(time_format, {"H", "M"}, "taken.time_format")
    return Taken(
        _column(entries["date"], "taken.date"),
        date_format,
        _column(entries["time"], "taken.time"),
        time_format,
    )


def _directives(format_: str, needed: set[str], path: str, also: set[str] = _TIME_DIRECTIVES) -> None:
    """A strptime format with what is needed and nothing that depends on a language or guesses a century."""
    found = re.findall(r"%(.?)", format_)
    hours = {"H"} if {"I", "p"} <= set(found) else set()
    absent = sorted(needed - set(found) - hours)
    foreign = sorted(set(found) - needed - also)
    if foreign or absent or len(set(found)) != len(found):
        needs = ", ".join("%" + letter for letter in sorted(needed))
        mend = f"Use each of {needs} once, such as %Y-%m-%d %H:%M."
        raise _fault(f"The format {shown(format_)} does not name an instant exactly", path, mend)


def _codes(document: object) -> dict[str, Coded]:
    entries = _mapping(document, "codes")
    if not entries or len(entries) > _MOST_ENTRIES:
        raise _fault("There are no codes, or too many", "codes", 'Write codes: {"58": {code: ..., unit: ...}}.')
    return {str(key): _coded(entry, f"codes.{short(key)}") for key, entry in entries.items()}


def _coded(document: object, path: str) -> Coded:
    entries = _mapping(document, path)
    _only(entries, ("code", "unit", "finding", "plausible"), f"{path}.")
    code = require_text(entries.get("code"), "code", f"{path}.code")
    if ("unit" in entries) == ("finding" in entries):
        mend = "Write unit for a measurement, finding for an event that needs no value."
        raise _fault("A code has either a unit or a finding", path, mend)
    if "finding" in entries:
        return Coded(code, finding=require_text(entries["finding"], "finding", f"{path}.finding"))
    unit = require_unit(_text(entries["unit"], f"{path}.unit"), f"{path}.unit")
    return Coded(code, unit, None, _plausible(entries["plausible"], unit, path) if "plausible" in entries else None)


def _plausible(given: object, unit: str, path: str) -> Bounds:
    if not isinstance(given, list) or len(given) != 2:
        raise _fault("plausible is not two numbers", f"{path}.plausible", "Write [least, most] in the unit.")
    least, most = (number(bound, f"{path}.plausible[{index}]") for index, bound in enumerate(given))
    if least >= most:
        raise _fault("The least is not below the most", f"{path}.plausible", "Write [least, most] in the unit.")
    return (least, most, unit)


def _words(document: object) -> dict[str, str]:
    entries = _mapping(document, "words")
    return {
        str(word).casefold(): require_text(finding, "finding", f"words.{short(word)}")
        for word, finding in entries.items()
    }


def _impossible(document: object) -> dict[Kind, Treatment]:
    entries = _mapping(document, "impossible")
    _only(entries, KINDS, "impossible.")
    treatments: dict[object, Treatment] = {"set aside": "set aside", "refuse": "refuse"}
    return {kind: _one_of(entries[kind], treatments, f"impossible.{kind}") for kind in KINDS if kind in entries}


def _columns(given: object) -> tuple[str, ...]:
    if not isinstance(given, list) or len(given) > _MOST_ENTRIES:
        raise _fault("The columns are not a list", "columns", "Write their names in order: [date, time, value].")
    names = tuple(_column(name, f"columns[{index}]") for index, name in enumerate(given))
    for index, name in enumerate(names):
        if name in names[:index] or name in RESERVED:
            what = f"The column name {name!r} is {'reserved' if name in RESERVED else 'there twice'}"
            raise _fault(what, f"columns[{index}]", "Give each column a name of its own.")
    return names


def _column(given: object, path: str) -> str:
    name = _text(given, path)
    if not name or len(name) > 100 or "{" in name or "}" in name:
        raise _fault("This is no name of a column", path, "Write the column's name, at most 100 characters.")
    return name


def _template(entries: Mapping[object, object], name: str) -> str:
    template = _text(entries[name], name)
    rest = NAMED.sub("", template)
    if "{" in rest or "}" in rest or not template.strip() or len(template) > 200:
        mend = f'Write a text such as "{{file}}" or "{{patient}} {{content}}"; {name} names columns in braces.'
        raise _fault("The template cannot be read", name, mend)
    return template


def _delimiter(given: object) -> str:
    text = _DELIMITERS.get(given, given) if isinstance(given, str) else given
    if not isinstance(text, str) or len(text) != 1 or text in '"\r\n ':
        raise _fault("The delimiter is not one character", "delimiter", f"Write {', '.join(_DELIMITERS)}.")
    return text


def _one_of(given: object, known: Mapping[object, T] | Mapping[str, T], path: str) -> T:
    for word, meaning in known.items():
        if given is word or (isinstance(given, str) and given == word):
            return meaning
    words = ", ".join(str(word) for word in known if not isinstance(word, bool))
    raise _fault(f"{shown(given)} is not known here", path, f"Write one of {words}.")


def _text(given: object, path: str) -> str:
    if not isinstance(given, str):
        raise _fault(f"{shown(given)} is not a text", path, "Write a text, in quotes if need be.")
    return given


def _mapping(given: object, path: str) -> Mapping[object, object]:
    if not isinstance(given, Mapping):
        raise _fault("This is not a mapping", path, "Write names and values: name: value.")
    return given


def _only(entries: Mapping[object, object], known: tuple[str, ...], path: str) -> None:
    for name in entries:
        if name not in known:
            given = short(name)
            near = get_close_matches(given, known, n=1, cutoff=0.6)
            mend = f"Did you mean {near[0]}?" if near else f"Use only {', '.join(known)}."
            raise _fault(f"{shown(name)} is not part of a mapping", f"{path}{given}", mend)


def _fault(what: str, where: str, mend: str) -> InvalidMapping:
    return InvalidMapping(what, where=where, mend=mend)
