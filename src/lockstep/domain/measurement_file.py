"""Reading measurements from the rows of a delimited file, by a mapping."""

import csv
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from lockstep.domain.civil import instant_of, require_zone
from lockstep.domain.measurement import (
    Measurement,
    Outcome,
    implausible,
    read_instant,
    read_value,
    require_text,
)
from lockstep.domain.measurement_mapping import (
    NAMED,
    RESERVED,
    Coded,
    FileMapping,
    Kind,
    require_columns,
)
from lockstep.domain.refusal import InvalidMapping, InvalidMeasurement, Refusal, short, shown
from lockstep.domain.unit import require_unit

_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,12})?", re.ASCII)
_NOTHING = re.compile(r"0*(\.0*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class SetAside:
    """A row that says something impossible: kept as it stands, with the reason, for a person to look at."""

    source: str
    identifier: str
    patient: str
    kind: Kind
    reason: str
    text: str


Result = Measurement | SetAside | Refusal
Row = tuple[int, Result]


class _ImpossibleError(Exception):
    """A date, time or value that cannot be."""

    def __init__(self, kind: Kind, reason: str) -> None:
        self.kind: Kind = kind
        self.reason = reason
        super().__init__(reason)


def rows(
    lines: Iterable[str], mapping: FileMapping, *, file: str, patient: str = "", zone: str | None = None
) -> Iterator[Row]:
    """Every row of a file, in order, with its number (from 1) and what it says; nothing is left out.

    A Measurement is ready to be recorded, its instant as history. A SetAside has an impossible date, time or
    value (or is a Refusal where the mapping says so). A Refusal could not be read at all; its `where` is
    "row 12". Empty lines and the header are no rows. `file` is the file's name; `patient` is what {given} means;
    `zone` goes before the mapping's own for local times, of which those in a gap move forward (civil.py). A field
    may not hold a line break, so that one stray quote never swallows the rest of the file. Raises InvalidMapping
    at the first row where header and mapping disagree.
    """
    reader = _Reader(mapping, file, patient, require_zone(zone) if zone else mapping.zone)
    columns = mapping.columns
    first = True
    for number, line in enumerate(lines, start=1):
        text = line.rstrip("\r\n").removeprefix("\ufeff") if number == 1 else line.rstrip("\r\n")
        if not text.strip():
            continue
        if first:
            first = False
            if _is_header(text, mapping):
                columns = columns or _header_columns(text, mapping)
                continue
        yield number, reader.result(number, text, columns)


def outcomes(results: Iterable[Row]) -> Iterator[tuple[int, Outcome, Result]]:
    """What becomes of each row when the rows are recorded once, in order, into an empty store.

    A row whose identifier was seen is a duplicate when it says the same, and refused when it says something
    else. Remembers every identifier: use it for files, not for streams.
    """
    seen: dict[tuple[str, str], Measurement | SetAside] = {}
    for number, result in results:
        if isinstance(result, Refusal):
            yield number, Outcome.REFUSED, result
            continue
        known = seen.setdefault((result.source, result.identifier), result)
        if known is result:
            outcome = Outcome.STORED if isinstance(result, Measurement) else Outcome.SET_ASIDE
            yield number, outcome, result
        elif known == result:
            yield number, Outcome.DUPLICATE, result
        else:
            mend = "Make the identifier's template tell them apart, for example by {content}."
            what = f"The identifier {result.identifier!r} already stands for something else"
            yield number, Outcome.REFUSED, InvalidMeasurement(what, where=f"row {number}", mend=mend)


def tally(results: Iterable[Row]) -> Counter[Outcome]:
    """How many rows come to each outcome; the sum is the number of rows."""
    return Counter(outcome for _, outcome, _ in outcomes(results))


class _Reader:
    """Reads rows of one file, one at a time."""

    def __init__(self, mapping: FileMapping, file: str, patient: str, zone: str | None) -> None:
        self._mapping = mapping
        self._named = {"file": file, "given": patient}
        self._zone = zone

    def result(self, number: int, text: str, columns: tuple[str, ...]) -> Result:
        """What a row says."""
        where = f"row {number}"
        try:
            cells = _cells(text, columns, self._mapping.delimiter, where)
            return self._read(number, text, cells, where)
        except Refusal as refused:
            return InvalidMeasurement(refused.what, where=where, mend=refused.mend)

    def _read(self, number: int, text: str, cells: dict[str, str], where: str) -> Measurement | SetAside:
        mapping = self._mapping
        coded = self._coded(cells, where)
        named = {**cells, **self._named, "row": str(number), "content": _digest(cells)}
        patient = require_text(_filled(mapping.patient, named), "patient", where)
        identifier = _filled(mapping.identifier, {**named, "patient": patient})
        identifier = require_text(identifier, "identifier", where)
        try:
            taken_at = self._taken_at(cells, where)
            value, finding, unit = self._value(coded, cells, where)
        except _ImpossibleError as impossible:
            if mapping.impossible.get(impossible.kind) == "refuse":
                mend = f"Correct the {impossible.kind} in the file."
                raise InvalidMeasurement(impossible.reason, where=where, mend=mend) from impossible
            return SetAside(mapping.source, identifier, patient, impossible.kind, impossible.reason, text)
        return Measurement(
            source=mapping.source,
            identifier=identifier,
            patient=patient,
            code=coded.code,
            value=value,
            finding=finding,
            unit=unit,
            taken_at=taken_at,
            device=mapping.device,
            history=True,
        )

    def _coded(self, cells: dict[str, str], where: str) -> Coded:
        codes = self._mapping.codes
        given = cells[self._mapping.code] if self._mapping.code else "*"
        coded = codes.get(given) or codes.get("*")
        if coded is None:
            mend = f"Say under codes.{short(given)} of the mapping what it means."
            raise InvalidMeasurement(f"The code {shown(given)} is not in the mapping", where=where, mend=mend)
        return coded

    def _taken_at(self, cells: dict[str, str], where: str) -> datetime:
        taken = self._mapping.taken
        given = cells[taken.date]
        if taken.date_format == "iso":
            try:
                return read_instant(given)
            except InvalidMeasurement as refused:
                raise _ImpossibleError("date", refused.what) from refused
        local = _strptime("date", given, taken.date_format)
        if taken.time is not None and taken.time_format is not None:
            of_day = _strptime("time", cells[taken.time], taken.time_format)
            local = datetime.combine(local.date(), of_day.timetz())
        return self._instant(local, where)

    def _instant(self, local: datetime, where: str) -> datetime:
        if not 1900 <= local.year < 2200:
            raise _ImpossibleError("date", f"The year {local.year} is impossible")
        if local.tzinfo is not None:
            return local.astimezone(UTC)
        if self._zone is None:
            mend = "Say zone in the mapping, or give the patient's zone."
            raise InvalidMeasurement("The time has no offset and no zone is known", where=where, mend=mend)
        return instant_of(local, self._zone)

    def _value(self, coded: Coded, cells: dict[str, str], where: str) -> tuple[Decimal | None, str | None, str]:
        given = cells[self._mapping.value]
        if coded.finding is not None:
            if not _NOTHING.fullmatch(given):
                raise _ImpossibleError("value", f"{coded.code} takes no value, but there is {shown(given)}")
            return None, coded.finding, ""
        unit = coded.unit
        if self._mapping.unit and cells[self._mapping.unit]:
            unit = require_unit(cells[self._mapping.unit], where)
        finding = self._mapping.words.get(given.casefold())
        if finding is not None:
            return None, finding, unit
        value = self._number(given)
        reason = implausible(coded.code, value, unit, coded.plausible)
        if reason is not None:
            raise _ImpossibleError("value", reason)
        return value, None, unit

    def _number(self, given: str) -> Decimal:
        plain = given.replace(",", ".") if self._mapping.decimal == "," else given
        if not given:
            raise _ImpossibleError("value", "There is no value")
        if not _NUMBER.fullmatch(plain) or (self._mapping.decimal == "," and "." in given):
            raise _ImpossibleError("value", f"The value {shown(given)} is not a number")
        try:
            value = read_value(Decimal(plain))
        except InvalidMeasurement as refused:
            raise _ImpossibleError("value", refused.what) from refused
        assert value is not None
        return value


def _cells(text: str, columns: tuple[str, ...], delimiter: str, where: str) -> dict[str, str]:
    found = _split(text, delimiter, where)
    if len(found) != len(columns):
        mend = f"A row holds {', '.join(columns)}."
        what = f"The row has {len(found)} fields, not {len(columns)}"
        raise InvalidMeasurement(what, where=where, mend=mend)
    return dict(zip(columns, found, strict=True))


def _split(text: str, delimiter: str, where: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([text], delimiter=delimiter, strict=True))]
    except (csv.Error, StopIteration) as fault:
        mend = "Close every quote in its own line, and write a quote inside quotes twice."
        raise InvalidMeasurement(f"The row cannot be split: {fault}", where=where, mend=mend) from fault


