"""The file of checkpoints: whole lines or none, in order, read back as written."""

import os
from pathlib import Path

import pytest

from lockstep.domain.audit import Checkpoint
from lockstep.store.checkpoint import append_checkpoints, read_checkpoints

FIRST = Checkpoint(1, 10, "a" * 64, "2026-11-23T10:44:05+00:00")
SECOND = Checkpoint(2, 3, "b" * 64, "2026-11-23T10:44:06+00:00")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoints.jsonl"


def test_what_was_appended_is_read_in_order(path: Path) -> None:
    assert read_checkpoints(path) == []
    assert append_checkpoints(path, [FIRST]) == 1
    assert append_checkpoints(path, [SECOND, FIRST]) == 2
    assert read_checkpoints(path, must_exist=True) == [FIRST, SECOND, FIRST]


def test_nothing_makes_no_file(path: Path) -> None:
    assert append_checkpoints(path, []) == 0
    assert not path.exists()


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_full_disk_leaves_no_half_line(path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    append_checkpoints(path, [FIRST])
    write = os.write

    def half(handle: int, text: bytes) -> int:
        if len(text) < 60:
            raise OSError(28, "No space left on device")
        return write(handle, text[: len(text) // 2])

    def fail(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, half if call == "write" else fail)
        with pytest.raises(OSError, match="No space"):
            append_checkpoints(path, [SECOND])
    assert read_checkpoints(path) == [FIRST]
    append_checkpoints(path, [SECOND])
    assert read_checkpoints(path) == [FIRST, SECOND]
