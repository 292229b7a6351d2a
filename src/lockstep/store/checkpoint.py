"""Checkpoints of audit chains, in a file of JSON lines outside the database."""

import fcntl
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from lockstep.domain.audit import Checkpoint
from lockstep.domain.refusal import InvalidCheckpoint


def read_checkpoints(path: Path, *, must_exist: bool = False) -> list[Checkpoint]:
    """The checkpoints of the file in its order; none when there is no file, unless it must exist.

    Raises InvalidCheckpoint with the line that is none.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if not must_exist:
            return []
        raise InvalidCheckpoint("The file of checkpoints does not exist", where=str(path)) from None
    except UnicodeDecodeError:
        raise InvalidCheckpoint("The file of checkpoints is no UTF-8 text", where=str(path)) from None
    lines = enumerate(text.splitlines(), start=1)
    return [_read(line, where=f"{path}:{number}") for number, line in lines if line.strip()]


def append_checkpoints(path: Path, checkpoints: Sequence[Checkpoint]) -> int:
    """The checkpoints stand at the end of the file and on disk, or none does; returns how many.

    Raises OSError. Locks: the file, against others who append.
    """
    if not checkpoints:
        return 0
    text = "".join(json.dumps(asdict(checkpoint)) + "\n" for checkpoint in checkpoints).encode()
    is_new = not path.exists()
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        length = os.fstat(handle).st_size
        try:
            _write(handle, text)
            os.fsync(handle)
        except OSError:
            # Half a line would make the whole file unreadable.
            os.ftruncate(handle, length)
            raise
    finally:
        os.close(handle)
    if is_new:
        _sync_folder(path.parent)
    return len(checkpoints)


def _write(handle: int, text: bytes) -> None:
    while text:
        text = text[os.write(handle, text) :]


def _sync_folder(folder: Path) -> None:
    # A new file survives a crash of the machine only when its folder does.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(line: str, *, where: str) -> Checkpoint:
    mend = "Restore the file from a copy; what it held cannot be made again from the database."
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        raise InvalidCheckpoint("The line is not JSON", where=where, mend=mend) from None
    match document:
        case {
            "organisation_id": int(organisation_id),
            "position": int(position),
            "chain_hash": str(chain_hash),
            "at": str(at),
        }:
            return Checkpoint(organisation_id, position, chain_hash, at)
    raise InvalidCheckpoint(
        "The line is no checkpoint: it needs organisation_id, position, chain_hash and at", where=where, mend=mend
    )
