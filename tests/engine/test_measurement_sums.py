"""Whatever is sent, in whatever batches: stored + duplicate + set aside + refused = sent, and each once (S2)."""

import uuid
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lockstep.domain.measurement import Outcome
from lockstep.domain.refusal import InvalidMeasurement
from lockstep.engine.measurement import Item
from lockstep.proof.small_world import weighed
from lockstep.store.database import Database

from .measured_world import MORNING, Measured

if TYPE_CHECKING:
    from tests.conftest import Clock

ITEMS = st.lists(
    st.tuples(
        st.sampled_from(["anna", "bram", "nobody", "refused"]),
        st.integers(0, 6),  # identifier
        st.sampled_from(["80", "95", "9999"]),
        st.integers(-40 * 24, 24).map(lambda hours: MORNING + timedelta(hours=hours)),
        st.sampled_from(["kg", "[lb_av]", "mm[Hg]"]),
    ),
    max_size=25,
)


def item_of(run: str, patient: str, number: int, value: str, at: "object", unit: str) -> Item:
    if patient == "refused":
        return InvalidMeasurement("unreadable")
    return weighed(patient, f"{run} {number}", at, value, unit=unit)  # type: ignore[arg-type]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=ITEMS, sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_outcomes_add_up(
    database: Database, clock: "Clock", admin: psycopg.Connection, sent: list[tuple[str, int, str, object, str]],
    sizes: list[int],
) -> None:  # fmt: skip
    run = uuid.uuid4().hex
    world = Measured(database, admin, clock.set, patients=("anna", "bram"), at=MORNING - timedelta(days=20))
    clock.set(MORNING)
    items = [item_of(run, *each) for each in sent]
    outcomes: Counter[Outcome] = Counter()
    begin, turn = 0, 0
    while begin < len(items):
        size = sizes[turn % len(sizes)]
        outcomes.update(world.record_all(items[begin : begin + size]))
        begin, turn = begin + size, turn + 1
    assert sum(outcomes.values()) == len(items)
    of_it = f"organisation_id = {world.organisation_id}"
    kept = world.ask(f"select count(*) from measurement where {of_it}")[0][0]
    assert kept == outcomes[Outcome.STORED]
    keys = world.ask(f"select count(*), count(*) filter (where set_aside) from measurement_key where {of_it}")[0]
    aside = world.ask(f"select count(*) from measurement_set_aside where {of_it}")[0][0]
    assert keys == (kept + aside, aside)
    assert aside <= outcomes[Outcome.SET_ASIDE]
    # Each decided occurrence was fulfilled by a stored measurement of its own, and no row is decided.
    fulfilled = world.ask(
        f"select count(*), count(distinct measurement_id), count(m.measurement_id) from occurrence o"
        f" left join measurement m using (organisation_id, measurement_id) where o.{of_it}"
    )[0]
    assert fulfilled[0] == fulfilled[1] == fulfilled[2]
    both = world.ask(
        "select count(*) from agenda a join occurrence o"
        " using (organisation_id, enrolment_id, activity_key, on_date, slot)"
        f" where {of_it}"
    )
    assert both == [(0,)]
    # All of it again: nothing new.
    again = Counter(world.record_all(items)) if items else Counter()
    assert again[Outcome.STORED] == 0
    assert world.ask(f"select count(*) from measurement where {of_it}") == [(kept,)]
