"""Reads files of measurements: whole, before anything is imported, and then row by row."""

import hashlib
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path

from lockstep.domain.measurement_file import rows
from lockstep.domain.measurement_mapping import FileMapping
from lockstep.domain.refusal import InvalidMapping, UnreadableFile

MOST_CHARACTERS = 100_000
"""A longer row is no row: without a limit a file without line breaks would be read into memory at once."""
_AS_UTF8 = "Save it as UTF-8, or convert it: iconv -f ORIGINAL -t UTF-8."


def inspect(file: Path, mapping: FileMapping) -> str:
    """The SHA-256 of a file that can be read to its end and has what the mapping needs; "" for what is no plain file.

    Raises UnreadableFile, InvalidMapping, OSError; `where` names the file and the row.
    """
    if file.exists() and not file.is_file() and not file.is_dir():
        return ""  # a pipe can be read only once
    try:
        next(rows(lines_of(file), mapping, file=file.stem), None)
    except InvalidMapping as refused:
        raise InvalidMapping(refused.what, where=f"{file.name}, header", mend=refused.mend) from refused
    for _ in lines_of(file):
        pass
    with file.open("rb") as raw:
        return hashlib.file_digest(raw, "sha256").hexdigest()


def lines_of(file: Path) -> Iterator[str]:
    """The file's lines, as text in UTF-8 with or without a byte order mark. Raises UnreadableFile, OSError."""
    number = 0
    with file.open("rb") as raw, TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text:
        while True:
            number += 1
            try:
                line = text.readline(MOST_CHARACTERS)
            except UnicodeDecodeError as fault:
                where = f"{file.name}, row {_undecodable(file) or number}"
                raise UnreadableFile("This is not text in UTF-8", where=where, mend=_AS_UTF8) from fault
            if not line:
                return
            if len(line) == MOST_CHARACTERS:
                what = f"The row has {MOST_CHARACTERS:,} characters or more"
                mend = "Give a delimited text file with one measurement in each line."
                raise UnreadableFile(what, where=f"{file.name}, row {number}", mend=mend)
            yield line


def _undecodable(file: Path) -> int | None:
    """The number of the first line that is not UTF-8: the decoder reads ahead of it. None for what is no plain file."""
    if not file.is_file():
        return None
    number = 1
    with file.open("rb") as raw:
        while piece := raw.readline(4 * MOST_CHARACTERS):
            try:
                piece.decode("utf-8")
            except UnicodeDecodeError:
                return number
            number += piece.endswith(b"\n")
    return None
