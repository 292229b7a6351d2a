"""How many occurrences were missed in a row, and the rules of it."""

from hypothesis import given
from hypothesis import strategies as st

from lockstep.domain.content import Activity
from lockstep.domain.missed import missed_rules, run_length
from lockstep.domain.occurrence import OccurrenceState as State
from lockstep.domain.rule import Limit, Missed
from lockstep.domain.schedule import AfterEvent

decided = st.lists(st.sampled_from([State.FULFILLED, State.FULFILLED_LATE, State.MISSED]))


def test_the_latest_ones_count() -> None:
    assert run_length([]) == 0
    assert run_length([State.MISSED, State.MISSED, State.FULFILLED_LATE, State.MISSED]) == 2
    assert run_length([State.FULFILLED, State.MISSED]) == 0


@given(decided, st.data())
def test_superseded_and_waived_neither_count_nor_break(states: list[State], data: st.DataObject) -> None:
    mixed = list(states)
    for state in data.draw(st.lists(st.sampled_from([State.SUPERSEDED, State.WAIVED]), max_size=5)):
        mixed.insert(data.draw(st.integers(0, len(mixed))), state)
    assert run_length(mixed) == run_length(states)


@given(decided)
def test_another_miss_makes_it_one_longer_and_a_fulfilled_one_ends_it(states: list[State]) -> None:
    assert run_length([State.MISSED, *states]) == run_length(states) + 1
    assert run_length([State.FULFILLED, *states]) == 0


def test_the_rules_of_an_activity() -> None:
    rules = (Limit("high"), Missed("once"), Missed("thrice", in_a_row=3))
    activity = Activity("a", "A", "a", "kg", AfterEvent("meal", 0, 60), rules=rules)
    assert missed_rules(activity) == rules[1:]
    assert missed_rules(None) == ()
