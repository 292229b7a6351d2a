"""No hot query walks through a large table, whatever its values: each keeps its index under a generic plan."""

from collections.abc import Iterator

import psycopg
import pytest
from tests.conftest import create, drop, with_database
from tests.store.hot_queries import EVERY_MONTH, HOT, WALKS
from tests.store.large_world import make
from tests.store.plans import Plan, Planner, store_queries

from lockstep.store.queries import NamedQuery

INDEXES = {name: set(indexes.split()) for group in HOT.values() for name, indexes in group.items()}
DUTIES = {"audit.list_chains", "judgement.find_running", "judgement.list_horizons"}
# Settings of a session, and questions to the server, have no plan.
WITHOUT = {"check_stored.allow_thinking", "dictionary.list_columns", "trial.count_server_failures", "trial.list_trials"}


@pytest.fixture(scope="module")
def planner(server_url: str, template: str) -> Iterator[Planner]:
    """The application among a million patients."""
    name = f"{template}_plans"
    create(server_url, name, template=template)
    try:
        with psycopg.connect(with_database(server_url, name), autocommit=True) as admin:
            yield Planner(admin, make(with_database(server_url, name), admin))
    finally:
        drop(server_url, name)


@pytest.fixture(scope="module")
def plans(planner: Planner) -> dict[str, Plan]:
    """The generic plan of every query of the store."""
    return {
        name: planner.plan(query, duty=name.startswith(("duty.", "watch.")) or name in DUTIES)
        for name, query in store_queries().items()
        if name not in WITHOUT
    }


def test_the_world_is_large(plans: dict[str, Plan]) -> None:
    entered = {scan.table for plan in plans.values() for scan in plan.scans}
    assert {"agenda", "agenda_head", "alert", "measurement", "occurrence", "patient", "selection_member"} <= entered


def test_every_query_that_enters_a_large_table_is_listed(plans: dict[str, Plan]) -> None:
    listed = INDEXES.keys() | WALKS.keys()
    assert not INDEXES.keys() & WALKS.keys()
    assert {name for name, plan in plans.items() if plan.scans} == listed, "say whether it is hot, or walks on purpose"


@pytest.mark.parametrize("name", INDEXES)
def test_a_hot_query_keeps_its_index(plans: dict[str, Plan], name: str) -> None:
    assert not plans[name].walks, plans[name].text
    assert plans[name].indexes <= INDEXES[name], plans[name].text


@pytest.mark.parametrize("name", WALKS)
def test_what_walks_on_purpose_walks_through_nothing_else(plans: dict[str, Plan], name: str) -> None:
    tables, _ = WALKS[name]
    assert plans[name].walks <= set(tables.split()), plans[name].text


def test_only_the_months_concerned_are_looked_into(plans: dict[str, Plan]) -> None:
    assert {name for name, plan in plans.items() if plan.all_months} == EVERY_MONTH.keys()


@pytest.mark.parametrize(
    ("condition", "walks"),
    [
        ("slot = %(slot)s", True),
        ("(%(enrolment_ids)s::bigint[] is null or enrolment_id = any(%(enrolment_ids)s))", True),
        ("enrolment_id = any(%(enrolment_ids)s::bigint[])", False),
    ],
)
def test_a_walk_is_seen(planner: Planner, condition: str, walks: bool) -> None:
    text = f"select taken from agenda where organisation_id = %(organisation_id)s and {condition}"
    query = NamedQuery("probe", "", "none", text)
    assert planner.plan(query).walks == ({"agenda"} if walks else set())
