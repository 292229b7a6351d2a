"""The judge of the readers' answers calls a former schedule former, and a mixed answer mixed."""

from datetime import UTC, date, datetime, timedelta

import pytest

from lockstep.domain.answer import AgendaAnswer, AnsweredOccurrence, InForce
from lockstep.domain.occurrence import OccurrenceState
from lockstep.proof.probe import Answer, is_mixed, judge

E = datetime(2026, 11, 23, 10, 44, 5, tzinfo=UTC)


def answer(asked: float, version: int, *, at: float = 0, mixed: bool = False) -> Answer:
    """Asked at so many seconds of a clock by which the switch was called at 10 and acknowledged at 10.1."""
    return Answer(asked, asked + 0.05, E + timedelta(seconds=at), version, mixed)


def verdict(*answers: Answer) -> tuple[int, int, int, int, int, int]:
    """Before, during, after, former, overtaken, mixed."""
    found = judge(answers, version_number=2, accepted_at=E, called=10.0, told=10.1)
    return found.before, found.during, found.after, found.former, found.overtaken, found.mixed


def test_an_answer_by_the_former_version_after_the_acknowledgement_is_found() -> None:
    assert verdict(answer(10.2, 1, at=0.1)) == (0, 0, 1, 1, 0, 0)


def test_an_answer_by_the_former_version_before_the_switch_is_right() -> None:
    assert verdict(answer(9.0, 1, at=-1)) == (1, 0, 0, 0, 0, 0)


def test_an_answer_by_the_new_version_is_right_whenever_it_comes() -> None:
    assert verdict(answer(10.05, 2, at=0.1), answer(11, 2, at=1)) == (0, 1, 1, 0, 0, 0)


def test_an_answer_given_while_the_acceptance_was_being_committed_is_told_apart() -> None:
    assert verdict(answer(10.02, 1, at=0.01)) == (0, 1, 0, 0, 1, 0)


def test_a_mixed_answer_counts_whenever_it_comes() -> None:
    assert verdict(answer(9.0, 1, at=-1, mixed=True))[-1] == 1


@pytest.mark.parametrize(
    ("opens_in", "version", "mixed"), [(3600, 2, False), (3600, 1, True), (-60, 1, False), (3600, 3, True)]
)
def test_what_is_to_come_must_be_of_the_version_in_force(opens_in: int, version: int, mixed: bool) -> None:
    opens_at = E + timedelta(seconds=opens_in)
    in_force = InForce(1, E, E, "Heart failure", 1, "Stable", 2, E, "Maria", 0, "UTC", False, None)
    closes_at = opens_at + timedelta(hours=1)
    occurrence = AnsweredOccurrence(
        "weight", date(2026, 11, 23), "morning", opens_at, closes_at, closes_at, 1, version, OccurrenceState.COMING
    )
    assert is_mixed(AgendaAnswer(E, E, in_force, (occurrence,))) is mixed
