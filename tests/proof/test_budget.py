"""What the measurements of the budgets make of what they saw."""

import math
from datetime import UTC, datetime

import pytest

from lockstep.proof.budget.drain import Part, together
from lockstep.proof.budget.finding import Finding, Machine, Report, in_ms, percentile
from lockstep.proof.budget.reads import count_former
from lockstep.proof.probe import Answer

_AT = datetime(2026, 11, 23, tzinfo=UTC)


def _report(*held: bool | None) -> Report:
    machine = Machine(2, "kind", (0.0, 0.0, 0.0), _AT, "server", {})
    return Report(1, machine, [Finding("part", "what", "goal", "measured", each) for each in held])


@pytest.mark.parametrize(("share", "value"), [(0.5, 5), (0.9, 9), (0.99, 10), (1.0, 10)])
def test_a_percentile_is_a_value_that_was_measured(share: float, value: int) -> None:
    assert percentile([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], share) == value


def test_nothing_measured_is_no_number() -> None:
    assert math.isnan(in_ms([])["p99_ms"])


def test_a_report_holds_unless_a_goal_was_missed() -> None:
    assert _report(True, None).holds()
    assert not _report(True, None, False).holds()


@pytest.mark.parametrize(
    ("asked", "version", "former"),
    [(0.5, 1, 0), (1.0, 1, 1), (1.5, 2, 0), (2.5, 2, 1), (2.5, 3, 0), (1.9, 3, 0)],
)
def test_former_is_an_answer_asked_after_a_later_version_was_acknowledged(
    asked: float, version: int, former: int
) -> None:
    answer = Answer(asked, asked + 1, _AT, version, mixed=False)
    assert count_former([answer], [(1.0, 2), (2.0, 3)]) == former


def test_two_processes_together_take_from_the_first_begin_to_the_last_end() -> None:
    run = together([Part(30, 1.0, 3.0, [1.0], 0.5, 0), Part(10, 1.5, 5.0, [3.0], 0.25, 2)])
    assert (run.enrolments, run.seconds, run.cpu_seconds, run.lock_time_outs) == (40, 4.0, 0.75, 2)
    assert run.per_second() == 10
