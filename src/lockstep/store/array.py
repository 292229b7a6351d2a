"""Array literals for `unnest`: written here several times faster than the driver dumps lists, element by element."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal

_TRUTH = {True: "t", False: "f", None: "NULL"}


def numbers(values: Iterable[int | Decimal | None]) -> str:
    """Whole numbers or decimals, for ::bigint[], ::integer[], ::smallint[] or ::numeric[]."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def flags(values: Iterable[bool | None]) -> str:
    """Truth values, for ::boolean[]."""
    return "{" + ",".join([_TRUTH[value] for value in values]) + "}"


def texts(values: Sequence[str | None]) -> str:
    """Texts, for ::text[]; each in quotes, so that an empty one and the word null stay what they are."""
    if None not in values:
        joined = '","'.join(values)  # type: ignore[arg-type]
        # Nothing to escape when the only quotes are those between the texts, as is nearly always so.
        if "\\" not in joined and joined.count('"') == 2 * (len(values) - 1):
            return '{"' + joined + '"}' if values else "{}"
    return "{" + ",".join(["NULL" if value is None else _quoted(value) for value in values]) + "}"


def instants(values: Iterable[datetime | None]) -> str:
    """Instants, for ::timestamptz[]; those that recur are written once."""
    written: dict[datetime | None, str] = {None: "NULL"}
    found = []
    for value in values:
        text = written.get(value)
        if text is None:
            assert value is not None
            text = written[value] = f'"{value.isoformat()}"'
        found.append(text)
    return "{" + ",".join(found) + "}"


def dates(values: Iterable[date | None]) -> str:
    """Civil dates, for ::date[]; those that recur are written once."""
    written: dict[date | None, str] = {None: "NULL"}
    found = []
    for value in values:
        text = written.get(value)
        if text is None:
            assert value is not None
            text = written[value] = value.isoformat()
        found.append(text)
    return "{" + ",".join(found) + "}"


def digests(values: Iterable[bytes]) -> str:
    """Byte strings, for ::bytea[]."""
    return "{" + ",".join(['"\\\\x' + value.hex() + '"' for value in values]) + "}"


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