def _is_header(text: str, mapping: FileMapping) -> bool:
    if mapping.header != "when present":
        return mapping.header == "yes"
    try:
        names = [name.casefold() for name in _split(text, mapping.delimiter, "header") if name]
    except InvalidMeasurement:
        return False
    return names == [column.casefold() for column in mapping.columns]


def _header_columns(text: str, mapping: FileMapping) -> tuple[str, ...]:
    try:
        columns = tuple(_split(text, mapping.delimiter, "header"))
    except InvalidMeasurement as refused:
        raise InvalidMapping(refused.what, where="header", mend=refused.mend) from refused
    twice = [name for name, times in Counter(columns).items() if times > 1 or name in RESERVED]
    if twice:
        mend = "List columns in the mapping, with names of their own."
        raise InvalidMapping(f"The column {twice[0]!r} is reserved or there twice", where="header", mend=mend)
    require_columns(mapping, columns)
    return columns


def _strptime(kind: Kind, given: str, format_: str) -> datetime:
    try:
        return datetime.strptime(given, format_)  # noqa: DTZ007 - civil, the zone comes after
    except ValueError as fault:
        what = f"The {kind} {shown(given)} does not exist or is not written as {format_}"
        raise _ImpossibleError(kind, what) from fault


def _filled(template: str, named: dict[str, str]) -> str:
    return NAMED.sub(lambda name: named[name[1]], template).strip()


def _digest(cells: dict[str, str]) -> str:
    """32 hexadecimal digits that tell the contents of rows apart, whatever the columns are called."""
    return hashlib.sha256("\x1f".join(cells.values()).encode("utf-8", "surrogatepass")).hexdigest()[:32]
