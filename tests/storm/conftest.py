"""The grounds on which storms rage: one server a session, worlds settled once on it and copied for each test."""

from collections.abc import Iterator

import pytest
from tests.engine.switch_world import World
from tests.storm.field import Field, enter, settle
from tests.storm.ground import Ground, copies, databases, grounds

Settled = tuple[str, tuple[World, int, int]]


@pytest.fixture(scope="session")
def ground() -> Iterator[Ground]:
    """A server of this session's own, or the one that LOCKSTEP_DATABASE_URL names."""
    with grounds() as found:
        yield found


@pytest.fixture
def own_ground(ground: Ground) -> Ground:
    """A server that may be stopped and started."""
    if ground.place is None:
        pytest.skip("the server that LOCKSTEP_DATABASE_URL names is not ours to stop")
    return ground


@pytest.fixture(scope="session")
def small(ground: Ground) -> Iterator[Settled]:
    """A settled world of 2,000 patients and 1,000 of a second protocol."""
    with databases(ground) as url:
        yield url, settle(url, hearts=2_000, lungs=1_000)


@pytest.fixture(scope="session")
def large(ground: Ground) -> Iterator[Settled]:
    """A settled world of 21,000 patients: more than one range, so that two workers recalculate at once."""
    with databases(ground) as url:
        yield url, settle(url, hearts=21_000, lungs=400)


@pytest.fixture
def field(ground: Ground, small: Settled) -> Iterator[Field]:
    """A field of its own for the test, with a small world and nobody on it yet."""
    yield from _entered(ground, small)


@pytest.fixture
def wide_field(ground: Ground, large: Settled) -> Iterator[Field]:
    """A field of its own for the test, with a large world and nobody on it yet."""
    yield from _entered(ground, large)


def _entered(ground: Ground, settled: Settled) -> Iterator[Field]:
    with copies(ground, settled[0]) as url:
        entered = enter(ground, url, settled[1])
        try:
            yield entered
        finally:
            entered.end()
