"""Histories are written at once and read back as operations."""

from datetime import UTC, datetime
from pathlib import Path

from lockstep.proof.stress.history import DatabaseClock, Recorder, operations_of, read_histories

CLOCK = DatabaseClock(lambda: datetime(2026, 1, 1, tzinfo=UTC))


def test_what_was_written_is_read_as_operations(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "reading-0.0", CLOCK)
    first = recorder.invoke("read", 7, enrolment=1)
    recorder.ok(first, version=2)
    refused = recorder.invoke("read", 7, enrolment=2)
    recorder.fail(refused, code="unknown-enrolment")
    lost = recorder.invoke("read", None, enrolment=3)
    recorder.unknown(lost, error="57P01")
    recorder.invoke("read", 7, enrolment=4)  # and then it was killed
    operations = read_histories(tmp_path).operations
    assert [each.outcome for each in operations] == ["ok", "fail", "unknown", "unknown"]
    assert [each.sent["enrolment"] for each in operations] == [1, 2, 3, 4]
    assert operations[0].answer == {"version": 2}
    assert operations[0].organisation_id == 7
    assert operations[0].asked <= operations[0].told < float("inf") == operations[2].told == operations[3].told
    assert operations[0].told_at is not None
    assert operations[0].asked_at.year == 2026
    recorder.close()


def test_half_a_line_is_left_out() -> None:
    line = (
        '{"op":1,"phase":"invoke","mono":1.0,"at":"2026-01-01T00:00:00+00:00","do":"read","organisation":1,"sent":{}}'
    )
    assert len(operations_of("client", [line, line[:40]])) == 1
