"""Which faults happen: drawn from a seed, some of every kind, the costly ones seldom."""

from collections import Counter
from itertools import islice

from lockstep.proof.stress.faults import KINDS
from lockstep.proof.stress.schedule import more, plan


def test_the_same_seed_draws_the_same_faults() -> None:
    first, again, other = plan(1, 200, 60), plan(1, 200, 60), plan(2, 200, 60)
    assert [each.kind.name for each in first] == [each.kind.name for each in again]
    assert [each.kind.name for each in first] != [each.kind.name for each in other]


def test_a_thousand_hold_some_of_every_kind_and_few_costly_ones() -> None:
    planned = plan(7, 1_000, 600)
    counts = Counter(each.kind.name for each in planned)
    assert counts.total() == 1_000
    assert counts.keys() == {kind.name for kind in KINDS}
    for kind in KINDS:
        assert kind.most is None or counts[kind.name] <= kind.most
    assert [each.due for each in planned] == sorted(each.due for each in planned)
    assert planned[-1].due < 600


def test_few_faults_are_drawn_by_weight_only() -> None:
    assert len(plan(1, 10, 5)) == 10


def test_what_makes_up_for_misses_is_cheap() -> None:
    assert all(kind.most is None for kind in islice(more(1, 10), 200))
