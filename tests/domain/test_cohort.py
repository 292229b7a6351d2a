"""Anchors of one phase are alike: their schedules ask the same from some time after both on."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from lockstep.domain.cohort import representative
from lockstep.domain.days import EveryDays, Weekly
from lockstep.domain.schedule import Schedule, TimeOfDay, windows

MORNING = (TimeOfDay("morning", time(7), 180),)
days = st.one_of(
    st.builds(EveryDays, n=st.integers(1, 40)),
    st.builds(
        Weekly, n=st.integers(1, 5), weekdays=st.sets(st.integers(0, 6), min_size=1).map(lambda s: tuple(sorted(s)))
    ),
)


@given(days=days, anchor_on=st.dates(date(2015, 1, 1), date(2026, 1, 1)), seeks=st.integers(0, 900))
def test_a_representative_asks_what_its_members_are_asked(
    days: EveryDays | Weekly, anchor_on: date, seeks: int
) -> None:
    phase = days.n if isinstance(days, EveryDays) else 7 * days.n
    schedule = Schedule(days, MORNING)
    alike = representative(anchor_on, phase, date(2026, 1, 2))
    assert alike < date(2001, 1, 1) + timedelta(days=phase)
    from_at = datetime(2026, 1, 2, tzinfo=UTC) + timedelta(days=seeks)
    for one, other in zip(
        islice(windows(schedule, anchor_on=anchor_on, zone="Europe/Paris", from_at=from_at), 5),
        islice(windows(schedule, anchor_on=alike, zone="Europe/Paris", from_at=from_at), 5),
        strict=True,
    ):
        assert one == other


def test_an_anchor_that_is_still_to_come_stands_for_itself() -> None:
    assert representative(date(2026, 5, 1), 7, date(2026, 5, 1)) == date(2026, 5, 1)
    assert representative(date(2020, 5, 1), None, date(2026, 5, 1)) == date(2020, 5, 1)
