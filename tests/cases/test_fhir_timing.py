"""Timings of published resources: each is read exactly, or refused with its path."""

import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from lockstep.domain.refusal import InvalidSchedule
from lockstep.domain.schedule import AfterEvent, windows
from lockstep.fhir.timing import read

CASES = Path(__file__).parents[2].parent / "shared" / "cases" / "fhir-timing-vectors" / "timings.jsonl"
pytestmark = pytest.mark.skipif(not CASES.is_file(), reason="the published cases are not beside the project")

VECTORS: list[dict[str, Any]] = [json.loads(line) for line in CASES.read_text().splitlines()] if CASES.is_file() else []
MINUTES = {"min": 1, "h": 60, "d": 1440, "wk": 10080}
ANCHOR = date(2026, 1, 1)


def outcome(timing: dict[str, Any]) -> str:
    try:
        read(timing)
    except InvalidSchedule as refusal:
        return refusal.where
    return "read"


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: json.dumps(vector["timing"]["repeat"]))
def test_a_timing_asks_as_often_as_it_says_or_is_refused(vector: dict[str, Any]) -> None:
    timing = vector["timing"]
    if outcome(timing) != "read":
        return
    found = read(timing)
    repeat = timing["repeat"]
    assert not isinstance(found.schedule, AfterEvent)
    bounds = repeat.get("boundsPeriod", {})
    anchor = date.fromisoformat(bounds.get("start", str(ANCHOR)))
    from_at = datetime.combine(anchor, datetime.min.time(), UTC)
    listed = windows(found.schedule, anchor_on=ANCHOR, zone="UTC", from_at=from_at)
    if "end" in bounds:
        days = (date.fromisoformat(bounds["end"]) - anchor).days + 1
        periods = Fraction(days * 1440) / (Fraction(repeat["period"]) * MINUTES[repeat["periodUnit"]])
        kept = list(listed)
    else:
        periods = Fraction(12)
        span = timedelta(minutes=float(periods * Fraction(repeat["period"]) * MINUTES[repeat["periodUnit"]]))
        kept = [window for window in islice(listed, 2000) if window.opens_at < from_at + span]
    if "dayOfWeek" in repeat:
        periods = Fraction(sum(1 for n in range(int(periods)) if (anchor + timedelta(days=n)).weekday() == 0))
    assert len(kept) * found.quantity == repeat.get("frequency", 1) * periods
    assert kept[0].opens_at >= from_at


def test_the_share_that_is_read() -> None:
    """The figure in docs/decisions/0011-recurrence.md."""
    assert Counter(outcome(vector["timing"]) for vector in VECTORS) == {
        "read": 16,
        "Timing.repeat.period": 4,
        "Timing.repeat.countMax": 3,
        "Timing.repeat.periodMax": 2,
        "Timing.repeat.boundsPeriod.start": 2,
        "Timing.repeat.when": 3,
        "Timing.repeat.duration": 1,
        "Timing.repeat.boundsPeriod": 1,
    }
